//! The frame around every answer, and readers for values that come in more than one shape.
//!
//! Answers of different ages give the same number as `86400` or `"86400"`, leave fields out, or give null. So a field is
//! taken as raw JSON first and read for what it is wanted for: one that cannot be read costs itself and nothing else.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ApiError;

/// One field as it came: `None` where it is absent or null.
pub(super) type Field<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "Response")]
    response: Field<'a>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "Error")]
    error: Field<'a>,
    #[serde(borrow, rename = "RequestId")]
    request_id: Field<'a>,
}

#[derive(Deserialize)]
struct ErrorFields<'a> {
    #[serde(borrow, rename = "Code")]
    code: Field<'a>,
    #[serde(borrow, rename = "Message")]
    message: Field<'a>,
}

/// Takes the frame off a body: what is in `Response`, or the error that it holds, in all its words.
pub fn unframe(body: &[u8], server_time: Option<Timestamp>) -> Result<&RawValue, ApiError> {
    let frame: Frame<'_> = parse(body)?;
    let response = frame.response.ok_or_else(|| ApiError::Malformed("it has no Response".into()))?;
    let head: Head<'_> = parse(response.get().as_bytes())?;
    let Some(error) = head.error else { return Ok(response) };
    let error: ErrorFields<'_> = parse(error.get().as_bytes())?;
    let code = text(error.code).ok_or_else(|| ApiError::Malformed("its Error has no Code".into()))?;
    Err(ApiError::Api {
        code: code.into_owned().into(),
        message: text(error.message).unwrap_or_default().into(),
        request_id: text(head.request_id).unwrap_or_default().into(),
        server_time,
    })
}

/// Reads a JSON object. What the body says is never part of the error: it may hold a pre-shared key.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ApiError> {
    match json.trim_ascii_start().first() {
        None => return Err(ApiError::Malformed("it is empty".into())),
        // Derived readers would also take an array, field by field in their order.
        Some(first) if *first != b'{' => return Err(ApiError::Malformed("it is no JSON object".into())),
        Some(_) => {}
    }
    serde_json::from_slice(json).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Eof => "JSON that breaks off",
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Data | serde_json::error::Category::Io => "JSON of another shape",
        };
        ApiError::Malformed(format!("{problem}, at line {} column {}", error.line(), error.column()))
    })
}

/// A field as text: a string's content, or a number or boolean as it is written; `None` for all else.
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

/// A field as a structure; `None` where it is anything else.
pub(super) fn structure<'a, T: Deserialize<'a>>(field: Field<'a>) -> Option<T> {
    parse(field?.get().as_bytes()).ok()
}

/// A field as a list; none where it is anything else.
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
