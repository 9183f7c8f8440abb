//! The simulated time. It can run faster than real time, and a test can move it forward.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// One instant, as each part of the simulator sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Time since the simulation started; it controls the tunnels.
    pub(super) world: Duration,
    /// The server's clock, in Unix seconds; used for signatures and the `Date` header.
    pub(super) unix: u64,
    /// Real time; used for the rate limit.
    pub(super) instant: Instant,
}

impl Now {
    /// The same instant for a server whose clock is ahead by `seconds`.
    pub(super) fn skewed(self, seconds: i64) -> Self {
        Self { unix: self.unix.saturating_add_signed(seconds), ..self }
    }
}

#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    speed: f64,
    advanced: Mutex<Duration>,
}

impl Clock {
    pub(super) fn new(speed: f64) -> Self {
        Self { started: Instant::now(), speed, advanced: Mutex::default() }
    }

    pub(super) fn now(&self) -> Now {
        let instant = Instant::now();
        let passed = instant.duration_since(self.started).mul_f64(self.speed);
        let advanced = *self.advanced.lock().unwrap_or_else(PoisonError::into_inner);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Now { world: passed.saturating_add(advanced), unix, instant }
    }

    /// Moves the simulated time forward. The clock used to check signatures does not change.
    pub(super) fn advance(&self, by: Duration) {
        let mut advanced = self.advanced.lock().unwrap_or_else(PoisonError::into_inner);
        *advanced = advanced.saturating_add(by);
    }
}
