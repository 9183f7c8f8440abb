//! Limits the number of concurrent uncompressed scrapes and status pages: `--web.max-requests`.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;

/// Counts the responses in progress. A slow response stops counting after `slow_after`, so that slow clients do not block
/// others.
#[derive(Debug)]
pub(super) struct ScrapeLimit {
    max: usize,
    slow_after: Duration,
    /// The start time of each response; the weak reference is dead after the permit is dropped.
    in_progress: Mutex<Vec<Weak<Instant>>>,
}

/// Counts as a response in progress until it is dropped.
#[derive(Debug)]
pub(super) struct ScrapePermit(#[expect(dead_code, reason = "the limit looks at it")] Arc<Instant>);

impl ScrapeLimit {
    /// Up to `max` responses that are younger than `slow_after`; 0 means no limit.
    pub(super) fn new(max: usize, slow_after: Duration) -> Self {
        let max = if max == 0 { usize::MAX } else { max };
        Self { max, slow_after, in_progress: Mutex::default() }
    }

    /// A permit, or `None` at the limit.
    pub(super) fn try_acquire(&self) -> Option<ScrapePermit> {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        in_progress.retain(|began| began.upgrade().is_some_and(|began| began.elapsed() < self.slow_after));
        if in_progress.len() >= self.max {
            return None;
        }
        let began = Arc::new(Instant::now());
        in_progress.push(Arc::downgrade(&began));
        Some(ScrapePermit(began))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn permit_is_free_when_its_response_ends() {
        let limit = ScrapeLimit::new(1, SECOND);
        let permit = limit.try_acquire();
        assert!(permit.is_some() && limit.try_acquire().is_none());
        drop(permit);
        assert!(limit.try_acquire().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_response_stops_counting() {
        let limit = ScrapeLimit::new(1, SECOND);
        let _slow = limit.try_acquire();
        advance(SECOND / 2).await;
        assert!(limit.try_acquire().is_none());
        advance(SECOND / 2).await;
        let _second = limit.try_acquire().expect("the first no longer counts");
        assert!(limit.try_acquire().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn zero_means_no_limit() {
        let limit = ScrapeLimit::new(0, SECOND);
        let permits: Vec<_> = (0..1000).map(|_| limit.try_acquire()).collect();
        assert!(permits.iter().all(Option::is_some));
    }
}
