//! Durations in the configuration and in flags: `500ms`, `30s`, `5m`, `1h30m`.

use std::time::Duration;

/// The longest accepted duration, 100 years: added to the current time, it cannot overflow.
const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Parses a duration in `humantime`'s format. It must be longer than zero.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("is not longer than zero; write a longer duration".to_owned()),
        Ok(duration) if duration > MAX => {
            Err("is longer than 100 years; write a shorter duration".to_owned())
        }
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("is not a duration: {error}; write one such as 30s or 1h30m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_durations_are_read() {
        let table =
            [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("1d2h", 93_600_000)];
        for (text, milliseconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn invalid_duration_is_refused_with_its_reason() {
        let table = [
            ("", "is not a duration: value was empty; write one such as"),
            ("-5s", "is not a duration: expected number at 0; write one such as"),
            ("60", "is not a duration: time unit needed, for example 60sec or 60ms; write one such as"),
            ("5 parsecs", "is not a duration: unknown time unit \"parsecs\""),
            ("99999999999999999999h", "is not a duration: number is too large"),
            ("0s", "is not longer than zero"),
            ("101years", "is longer than 100 years"),
        ];
        for (text, reason) in table {
            let found = parse(text).expect_err(text);
            assert!(found.starts_with(reason), "{text:?} {found}");
        }
    }
}
