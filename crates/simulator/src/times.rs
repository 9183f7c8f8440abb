//! The times in rows: China Standard Time, without a zone.

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
