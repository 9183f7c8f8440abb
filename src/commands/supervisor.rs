//! What systemd is told, where it started the process and asked to be told: `sd_notify(3)`.

use std::{convert::Infallible, future};

use sd_notify::NotifyState;
use tokio::time::sleep;

/// Tells that the process listens, and then as often as is asked for that it still runs. Does nothing elsewhere.
pub(super) async fn keep_informed() -> Infallible {
    tell(NotifyState::Ready);
    let Some(period) = sd_notify::watchdog_enabled() else { return future::pending().await };
    loop {
        tell(NotifyState::Watchdog);
        sleep(period / 3).await;
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told how the process is");
    }
}
