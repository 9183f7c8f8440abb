//! JSON: one event is one object on a line of its own.

use std::fmt::{self, Write};

use jiff::Timestamp;
use serde_json::Value;
use tracing::Level;

/// Writes the time in UTC, the level, and the fields.
pub(super) fn write(mut writer: impl Write, level: Level, fields: &[(&str, Value)]) -> fmt::Result {
    write!(writer, r#"{{"time":"{:.3}","level":"{level}""#, Timestamp::now())?;
    for (key, value) in fields {
        write!(writer, ",{}:{value}", Value::from(*key))?;
    }
    writeln!(writer, "}}")
}
