//! Decides what to do before the next attempt of a call, and when to give up.

use std::time::Duration;

use jiff::Timestamp;

use super::error::Remedy;

/// How long the first pause can be. Each further pause can be twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The largest number of pauses of one call. The last is up to eight seconds long.
const MAX_PAUSES: u32 = 6;

/// What to do before the next attempt.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Pause(Duration),
    CorrectClock(Timestamp),
    RenewCredentials,
}

/// The retries of one call.
#[derive(Debug)]
pub(super) struct Retries {
    pauses: u32,
    clock_corrected: bool,
    credentials_renewed: bool,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self { pauses: 0, clock_corrected: false, credentials_renewed: false }
    }

    /// The step for this remedy. `None`: give up. A pause must be shorter than the time that is left; without a time limit
    /// there are no pauses.
    pub(super) fn next(&mut self, remedy: Remedy, time_left: Option<Duration>) -> Option<Step> {
        match remedy {
            Remedy::CorrectClock(Some(server_time)) if !self.clock_corrected => {
                self.clock_corrected = true;
                Some(Step::CorrectClock(server_time))
            }
            Remedy::RenewCredentials if !self.credentials_renewed => {
                self.credentials_renewed = true;
                Some(Step::RenewCredentials)
            }
            Remedy::Backoff(at_least) => {
                if self.pauses == MAX_PAUSES {
                    return None;
                }
                let longest = FIRST_PAUSE * 2_u32.pow(self.pauses);
                self.pauses += 1;
                // A random part of it, so that calls that failed together are not repeated together.
                let pause = longest.mul_f64(fastrand::f64()).max(at_least.unwrap_or_default());
                (pause < time_left?).then_some(Step::Pause(pause))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Option<Duration> = Some(Duration::from_mins(1));

    #[test]
    fn pauses_are_limited_in_number_and_length() {
        let mut retries = Retries::new();
        let pauses: Vec<_> = std::iter::from_fn(|| retries.next(Remedy::Backoff(None), MINUTE)).collect();
        assert_eq!(pauses.len(), 6);
        let is_short = |step: &Step| matches!(step, Step::Pause(pause) if *pause <= Duration::from_secs(8));
        assert!(pauses.iter().all(is_short), "{pauses:?}");
    }

    #[test]
    fn pause_must_end_before_the_deadline() {
        let at_least = Remedy::Backoff(Some(Duration::from_mins(1)));
        assert_eq!(Retries::new().next(at_least, MINUTE), None);
        let hour = Some(Duration::from_hours(1));
        assert_eq!(Retries::new().next(at_least, hour), Some(Step::Pause(Duration::from_mins(1))));
        assert_eq!(Retries::new().next(at_least, None), None);
    }

    #[test]
    fn clock_and_credentials_are_corrected_once() {
        let mut retries = Retries::new();
        let time = Timestamp::UNIX_EPOCH;
        let clock = Remedy::CorrectClock(Some(time));
        assert_eq!(retries.next(clock, None), Some(Step::CorrectClock(time)));
        assert_eq!(retries.next(Remedy::RenewCredentials, None), Some(Step::RenewCredentials));
        for again in [clock, Remedy::RenewCredentials, Remedy::CorrectClock(None), Remedy::Report] {
            assert_eq!(retries.next(again, MINUTE), None);
        }
    }
}
