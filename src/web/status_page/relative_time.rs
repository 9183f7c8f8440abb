//! A time relative to now, for the page.

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;

/// In seconds.
const HALF_A_DAY: i64 = 12 * 3600;

/// A time in three formats.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<time datetime="{{ datetime }}" title="{{ absolute }}">{{ relative }}</time>"#,
    ext = "html"
)]
pub(super) struct RelativeTime {
    /// For the HTML attribute `datetime`.
    pub(super) datetime: String,
    /// The date and the time of day, in UTC.
    pub(super) absolute: String,
    /// `3 min ago`, `in 5 s`, `now`.
    pub(super) relative: String,
    /// Whether it is half a day or more away.
    is_far: bool,
}

// The template escapes the values, so this is safe HTML.
impl HtmlSafe for RelativeTime {}

impl RelativeTime {
    /// `time` relative to `now`.
    pub(super) fn new(time: Timestamp, now: Timestamp) -> Self {
        Self {
            datetime: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            absolute: time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            relative: relative(time, now),
            is_far: (now.as_second() - time.as_second()).abs() >= HALF_A_DAY,
        }
    }

    /// Only the time of day.
    pub(super) fn clock(&self) -> &str {
        self.absolute.split_once(' ').map_or("", |(_, clock)| clock)
    }

    /// The time of day, with the date if it is half a day or more away.
    pub(super) fn brief(&self) -> &str {
        if self.is_far { &self.absolute } else { self.clock() }
    }
}

fn relative(time: Timestamp, now: Timestamp) -> String {
    let milliseconds = now.as_millisecond() - time.as_millisecond();
    match (milliseconds / 1000, milliseconds) {
        (0, _) => "now".to_owned(),
        (seconds, 0..) => format!("{} ago", span(seconds.unsigned_abs())),
        (seconds, _) => format!("in {}", span(seconds.unsigned_abs())),
    }
}

/// A duration in its one or two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => two(hours, "h", minutes % 60, "min"),
        (1..10, _, _) => two(days, "d", hours % 24, "h"),
        _ => format!("{days} d"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(seconds_ago: i64) -> RelativeTime {
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        RelativeTime::new(Timestamp::from_second(1_700_000_000 - seconds_ago).expect("a time"), now)
    }

    #[test]
    fn times_are_relative_to_now() {
        let table = [
            (0, "now"),
            (1, "1 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (7_140, "1 h 59 min ago"),
            (86_400, "1 d ago"),
            (100_000, "1 d 3 h ago"),
            (9_000_000, "104 d ago"),
            (-5, "in 5 s"),
            (-90, "in 1 min"),
        ];
        for (ago, relative) in table {
            assert_eq!(seen(ago).relative, relative);
        }
    }

    #[test]
    fn time_has_full_and_machine_readable_forms() {
        let html = seen(180).to_string();
        assert_eq!(
            html,
            r#"<time datetime="2023-11-14T22:10:20Z" title="2023-11-14 22:10:20 UTC">3 min ago</time>"#
        );
        assert_eq!(seen(180).clock(), "22:10:20 UTC");
    }

    #[test]
    fn distant_time_shows_its_date() {
        assert_eq!(seen(43_199).brief(), "10:13:21 UTC");
        assert_eq!(seen(43_200).brief(), "2023-11-14 10:13:20 UTC");
    }
}
