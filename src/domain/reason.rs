//! The reasons of failures: the label `reason` of the metrics.

/// The reason why a call or a poll failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No response in time.
    Timeout,
    /// No connection, untrusted TLS, or a truncated response.
    Connection,
    /// The API received too many requests.
    Throttled,
    /// The API, or a gateway before it, failed: `InternalError`, `ServiceUnavailable`, HTTP 5xx.
    ServerError,
    /// A response that does not follow the API document.
    MalformedResponse,
    /// `AuthFailure` and its variants: the API refuses the credentials.
    Auth,
    /// A permission is missing, or the API does not accept this address.
    Unauthorized,
    /// The clocks differ, also after a correction.
    ClockSkew,
    /// The source returned no credentials.
    Credentials,
    /// The region has no VPN.
    UnsupportedRegion,
    /// Any other error of the API: the request itself is wrong.
    Refused,
}

impl Reason {
    /// Every reason, so that counters can start at zero.
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Connection,
        Self::Throttled,
        Self::ServerError,
        Self::MalformedResponse,
        Self::Auth,
        Self::Unauthorized,
        Self::ClockSkew,
        Self::Credentials,
        Self::UnsupportedRegion,
        Self::Refused,
    ];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::MalformedResponse => "malformed_response",
            Self::Auth => "auth",
            Self::Unauthorized => "unauthorized",
            Self::ClockSkew => "clock_skew",
            Self::Credentials => "credentials",
            Self::UnsupportedRegion => "unsupported_region",
            Self::Refused => "refused",
        }
    }

    /// Whether repeated requests can do harm: refused credentials, and an address that is not accepted.
    #[must_use]
    pub const fn is_refusal_of_identity(self) -> bool {
        matches!(self, Self::Auth | Self::Unauthorized)
    }
}
