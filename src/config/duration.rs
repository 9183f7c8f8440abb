//! Lengths of time as the configuration writes them: `500ms`, `30s`, `5m`, `1h30m`, `2d`.

use std::time::Duration;

/// The longest that is accepted, 100 years of 365 days: sums of it with any time of today cannot overflow.
const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Each unit and its milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidDuration {
    /// It is written in another way.
    #[error(
        "is not a duration; write whole numbers with the units d, h, m, s and ms in this order, such as 1h30m"
    )]
    Format,
    /// It is a number alone.
    #[error("has no unit; write one of d, h, m, s and ms after the number")]
    NoUnit,
    /// It is no time at all.
    #[error("is not longer than zero; write a longer one")]
    Zero,
    /// It is longer than anybody waits.
    #[error("is longer than 100 years; write a shorter one")]
    TooLong,
}

/// Reads a duration: whole numbers, each with its unit, the longest unit first and each once.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let (mut rest, mut units, mut sum) = (text, UNITS.as_slice(), Some(0_u64));
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| !c.is_ascii_alphabetic());
        if !digits.is_empty() && unit.is_empty() && after.is_empty() && rest == text {
            return Err(InvalidDuration::NoUnit);
        }
        let position = units.iter().position(|(name, _)| *name == unit).filter(|_| !digits.is_empty());
        let position = position.ok_or(InvalidDuration::Format)?;
        let product = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(units[position].1));
        sum = sum.zip(product).and_then(|(sum, product)| sum.checked_add(product));
        (rest, units) = (after, &units[position + 1..]);
    }
    match sum.map(Duration::from_millis) {
        _ if text.is_empty() => Err(InvalidDuration::Format),
        Some(Duration::ZERO) => Err(InvalidDuration::Zero),
        Some(duration) if duration <= MAX => Ok(duration),
        _ => Err(InvalidDuration::TooLong),
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let table = [
            ("500ms", 500),
            ("30s", 30_000),
            ("090s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("36500d", 3_153_600_000_000),
        ];
        for (text, milliseconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_reason() {
        use InvalidDuration::{Format, NoUnit, TooLong, Zero};
        let table = [
            ("", Format),
            ("s", Format),
            ("-5s", Format),
            ("1.5h", Format),
            ("5 s", Format),
            (" 5s", Format),
            ("5S", Format),
            ("5M", Format),
            ("5y", Format),
            ("5sec", Format),
            ("30m1h", Format),
            ("1h1h", Format),
            ("1h30", Format),
            ("５s", Format),
            ("60", NoUnit),
            ("0s", Zero),
            ("0h0m", Zero),
            ("36501d", TooLong),
            ("18446744073709551615s1000ms", TooLong),
            ("99999999999999999999999999s", TooLong),
        ];
        for (text, reason) in table {
            assert_eq!(parse(text), Err(reason), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9dhms. -]{0,40}|.{0,10}") {
            let _ = parse(&text);
        }
    }
}
