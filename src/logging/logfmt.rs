//! `logfmt`: one event as one line of keys and values, whatever the values are.
//!
//! Names of tunnels and messages of the API come from outside. A value can neither end its line nor begin a key, and it is
//! escaped as in JSON, which is what the parsers of Prometheus' and Grafana's tools undo.

use std::fmt::{self, Debug, Write};

use jiff::Timestamp;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::is_shown;
use crate::domain::is_unsafe_for_display;

/// Writes events: the time in UTC, the level, the message, and the event's own fields.
#[derive(Debug)]
pub(super) struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "ts={:.3} level={}", Timestamp::now(), level(*event.metadata().level()))?;
        let mut fields = Fields { writer: &mut writer, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writeln!(writer)
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Writes the fields of an event, and remembers whether that failed.
struct Fields<'a, W> {
    writer: &'a mut W,
    result: fmt::Result,
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() && is_shown(field) {
            self.result = write_field(self.writer, field.name(), value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn write_field(writer: &mut impl Write, key: &str, value: &str) -> fmt::Result {
    let bare = |c: char| !matches!(c, ' ' | '=' | '"' | '\\') && !is_unsafe_for_display(c);
    if value.chars().all(bare) {
        return write!(writer, " {key}={value}");
    }
    write!(writer, " {key}=\"")?;
    value.chars().try_for_each(|c| write_escaped(writer, c))?;
    writer.write_char('"')
}

fn write_escaped(writer: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '"' | '\\' => write!(writer, "\\{c}"),
        '\n' => writer.write_str("\\n"),
        '\r' => writer.write_str("\\r"),
        '\t' => writer.write_str("\\t"),
        c if is_unsafe_for_display(c) => write!(writer, "\\u{:04x}", u32::from(c)),
        c => writer.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let mut line = String::new();
        write_field(&mut line, "name", value).expect("a string takes all");
        line
    }

    #[test]
    fn plain_values_stand_bare_and_others_in_quotes() {
        let table = [
            ("vpnx-f49l6u0z", " name=vpnx-f49l6u0z"),
            ("", " name="),
            ("Größe-办公室-🏢", " name=Größe-办公室-🏢"),
            ("it's", " name=it's"),
            ("two words", r#" name="two words""#),
            ("a=b", r#" name="a=b""#),
            (r#"a"b\c"#, r#" name="a\"b\\c""#),
        ];
        for (value, expected) in table {
            assert_eq!(written(value), expected);
        }
    }

    #[test]
    fn what_ends_lines_rules_terminals_or_turns_text_around_is_escaped() {
        let table = [
            ("a\nb\r\tc", r#" name="a\nb\r\tc""#),
            ("\u{1b}[31m\u{9b}\u{0}\u{7f}", r#" name="\u001b[31m\u009b\u0000\u007f""#),
            ("\u{2028}\u{202e}\u{2066}", r#" name="\u2028\u202e\u2066""#),
        ];
        for (value, expected) in table {
            assert_eq!(written(value), expected);
            let json = written(value).replacen(" name=", "", 1);
            assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), value);
        }
    }
}
