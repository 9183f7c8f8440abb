//! The errors of one call, and the remedy for each.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use super::{credentials::source::SourceError, transport::root_cause};
use crate::domain::{reason::Reason, secret::Secret, site::Site};

/// The code for a key that the API does not know.
const UNKNOWN_KEY: &str = "AuthFailure.SecretIdNotFound";

/// The code for something that does not exist.
pub(super) const NOT_FOUND: &str = "ResourceNotFound";

/// The codes of Cloud Monitor for requests that are not free: the account did not enable them, or owes money.
const NOT_OPEN: &str = "FailedOperation.ErrNotOpen";
const OWED: &str = "FailedOperation.ErrOwed";

/// The code of an error of the API, such as `AuthFailure.SignatureFailure`.
///
/// Comparisons use the original code. `Display` and `Debug` show it without the secrets that were in it: a short secret, such
/// as an external id, can be part of a code.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorCode {
    exact: Secret,
    shown: String,
}

impl ErrorCode {
    /// The original code, only for comparisons.
    #[must_use]
    pub fn exact(&self) -> &str {
        self.exact.expose()
    }

    /// The same code with another display text.
    pub(super) fn with_display(self, shown: String) -> Self {
        Self { shown, ..self }
    }
}

impl<T: Into<String>> From<T> for ErrorCode {
    fn from(code: T) -> Self {
        let shown = code.into();
        Self { exact: Secret::new(&*shown), shown }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown)
    }
}

/// The remedy for an error, before the deadline of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Retry after a pause; `Some` is the minimum from `Retry-After`.
    Backoff(Option<Duration>),
    /// Correct the clock with the API's time and retry once. `None`: the response had no time.
    CorrectClock(Option<Timestamp>),
    /// Get new temporary credentials and retry once.
    RenewCredentials,
    /// Report the error without a retry.
    Report,
}

