//! The limit on an account's requests, over all regions and actions. Requests are sent in the order in which they wait.

use std::time::Duration;

use prometheus::Counter;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// A limit on the requests of one account.
#[derive(Debug)]
pub struct RateLimit {
    /// When the next request may be sent. The lock is given in the order in which it is requested.
    next: Mutex<Instant>,
    period: Duration,
    throttle: Counter,
}

impl RateLimit {
    /// A limit of `requests_per_second`. The time that requests wait is added to `throttle`, in seconds.
    #[must_use]
    pub fn new(requests_per_second: f64, throttle: Counter) -> Self {
        let period = Duration::from_secs_f64(1.0 / requests_per_second);
        Self { next: Mutex::new(Instant::now()), period, throttle }
    }

    /// Waits until one request may be sent. Dropping the future gives up the place in the queue.
    pub async fn wait(&self) {
        let _waited = Waited { start: Instant::now(), throttle: &self.throttle };
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        // After a pause, two requests may be sent without a wait between them. This makes up for a timer that fires a little
        // late.
        let earliest = Instant::now().checked_sub(self.period).unwrap_or(*next);
        *next = (*next).max(earliest) + self.period;
    }
}

/// Counts the time of a wait when it is dropped, so that a cancelled wait counts too.
struct Waited<'a> {
    start: Instant,
    throttle: &'a Counter,
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.throttle.inc_by(self.start.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{task::JoinSet, time::timeout};

    use super::*;

    fn limit(requests_per_second: f64) -> Arc<RateLimit> {
        let throttle = Counter::new("throttle_seconds_total", "Seconds.").expect("a counter");
        Arc::new(RateLimit::new(requests_per_second, throttle))
    }

    #[tokio::test(start_paused = true)]
    async fn requests_keep_their_order_and_rate() {
        let limit = limit(10.0);
        let start = Instant::now();
        let mut requests = JoinSet::new();
        for number in 0..5_u32 {
            let limit = Arc::clone(&limit);
            requests.spawn(async move {
                limit.wait().await;
                (number, start.elapsed())
            });
        }
        let mut sent = Vec::new();
        while let Some(request) = requests.join_next().await {
            sent.push(request.expect("a request"));
        }
        let tenths = Duration::from_millis(100);
        assert_eq!(sent, (0..5).map(|number| (number, tenths * number)).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn two_requests_follow_at_once_after_a_pause() {
        let limit = limit(10.0);
        tokio::time::advance(Duration::from_mins(1)).await;
        let start = Instant::now();
        limit.wait().await;
        limit.wait().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        limit.wait().await;
        assert_eq!(start.elapsed(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_wait_counts_but_uses_no_turn() {
        let limit = limit(0.1);
        limit.wait().await;
        timeout(Duration::from_secs(4), limit.wait()).await.expect_err("the turn comes after ten seconds");
        assert_eq!(limit.throttle.get(), 4.0);
        limit.wait().await;
        assert_eq!(limit.throttle.get(), 10.0);
    }
}
