//! Notifications to systemd, if it started the process: `sd_notify(3)`.

use std::{convert::Infallible, future};

use sd_notify::NotifyState;
use tokio::time::sleep;

/// Notifies systemd that the process is ready, and then of each watchdog period. Does nothing without systemd.
pub(super) async fn notify_loop() -> Infallible {
    notify(NotifyState::Ready);
    let Some(period) = sd_notify::watchdog_enabled() else { return future::pending().await };
    loop {
        notify(NotifyState::Watchdog);
        sleep(period / 3).await;
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd notification failed");
    }
}
