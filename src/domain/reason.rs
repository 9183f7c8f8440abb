//! Why something failed, in a few words that machines can tell apart.

/// Why a call, and with it a poll, failed: a small closed set, the label `reason` of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No answer in time.
    Timeout,
    /// No connection, no trusted TLS, or an answer that broke off.
    Connection,
    /// The API asked for fewer requests.
    Throttled,
    /// The API, or a gateway before it, failed: `InternalError`, `ServiceUnavailable`, HTTP 5xx.
    ServerError,
    /// An answer that is none of the API's.
    MalformedAnswer,
    /// `AuthFailure` and its kind: the credentials are refused.
    Auth,
    /// The credentials are good and the permission is missing, or this address is not let in.
    Unauthorized,
    /// Our clock and the API's are too far apart, and correcting it did not help.
    ClockSkew,
    /// The source of the credentials gave none.
    Credentials,
    /// The region has no such product.
    UnsupportedRegion,
    /// Any other refusal: the request itself is at fault.
    Refused,
}

impl Reason {
    /// Every reason, so that counters can start at zero.
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Connection,
        Self::Throttled,
        Self::ServerError,
        Self::MalformedAnswer,
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
            Self::MalformedAnswer => "malformed_answer",
            Self::Auth => "auth",
            Self::Unauthorized => "unauthorized",
            Self::ClockSkew => "clock_skew",
            Self::Credentials => "credentials",
            Self::UnsupportedRegion => "unsupported_region",
            Self::Refused => "refused",
        }
    }

    /// Whether more of the same can do harm: refused credentials and addresses that are not let in.
    #[must_use]
    pub const fn is_refusal_of_identity(self) -> bool {
        matches!(self, Self::Auth | Self::Unauthorized)
    }
}
