//! `logfmt`: one event is one line of keys and values.
//!
//! Values are escaped as in JSON, which the parsers of Prometheus' and Grafana's tools understand.

use std::fmt::{self, Write};

use jiff::Timestamp;
use serde_json::Value;
use tracing::Level;

use crate::domain::display::is_unsafe_for_display;

/// Writes the time in UTC, the level, and the fields.
pub(super) fn write(mut writer: impl Write, level: Level, fields: &[(&str, Value)]) -> fmt::Result {
    write!(writer, "time={:.3} level={level}", Timestamp::now())?;
    for (key, value) in fields {
        match value {
            Value::String(text) => write_text(&mut writer, key, text)?,
            value => write!(writer, " {key}={value}")?,
        }
    }
    writeln!(writer)
}

fn write_text(writer: &mut impl Write, key: &str, text: &str) -> fmt::Result {
    let is_plain = |c: char| !matches!(c, ' ' | '=' | '"' | '\\') && !is_unsafe_for_display(c);
    if text.chars().all(is_plain) {
        return write!(writer, " {key}={text}");
    }
    write!(writer, " {key}=\"")?;
    text.chars().try_for_each(|c| write_escaped(writer, c))?;
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
        write_text(&mut line, "name", value).expect("a string takes all");
        line
    }

    #[test]
    fn plain_values_are_bare_and_others_quoted() {
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
    fn control_and_invisible_characters_are_escaped() {
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
