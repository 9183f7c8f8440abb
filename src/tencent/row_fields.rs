//! Readers of the fields of a row, for every kind of row: texts as the metrics expose them, statuses, times and tags.

use jiff::{civil::DateTime, tz};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{self, Field, cut, list, structure};
use crate::domain::{listing::UnknownValue, status::ApiStatus, tag_label::Tags};

/// The longest text that is kept, in characters. Longer texts are cut.
const MAX_TEXT_CHARS: usize = 128;

/// How many tags of a row are kept. Tencent Cloud allows that many on one resource.
const MAX_TAGS: usize = 50;

/// The zone of the API's times: China Standard Time (unverified: the API names no zone).
pub(super) const API_ZONE: tz::Offset = tz::offset(8);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagFields<'a> {
    #[serde(borrow)]
    key: Field<'a>,
    #[serde(borrow)]
    value: Field<'a>,
}

/// A status. An undocumented value is added to `unknown_values`. A status that is null, absent or empty is unknown, too, but it
/// is not added.
pub(super) fn status<S: ApiStatus>(field: Field<'_>, unknown_values: &mut Vec<UnknownValue>) -> S {
    // A value that is not a text may contain anything, so it is not repeated.
    let text = field::text(field).unwrap_or(if field.is_some() { "(no text)".into() } else { "".into() });
    let status = S::parse(&text);
    if !text.is_empty() && status == S::UNKNOWN {
        unknown_values.push(unknown_value(S::FIELD, &text));
    }
    status
}

/// An undocumented value of the status with this name.
pub(super) fn unknown_value(field: &'static str, text: &str) -> UnknownValue {
    UnknownValue { field, value: cut(text, MAX_TEXT_CHARS).into() }
}

/// A text, cut to 128 characters; empty where it is absent.
pub(super) fn short_text(field: Field<'_>) -> Box<str> {
    field::text(field).map_or_else(Box::default, |text| printable(cut(&text, MAX_TEXT_CHARS)))
}

/// The first of two texts that is not empty.
pub(super) fn first_text(first: Field<'_>, second: Field<'_>) -> Box<str> {
    let first = short_text(first);
    if first.is_empty() { short_text(second) } else { first }
}

/// A text without control characters except tabs and line ends. Some parsers of expositions stop at NUL, and terminals
/// interpret other control characters.
fn printable(text: &str) -> Box<str> {
    let is_replaced = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.contains(is_replaced) { text.replace(is_replaced, "\u{fffd}").into() } else { text.into() }
}

/// A time such as `2022-07-22 14:05:07` in Unix seconds. `None`: it cannot be read, as in an older example of the API
/// reference, `2017-08-0510: 27: 32`.
pub(super) fn time(field: Field<'_>) -> Option<i64> {
    let text = field::text(field)?;
    let has_full_length = text.len() == "2022-07-22 14:05:07".len();
    let time: DateTime = text.parse().ok().filter(|_| has_full_length)?;
    Some(API_ZONE.to_timestamp(time).ok()?.as_second())
}

/// Tags: keys and values, in the API's order.
pub(super) fn tags(field: Field<'_>) -> Tags {
    let tags = list(field).into_iter().filter_map(|tag: &RawValue| {
        let tag: TagFields<'_> = structure(Some(tag))?;
        Some((short_text(tag.key), short_text(tag.value)))
    });
    tags.filter(|(key, _)| !key.is_empty()).take(MAX_TAGS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::status::TunnelState;

    /// The result of a reader for a JSON value.
    fn read<T>(reader: impl FnOnce(Field<'_>) -> T, value: &Value) -> T {
        reader(Some(&RawValue::from_string(value.to_string()).expect("JSON")))
    }

    #[test]
    fn status_of_another_type_is_not_shown() {
        let mut unknown_values = Vec::new();
        let value = json!({"PreShareKey": "hunter2"});
        let state: TunnelState = read(|field| status(field, &mut unknown_values), &value);
        assert_eq!(state, TunnelState::Unknown);
        assert_eq!(unknown_values, [UnknownValue { field: "state", value: "(no text)".into() }]);
    }

    #[test]
    fn malformed_time_means_no_time() {
        for text in ["0000-00-00 00:00:00", "2017-08-0510: 27: 32", "2022-07-22"] {
            assert_eq!(read(time, &json!(text)), None, "{text}");
        }
        // 14:05:07 at UTC+8 is 06:05:07 UTC.
        assert_eq!(read(time, &json!("2022-07-22 14:05:07")), Some(1_658_469_907));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(*read(short_text, &json!("é".repeat(10_000))), "é".repeat(128));
    }

    #[test]
    fn control_characters_are_replaced() {
        let value = json!("a\u{0}b\u{1b}[31mc\td\r\ne\u{9b}f");
        assert_eq!(*read(short_text, &value), *"a\u{fffd}b\u{fffd}[31mc\td\r\ne\u{fffd}f");
    }
}
