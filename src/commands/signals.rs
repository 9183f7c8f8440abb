//! What the process does when it is told something by a signal.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::web::ReloadRequest;

/// Watches for signals from now on: the first SIGTERM or SIGINT begins an orderly end, the future ends at a
/// second one, and SIGHUP asks for the configuration to be read again.
pub(super) fn watch(
    shutdown: CancellationToken,
    reload: mpsc::Sender<ReloadRequest>,
) -> io::Result<impl Future<Output = Failure>> {
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
) -> Failure {
    loop {
        tokio::select! {
            _ = terminate.recv() => if !begin_end("SIGTERM", &shutdown) { return Failure::Said },
            _ = interrupt.recv() => if !begin_end("SIGINT", &shutdown) { return Failure::Said },
            _ = hang_up.recv() => {
                let (reply, _) = oneshot::channel();
                // A reload that waits already will read what is there then.
                let _ = reload.try_send(ReloadRequest { reply });
            }
        }
    }
}

/// False if the end has begun before.
fn begin_end(name: &str, shutdown: &CancellationToken) -> bool {
    if shutdown.is_cancelled() {
        tracing::warn!("{name} again: ending at once");
        return false;
    }
    tracing::info!("{name}: ending; scrapes that are being served may finish");
    shutdown.cancel();
    true
}
