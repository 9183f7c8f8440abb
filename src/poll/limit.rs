//! An account's share of requests: the same for all its regions, and its waiters are served in turn.

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

/// How many requests may go at once when none went before: enough to make up for a timer that fires a little late.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("two is not zero");

/// A limit on the requests of one account, counted where they are sent.
#[derive(Debug)]
pub struct RateLimit {
    /// One waiter at a time asks the limiter, the others stand in line behind it.
    turn: Semaphore,
    limiter: DefaultDirectRateLimiter,
    throttle: Counter,
}

impl RateLimit {
    /// So many requests a second; seconds spent waiting are added to `throttle`.
    #[must_use]
    pub fn new(requests_per_second: f64, throttle: Counter) -> Self {
        let period = Duration::from_secs_f64(1.0 / requests_per_second).max(Duration::from_nanos(1));
        let quota = Quota::with_period(period).expect("the period is not zero").allow_burst(BURST);
        Self { turn: Semaphore::new(1), limiter: RateLimiter::direct(quota), throttle }
    }

    /// Waits until one request may be sent. Dropping the future gives up the place in the line.
    pub async fn wait(&self) {
        let _waited = Waited { start: Instant::now(), throttle: &self.throttle };
        let _turn = self.turn.acquire().await.expect("the semaphore is never closed");
        while let Err(not_yet) = self.limiter.check() {
            sleep(not_yet.wait_time_from(DefaultClock::default().now())).await;
        }
    }
}

/// Measures a wait, also one that is given up.
struct Waited<'a> {
    start: Instant,
    throttle: &'a Counter,
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.throttle.inc_by(self.start.elapsed().as_secs_f64());
    }
}
