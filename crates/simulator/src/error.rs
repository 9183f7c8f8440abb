//! API errors: a code for clients and a message for people.

use std::borrow::Cow;

/// An error that is sent as `Response.Error` with HTTP status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The parameter `{parameter}` is required and is missing."))
    }

    pub(super) fn mistyped(parameter: &str, expected: &str) -> Self {
        Self::new("InvalidParameter", format!("The parameter `{parameter}` must be {expected}."))
    }

    pub(super) fn invalid_value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn limit_exceeded(parameter: &str, found: impl std::fmt::Display, limit: usize) -> Self {
        let message = format!("The parameter `{parameter}` is or has {found}, and the limit is {limit}.");
        Self::new("InvalidParameterValue.LimitExceeded", message)
    }

    pub(super) fn malformed(parameter: &str, value: &str) -> Self {
        let message = format!("The parameter `{parameter}` has the malformed value `{value}`.");
        Self::new("InvalidParameterValue.Malformed", message)
    }

    pub(super) fn token(message: &str) -> Self {
        Self::new("AuthFailure.TokenFailure", message)
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::new("ResourceNotFound", format!("There is no `{id}` in this region."))
    }
}
