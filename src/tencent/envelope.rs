//! The JSON object around every response: `{"Response": …}`, with the response or an error in it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::ApiError,
    field::{Field, object, text},
};

#[derive(Deserialize)]
struct Envelope<'a> {
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

/// Parses a body. Returns the content of `Response`, or the error in it with the API's message and `server_time`.
pub fn parse(body: &[u8], server_time: Option<Timestamp>) -> Result<&RawValue, ApiError> {
    let envelope: Envelope<'_> = object(body)?;
    let response = envelope.response.ok_or_else(|| ApiError::malformed("it has no Response"))?;
    let head: Head<'_> = object(response.get().as_bytes())?;
    let Some(error) = head.error else { return Ok(response) };
    let error: ErrorFields<'_> = object(error.get().as_bytes())?;
    let code = text(error.code).ok_or_else(|| ApiError::malformed("its Error has no Code"))?;
    Err(ApiError::Api {
        code: code.into_owned().into(),
        message: text(error.message).unwrap_or_default().into(),
        request_id: text(head.request_id).unwrap_or_default().into(),
        server_time,
    })
}
