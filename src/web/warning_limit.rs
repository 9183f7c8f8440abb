//! Limits warnings that clients can cause, so that they do not fill the log.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The minimum time between two warnings of one kind.
const INTERVAL: Duration = Duration::from_secs(60);

/// Allows one warning a minute.
#[derive(Debug, Default)]
pub(super) struct WarningLimit {
    last_warned: Mutex<Option<Instant>>,
}

impl WarningLimit {
    /// Whether to warn now. If so, the next minute starts.
    pub(super) fn is_due(&self) -> bool {
        let mut last_warned = self.last_warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last_warned.is_none_or(|at| at.elapsed() >= INTERVAL);
        if is_due {
            *last_warned = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn warning_is_due_once_a_minute() {
        let limit = WarningLimit::default();
        assert!(limit.is_due());
        advance(INTERVAL - Duration::from_secs(1)).await;
        assert!(!limit.is_due());
        advance(Duration::from_secs(1)).await;
        assert!(limit.is_due());
        assert!(!limit.is_due());
    }
}
