//! What the process does when it is told something by a signal.

use std::{convert::Infallible, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use crate::web::ReloadRequest;

/// Watches for signals from now on: the first SIGTERM or SIGINT begins an orderly end, a second one ends the process at
/// once with status 1, and SIGHUP asks for the configuration to be read again.
pub(super) fn watch(
    shutdown: CancellationToken,
    reload: mpsc::Sender<ReloadRequest>,
) -> io::Result<impl Future<Output = Infallible>> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let hang_up = signal(SignalKind::hangup())?;
    Ok(obey(terminate, interrupt, hang_up, shutdown, reload))
}

async fn obey(
    mut terminate: Signal,
    mut interrupt: Signal,
    mut hang_up: Signal,
    shutdown: CancellationToken,
    reload: mpsc::Sender<ReloadRequest>,
) -> Infallible {
    loop {
        tokio::select! {
            _ = terminate.recv() => end("SIGTERM", &shutdown),
            _ = interrupt.recv() => end("SIGINT", &shutdown),
            _ = hang_up.recv() => {
                let (reply, _) = oneshot::channel();
                // A reload that waits already will read what is there then.
                let _ = reload.try_send(ReloadRequest { reply });
            }
        }
    }
}

fn end(name: &str, shutdown: &CancellationToken) {
    if shutdown.is_cancelled() {
        tracing::warn!("{name} again: ending at once");
        std::process::exit(1);
    }
    tracing::info!("{name}: ending; scrapes that are being served may finish");
    shutdown.cancel();
}
