//! The limit on an account's requests, over all regions and actions. Callers are served in the order in which they came.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use prometheus::Counter;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

/// How many requests may be sent at once after a pause: enough to make up for a timer that fires a little late.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("two is not zero");

/// A limit on the requests of one account.
#[derive(Debug)]
pub struct RateLimit {
    /// One caller at a time asks the limiter. The semaphore serves the others first come, first served.
    turn: Semaphore,
    limiter: DefaultDirectRateLimiter,
    throttle: Counter,
}

impl RateLimit {
    /// A limit of `requests_per_second`. The time that callers wait is added to `throttle`, in seconds.
    #[must_use]
    pub fn new(requests_per_second: f64, throttle: Counter) -> Self {
        let period = Duration::from_secs_f64(1.0 / requests_per_second).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).expect("the period is not zero").allow_burst(BURST);
        Self { turn: Semaphore::new(1), limiter: RateLimiter::direct(quota), throttle }
    }

    /// Waits until one request may be sent. Dropping the future gives up the place in the queue.
    pub async fn wait(&self) {
        let _waited = Waited { start: Instant::now(), throttle: &self.throttle };
        let _turn = self.turn.acquire().await.expect("the semaphore is never closed");
        while let Err(not_yet) = self.limiter.check() {
            sleep(not_yet.wait_time_from(DefaultClock::default().now())).await;
        }
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
