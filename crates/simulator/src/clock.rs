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

/// Converts Unix time to simulated time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline {
    /// The start of the simulator, in Unix seconds.
    started: f64,
    speed: f64,
    /// How far a test has moved the simulated time forward, in seconds.
    advanced: f64,
}

impl Timeline {
    /// The time since the simulation started, at a time in Unix seconds; zero before the start.
    pub(super) fn world(&self, unix: u64) -> Duration {
        let passed = (unix as f64 - self.started) * self.speed + self.advanced;
        Duration::try_from_secs_f64(passed.max(0.0)).unwrap_or(Duration::MAX)
    }
}

#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// The same moment, since the Unix epoch.
    started_unix: Duration,
    speed: f64,
    advanced: Mutex<Duration>,
}

impl Clock {
    pub(super) fn new(speed: f64) -> Self {
        Self { started: Instant::now(), started_unix: unix(), speed, advanced: Mutex::default() }
    }

    pub(super) fn now(&self) -> Now {
        let instant = Instant::now();
        let passed = instant.duration_since(self.started).mul_f64(self.speed);
        Now { world: passed.saturating_add(self.advanced()), unix: unix().as_secs(), instant }
    }

    /// Converts Unix time until the next [`advance`](Self::advance).
    pub(super) fn timeline(&self) -> Timeline {
        let (started, advanced) = (self.started_unix.as_secs_f64(), self.advanced().as_secs_f64());
        Timeline { started, speed: self.speed, advanced }
    }

    /// Moves the simulated time forward. The clock used to check signatures does not change.
    pub(super) fn advance(&self, by: Duration) {
        let mut advanced = self.advanced.lock().unwrap_or_else(PoisonError::into_inner);
        *advanced = advanced.saturating_add(by);
    }

    fn advanced(&self) -> Duration {
        *self.advanced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time since the Unix epoch.
fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_is_converted_to_simulated_time() {
        let timeline = |speed, advanced| Timeline { started: 1000.5, speed, advanced };
        let table = [
            (timeline(1.0, 0.0), 0, 0.0),
            (timeline(1.0, 0.0), 1000, 0.0),
            (timeline(1.0, 0.0), 1010, 9.5),
            (timeline(60.0, 0.0), 1010, 570.0),
            (timeline(1.0, 100.0), 1010, 109.5),
            (timeline(1.0, 100.0), 950, 49.5),
            (timeline(1.0, 100.0), 900, 0.0),
        ];
        for (timeline, unix, expected) in table {
            assert_eq!(timeline.world(unix).as_secs_f64(), expected, "{timeline:?} at {unix}");
        }
        assert_eq!(timeline(1e6, f64::MAX).world(u64::MAX), Duration::MAX);
    }

    #[test]
    fn both_clocks_show_the_same_simulated_time() {
        let clock = Clock::new(1.0);
        clock.advance(Duration::from_secs(100));
        let now = clock.now();
        let of_unix = clock.timeline().world(now.unix + 1000);
        let passed = of_unix.saturating_sub(now.world).as_secs_f64();
        assert!((990.0..1010.0).contains(&passed), "{passed} s");
    }
}
