//! The JSON object around every response: `{"Response": …}`, with the response or an error in it.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::{
    error::ApiError,
    field::{Field, object, text},
};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Response")]
    response: Field<'a>,
}

/// The fields of a response, each once. It has no `Debug`, because they can contain pre-shared keys and credentials.
#[derive(Default)]
pub struct ApiResponse<'a>(BTreeMap<String, Field<'a>>);

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

impl<'de> Deserialize<'de> for ApiResponse<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ApiResponse::default())
    }
}

impl<'de> Visitor<'de> for ApiResponse<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = fields.next_entry()? {
            // A second `Error` with null could hide the first one.
            if self.0.insert(name, value).is_some() {
                return Err(A::Error::custom("a duplicate field"));
            }
        }
        Ok(self)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_field_is_malformed() {
        for fields in [
            r#""Error": {"Code": "InternalError", "Message": ""}, "Error": null"#,
            r#""Error": null, "Error": null"#,
            r#""TotalCount": 1, "VpnConnectionSet": [], "TotalCount": 0"#,
            r#""TotalCount": 0, "VpnConnectionSet": [{}], "VpnConnectionSet": []"#,
            r#""VpnConnectionSet": [], "\u0056pnConnectionSet": []"#,
        ] {
            let body = format!("{{\"Response\": {{{fields}}}}}");
            let error = parse(body.as_bytes(), None).err();
            assert!(matches!(error, Some(ApiError::Malformed(_))), "{fields}: {error:?}");
        }
    }

    #[test]
    fn error_of_null_is_no_error() {
        let response = parse(br#"{"Response": {"Error": null, "TotalCount": 0}}"#, None);
        assert!(response.is_ok_and(|response| response.get("TotalCount").is_some()));
    }
}