/// The error of one call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The API returned an error.
    #[error("{code}: {message} (request {request_id})")]
    Api {
        /// Such as `AuthFailure.SignatureFailure`.
        code: ErrorCode,
        /// The API's message.
        message: String,
        /// `RequestId`, for Tencent's support; empty if the response had none.
        request_id: String,
        /// The API's time, from the `Date` header.
        server_time: Option<Timestamp>,
    },
    /// An HTTP status that the API itself never sends.
    #[error("HTTP status {status}{}", if (300..400).contains(status) { " (redirects are not followed)" } else { "" })]
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`, if present.
        retry_after: Option<Duration>,
    },
    /// No complete response within the time-out.
    #[error("no response within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The deadline passed before a request could be sent.
    #[error("the deadline passed before a request was sent")]
    OutOfTime,
    /// The deadline passed while a request waited this long for its response.
    #[error("the deadline passed while a request had no response after {}", humantime::format_duration(*.0))]
    CutOff(Duration),
    /// No connection within the time to connect.
    #[error("no connection within {}, name resolution included", humantime::format_duration(*.0))]
    NoConnection(Duration),
    /// No connection, untrusted TLS, or a truncated response.
    #[error("{0}")]
    Connection(String),
    /// A response that does not follow the API document.
    #[error("malformed response: {0}")]
    Malformed(String),
    /// There are no credentials to sign with.
    #[error("credentials: {0}")]
    Credentials(SourceError),
}

impl ApiError {
    /// A response that does not follow the API document. `problem` must not repeat the response.
    pub(crate) fn malformed(problem: impl Into<String>) -> Self {
        Self::Malformed(problem.into())
    }

    /// A failure below HTTP.
    pub(super) fn connection(error: &reqwest::Error) -> Self {
        Self::Connection(root_cause(error))
    }

    /// The label `reason` of this error.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Api { code, .. } => reason_of_code(code.exact()),
            Self::Status { status: 429, .. } => Reason::Throttled,
            Self::Status { status: 500.., .. } => Reason::ServerError,
            Self::Status { .. } | Self::Malformed(_) => Reason::MalformedResponse,
            Self::Timeout(_) | Self::OutOfTime | Self::CutOff(_) => Reason::Timeout,
            Self::Connection(_) | Self::NoConnection(_) => Reason::Connection,
            Self::Credentials(_) => Reason::Credentials,
        }
    }

    /// The remedy for this error. Some errors can be fixed only if the credentials are temporary.
    #[must_use]
    pub fn remedy(&self, temporary_credentials: bool) -> Remedy {
        if let Self::Api { code, server_time, .. } = self {
            match code.exact() {
                "AuthFailure.SignatureExpire" => return Remedy::CorrectClock(*server_time),
                "AuthFailure.TokenFailure" => return Remedy::RenewCredentials,
                UNKNOWN_KEY | "AuthFailure.InvalidSecretId" if temporary_credentials => {
                    return Remedy::RenewCredentials;
                }
                _ => {}
            }
        }
        match self.reason() {
            Reason::Timeout | Reason::Connection | Reason::Throttled | Reason::ServerError => {
                Remedy::Backoff(self.retry_after())
            }
            _ => Remedy::Report,
        }
    }

    /// Whether the API does not know the key. The key may belong to the other site.
    #[must_use]
    pub fn is_unknown_key(&self) -> bool {
        match self {
            Self::Api { code, .. } => code.exact() == UNKNOWN_KEY,
            Self::Credentials(error) => matches!(error, SourceError::UnknownKey(_)),
            _ => false,
        }
    }

    /// Whether the resource of the call does not exist. The API may return this error for a deleted tunnel, instead of an empty
    /// list. `InvalidVpnGatewayId.NotFound` is documented for gateways; other ids may have such a code too (unverified).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        let Self::Api { code, .. } = self else { return false };
        let code = code.exact();
        code == NOT_FOUND || code.starts_with("Invalid") && code.ends_with("Id.NotFound")
    }

    /// Whether Cloud Monitor refuses requests beyond the free ones, because the account does not pay for them.
    #[must_use]
    pub fn is_unpaid(&self) -> bool {
        let Self::Api { code, .. } = self else { return false };
        [NOT_OPEN, OWED].contains(&code.exact())
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The remedy if this site does not know a key.
#[must_use]
pub fn unknown_key_advice(site: Site) -> String {
    let other = site.other();
    format!(
        "the {site} site does not know this key; if the key is of the {other} site, set site: {other} for the account, without \
         api.endpoint \
         (TENCENTCLOUD_VPN_EXPORTER_SITE={other} without a file)"
    )
}

/// The reason of an error code. A code also matches its suffixes after a dot. An unknown code means `Refused`.
fn reason_of_code(code: &str) -> Reason {
    let (family, refinement) = code.split_once('.').unwrap_or((code, ""));
    match (family, refinement) {
        ("AuthFailure", "SignatureExpire") => Reason::ClockSkew,
        ("AuthFailure", "UnauthorizedOperation")
        | ("UnauthorizedOperation" | "IpNotInWhitelist" | "IpInBlacklist", _) => Reason::Unauthorized,
        ("AuthFailure", _) => Reason::Auth,
        ("RequestLimitExceeded", _) | ("LimitExceeded", "ActionLimited" | "LimitedAccess") => {
            Reason::Throttled
        }
        (
            "InternalError"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ResourceUnavailable"
            | "ResourceInUse"
            | "ResourceBusy",
            _,
        ) => Reason::ServerError,
        ("UnsupportedRegion", _)
        | ("UnsupportedOperation", "UnsupportedRegion" | "ServiceUnsupportedRegion")
        | ("FailedOperation", "InvalidRegion") => Reason::UnsupportedRegion,
        _ => Reason::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: &str) -> ApiError {
        ApiError::Api {
            code: code.into(),
            message: "no".into(),
            request_id: "6a9e".into(),
            server_time: None,
        }
    }

    #[test]
    fn each_code_has_a_reason_and_a_remedy() {
        use Reason as R;
        let backoff = Remedy::Backoff(None);
        let clock = Remedy::CorrectClock(None);
        let table = [
            ("InternalError", R::ServerError, backoff),
            ("InternalError.ModuleError", R::ServerError, backoff),
            ("InternalServerError", R::ServerError, backoff),
            ("ResourceInUse", R::ServerError, backoff),
            ("ResourceBusy", R::ServerError, backoff),
            ("LimitExceeded.ActionLimited", R::Throttled, backoff),
            ("LimitExceeded.LimitedAccess", R::Throttled, backoff),
            ("ServiceUnavailable", R::ServerError, backoff),
            ("ResourceUnavailable", R::ServerError, backoff),
            ("RequestLimitExceeded", R::Throttled, backoff),
            ("RequestLimitExceeded.UinLimitExceeded", R::Throttled, backoff),
            ("AuthFailure.SignatureExpire", R::ClockSkew, clock),
            ("AuthFailure.TokenFailure", R::Auth, Remedy::RenewCredentials),
            ("AuthFailure.SecretIdNotFound", R::Auth, Remedy::Report),
            ("AuthFailure.SignatureFailure", R::Auth, Remedy::Report),
            ("AuthFailure.UnauthorizedOperation", R::Unauthorized, Remedy::Report),
            ("AuthFailure", R::Auth, Remedy::Report),
            ("UnauthorizedOperation", R::Unauthorized, Remedy::Report),
            ("UnauthorizedOperation.NoPermission", R::Unauthorized, Remedy::Report),
            ("IpNotInWhitelist", R::Unauthorized, Remedy::Report),
            ("IpInBlacklist", R::Unauthorized, Remedy::Report),
            ("UnsupportedRegion", R::UnsupportedRegion, Remedy::Report),
            ("UnsupportedOperation.UnsupportedRegion", R::UnsupportedRegion, Remedy::Report),
            ("UnsupportedOperation.ServiceUnsupportedRegion", R::UnsupportedRegion, Remedy::Report),
            ("FailedOperation.InvalidRegion", R::UnsupportedRegion, Remedy::Report),
            ("UnsupportedOperation", R::Refused, Remedy::Report),
            ("FailedOperation", R::Refused, Remedy::Report),
            ("InvalidParameterValue.Malformed", R::Refused, Remedy::Report),
            ("LimitExceeded", R::Refused, Remedy::Report),
            ("InternalErrors", R::Refused, Remedy::Report),
            ("NeverHeardOf", R::Refused, Remedy::Report),
        ];
        for (code, reason, remedy) in table {
            assert_eq!(api(code).reason(), reason, "{code}");
            assert_eq!(api(code).remedy(false), remedy, "{code}");
        }
    }

    #[test]
    fn only_temporary_credentials_are_renewed_if_unknown() {
        for code in ["AuthFailure.SecretIdNotFound", "AuthFailure.InvalidSecretId"] {
            assert_eq!(api(code).remedy(true), Remedy::RenewCredentials);
            assert_eq!(api(code).remedy(false), Remedy::Report);
        }
    }

    #[test]
    fn gateway_status_is_retried_but_redirect_is_not() {
        let after = Some(Duration::from_secs(7));
        let status = |status| ApiError::Status { status, retry_after: after };
        assert_eq!(status(429).remedy(false), Remedy::Backoff(after));
        assert_eq!(status(503).remedy(false), Remedy::Backoff(after));
        assert_eq!(status(302).remedy(false), Remedy::Report);
        assert_eq!(status(302).to_string(), "HTTP status 302 (redirects are not followed)");
        assert_eq!(status(403).reason(), Reason::MalformedResponse);
    }
}
