//! What the process does when it is told something by a signal.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::web::state::ReloadRequest;

/// Shutdown and reload requests from signals.
pub(super) struct Requests {
    /// Cancelled by the first SIGTERM or SIGINT: a command that waits must then give up.
    pub(super) shutdown: CancellationToken,
    /// One for each SIGHUP, unless a request is waiting already.
    pub(super) reloads: mpsc::Receiver<ReloadRequest>,
}

/// Runs a command that SIGTERM and SIGINT stop cleanly, and for which SIGHUP requests a reload.
///
/// The handlers are installed before the command begins, so that no signal during its start kills the process.
pub(super) async fn handled(
    command: impl AsyncFnOnce(Requests) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let hang_up = signal(SignalKind::hangup())?;
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let (reload, reloads) = mpsc::channel(1);
    tokio::select! {
        result = command(Requests { shutdown: shutdown.clone(), reloads }) => result,
        failure = obey(terminate, interrupt, hang_up, shutdown, reload) => Err(failure),
    }
}

/// Waits for signals: the first SIGTERM or SIGINT begins an orderly end, the second one ends the wait, and SIGHUP asks for the
/// configuration to be read again.
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
