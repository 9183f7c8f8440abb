//! The JSON object around every response: `{"Response": …}`, with the response or an error in it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    error::ApiError,
    field::{Field, object, text},
};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Response")]
    response: Field<'a>,
}

/// The fields of a response. It has no `Debug`, because they can contain pre-shared keys and credentials.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct ApiResponse<'a>(#[serde(borrow)] BTreeMap<String, Field<'a>>);

#[derive(Deserialize)]
struct ErrorFields<'a> {
    #[serde(borrow, rename = "Code")]
    code: Field<'a>,
    #[serde(borrow, rename = "Message")]
    message: Field<'a>,
}

impl<'a> ApiResponse<'a> {
    /// A field: `None` where it is absent or null.
    #[must_use]
    pub fn get(&self, name: &str) -> Field<'a> {
        self.0.get(name).copied().flatten()
    }

    /// Whether the response has this field, even if it is null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Parses a body. Returns the fields of `Response`, or the error in it with the API's message and `server_time`.
pub fn parse(body: &[u8], server_time: Option<Timestamp>) -> Result<ApiResponse<'_>, ApiError> {
    let envelope: Envelope<'_> = object(body)?;
    let response = envelope.response.ok_or_else(|| ApiError::malformed("it has no Response"))?;
    let response: ApiResponse<'_> = object(response.get().as_bytes())?;
    let Some(error) = response.get("Error") else { return Ok(response) };
    let error: ErrorFields<'_> = object(error.get().as_bytes())?;
    let code = text(error.code).ok_or_else(|| ApiError::malformed("its Error has no Code"))?;
    Err(ApiError::Api {
        code: code.into_owned().into(),
        message: text(error.message).unwrap_or_default().into(),
        request_id: text(response.get("RequestId")).unwrap_or_default().into(),
        server_time,
    })
}
