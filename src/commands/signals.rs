//! Signal handling: SIGTERM and SIGINT stop a command, SIGHUP reloads its configuration.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::error::CommandError;
use crate::web::state::ReloadRequest;

/// Shutdown and reload requests from signals.
pub(super) struct Signals {
    /// Cancelled by the first SIGTERM or SIGINT: a waiting command must then stop.
    pub(super) shutdown: CancellationToken,
    /// One request for each SIGHUP, unless a request is already pending.
    pub(super) reloads: mpsc::Receiver<ReloadRequest>,
}

/// Runs a command that SIGTERM and SIGINT stop cleanly, and for which SIGHUP requests a reload.
///
/// The handlers are installed before the command begins, so that no signal during its start kills the process.
pub(super) async fn handle_signals(
    command: impl AsyncFnOnce(Signals) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let hang_up = signal(SignalKind::hangup())?;
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let (reload, reloads) = mpsc::channel(1);
    tokio::select! {
        result = command(Signals { shutdown: shutdown.clone(), reloads }) => result,
        () = second_stop(terminate, interrupt, hang_up, shutdown, reload) => Err(CommandError::AlreadyReported),
    }
}

/// Passes signals on. Returns at the second SIGTERM or SIGINT, which ends the command immediately.
async fn second_stop(
    mut terminate: Signal,
    mut interrupt: Signal,
    mut hang_up: Signal,
    shutdown: CancellationToken,
    reload: mpsc::Sender<ReloadRequest>,
) {
    loop {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hang_up.recv() => {
                let (reply, _) = oneshot::channel();
                // If a reload is pending, it will read the newest files.
                let _ = reload.try_send(ReloadRequest { reply });
                continue;
            }
        };
        if shutdown.is_cancelled() {
            tracing::warn!(signal, "second stop signal; exiting immediately");
            return;
        }
        tracing::info!(signal, "shutting down; scrapes in progress may finish");
        shutdown.cancel();
    }
}
