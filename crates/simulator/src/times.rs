//! Times in requests and responses, all in China Standard Time: in rows without a zone, in Cloud Monitor's data with the
//! offset.

/// The text for a time that does not exist.
pub(super) const NO_TIME: &str = "0000-00-00 00:00:00";

/// The earliest `CreatedTime` of a tunnel, in Unix seconds: 2023-01-01 00:00:00 China Standard Time.
const FIRST_CREATED: i64 = 1_672_502_400;
/// The seconds between the creations of two tunnels.
pub(super) const BETWEEN_TUNNELS: i64 = 20_000;
const CHINA_STANDARD_TIME: jiff::tz::Offset = jiff::tz::offset(8);

/// The start of the period in which the tunnel with this number was created, in Unix seconds.
pub(super) fn creation(number: usize) -> i64 {
    let number = i64::try_from(number).expect("a region's tunnels fit into memory");
    FIRST_CREATED + number * BETWEEN_TUNNELS
}

/// A time in Unix seconds as rows show it.
pub(super) fn text(unix: i64) -> String {
    let time = jiff::Timestamp::from_second(unix).expect("a time within some decades");
    CHINA_STANDARD_TIME.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time in Unix seconds as Cloud Monitor shows it, such as `2026-11-27T12:00:00+08:00`.
pub(super) fn with_offset(unix: u64) -> String {
    let time = i64::try_from(unix).ok().and_then(|unix| jiff::Timestamp::from_second(unix).ok());
    let time = CHINA_STANDARD_TIME.to_datetime(time.expect("a time that was parsed"));
    format!("{}+08:00", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// Reads a time with an offset, such as `2026-11-27T12:00:00+08:00`. The result is in Unix seconds.
pub(super) fn parse(text: &str) -> Option<u64> {
    // The parser also accepts fewer digits, and spaces.
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    let has_shape = text.bytes().map(shape).eq(*b"0000-00-00T00:00:00+00:00")
        || text.bytes().map(shape).eq(*b"0000-00-00T00:00:00-00:00");
    let time = jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%:z", text).ok().filter(|_| has_shape)?;
    u64::try_from(time.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_format_is_read() {
        assert_eq!(parse("2026-11-27T12:00:00+08:00"), Some(1_795_752_000));
        assert_eq!(parse("2026-11-27T04:00:00-00:00"), Some(1_795_752_000));
        for bad in [
            "2026-11-7T12:00:00+08:00",
            "2026-11-27T1:00:00+08:00",
            "2026-11-27T12:00:0+08:00",
            "2026-11-27T12:00:00+8:00",
            "2026-11-27T12:00:00+08",
            "2026-11-27T12:00:00+0800",
            "2026-11-27T12:00:00+08:00:00",
            "2026-11-27T12:00:00.5+08:00",
            "2026-11-27T12:00:00 +08:00",
            " 2026-11-27T12:00:00+08:00",
            "226-11-27T12:00:00+08:00",
            "+2026-11-27T12:00:00+08:00",
            "2026-11-27t12:00:00+08:00",
            "2026-11-27T12:00:00Z",
            "2026-11-27T12:00:00+08:00 ",
            "",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
