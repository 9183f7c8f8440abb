//! Readers of single fields of a response. The API sends the same field in different formats.
//!
//! Old and new responses have the same number as `86400` or `"86400"`, leave fields out, or have null. So a field is first
//! kept as raw JSON, and then read as the expected type. A field that cannot be read does not affect the others.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ApiError;

/// A field of the response, unchanged: `None` where it is absent or null.
pub(super) type Field<'a> = Option<&'a RawValue>;

/// Reads a JSON object. The error never repeats the text, which may hold a pre-shared key.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ApiError> {
    match json.trim_ascii_start().first() {
        None => return Err(ApiError::malformed("it is empty")),
        // serde's derived code would also accept an array, field by field in their order.
        Some(first) if *first != b'{' => return Err(ApiError::malformed("it is not a JSON object")),
        Some(_) => {}
    }
    serde_json::from_slice(json).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "truncated JSON",
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Data | serde_json::error::Category::Io => {
                "JSON of an unexpected structure"
            }
        };
        ApiError::malformed(format!("{problem}, at line {} column {}", error.line(), error.column()))
    })
}

/// A field as text: the content of a string, or a number or boolean as it is written; `None` for anything else.
pub(super) fn text(field: Field<'_>) -> Option<Cow<'_, str>> {
    let json = field?.get();
    match json.as_bytes().first()? {
        b'"' => match serde_json::from_str::<Text<'_>>(json) {
            Ok(Text(text)) => Some(text),
            Err(_) => None,
        },
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// Borrows where the JSON has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A field as a structure; `None` for anything else.
pub(super) fn structure<'a, T: Deserialize<'a>>(field: Field<'a>) -> Option<T> {
    object(field?.get().as_bytes()).ok()
}

/// A field as a list; empty for anything else.
pub(super) fn list(field: Field<'_>) -> Vec<&RawValue> {
    field.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
}

/// A field as a boolean, also in the shapes `1`, `"1"` and `"true"`.
pub(super) fn boolean(field: Field<'_>) -> Option<bool> {
    match text(field)?.as_ref() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The first `limit` characters.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}
