//! When a target is polled: immediately, and then once in each interval at a fixed offset.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::target::Target;

/// The times at which one target is polled, an interval apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    anchor: Instant,
    interval: Duration,
}

impl Schedule {
    /// The first time is `phase` intervals after `start`; `phase` is from 0 to 1.
    pub(super) fn new(start: Instant, interval: Duration, phase: f64) -> Self {
        Self { anchor: start + interval.mul_f64(phase), interval }
    }

    /// The first time after `now`. Missed times are skipped.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let Some(since) = now.checked_duration_since(self.anchor) else { return self.anchor };
        let interval = self.interval.as_nanos();
        let left = interval - since.as_nanos() % interval;
        now + Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

/// The part of the interval at which a target is polled: always the same, and evenly spread over many targets.
pub(super) fn phase(target: &Target) -> f64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::target::{AccountName, Region};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn polls_are_an_interval_apart() {
        let start = Instant::now();
        let schedule = Schedule::new(start, MINUTE, 0.25);
        let first = schedule.next(start);
        assert_eq!(first, start + Duration::from_secs(15));
        assert_eq!(schedule.next(first), first + MINUTE);
        assert_eq!(schedule.next(first + Duration::from_secs(59)), first + MINUTE);
    }

    #[test]
    fn missed_time_is_skipped() {
        let start = Instant::now();
        let schedule = Schedule::new(start, MINUTE, 0.0);
        let late = start + 2 * MINUTE + Duration::from_secs(10);
        assert_eq!(schedule.next(late), start + 3 * MINUTE);
    }

    #[test]
    fn targets_are_spread_over_the_interval() {
        let mut early = 0;
        for number in 0..1000 {
            let account = AccountName::new(&format!("account-{number}")).expect("a name");
            let region = Region::new("ap-guangzhou").expect("a region");
            let phase = phase(&Target { account, region });
            assert!((0.0..1.0).contains(&phase));
            early += u32::from(phase < 0.25);
        }
        assert!((200..300).contains(&early), "{early} of 1000 in the first quarter");
    }
}
