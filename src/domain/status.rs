//! Statuses of rows, as the API spells them.
//!
//! Source of a tunnel's values: the API reference of `DescribeVpnConnections`, 2025-11-13. Source of a gateway's values: the
//! Python SDK of `vpc` 2017-03-12, release 3.1.193.

use std::fmt;

/// The text of a status that is undocumented, null, absent or empty.
pub const UNKNOWN: &str = "UNKNOWN";

/// A status: a closed set of values, one of which means that the status is not known.
pub trait Status: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// Every value, in the order in which it is exposed.
    const ALL: &'static [Self];

    /// The value of a status that is not known.
    const UNKNOWN: Self;

    /// The value as text.
    fn as_str(self) -> &'static str;
}

/// A status that the API sends. [`UNKNOWN`](Status::UNKNOWN) stands for undocumented, null, absent and empty texts, and
/// `as_str` has the API's spelling, or [`UNKNOWN`].
pub trait ApiStatus: Status {
    /// The name of the status as a value of the label `field`.
    const FIELD: &'static str;

    /// Parses the API's spelling in upper or lower case, as in old documents. Anything else is unknown.
    #[must_use]
    fn parse(text: &str) -> Self {
        let mut same = Self::ALL.iter().filter(|value| value.as_str().eq_ignore_ascii_case(text));
        same.next().copied().unwrap_or(Self::UNKNOWN)
    }
}

/// Declares a status of the API: its name, its documented values, and `Unknown` for all others.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident, $field:literal { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
            /// Undocumented, null, absent or empty.
            Unknown,
        }

        impl Status for $name {
            const ALL: &'static [Self] = &[$(Self::$value,)+ Self::Unknown];
            const UNKNOWN: Self = Self::Unknown;

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                    Self::Unknown => UNKNOWN,
                }
            }
        }

        impl ApiStatus for $name {
            const FIELD: &'static str = $field;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

status! {
    /// The lifecycle state of a tunnel: the API's `State`.
    TunnelState, "state" {
        /// It is being created.
        Pending = "PENDING",
        /// It exists and is in service.
        Available = "AVAILABLE",
        /// It is being deleted.
        Deleting = "DELETING",
    }
}

status! {
    /// Whether the two ends are connected: the API's `NetStatus`.
    NetStatus, "net_status" {
        /// Connected.
        Available = "AVAILABLE",
        /// Not connected.
        Unavailable = "UNAVAILABLE",
    }
}

status! {
    /// The result of the probes through the tunnel, where they are configured: the API's `HealthCheckStatus`.
    HealthCheckStatus, "health_check_status" {
        /// Probes get responses.
        Available = "AVAILABLE",
        /// Probes are lost.
        Unavailable = "UNAVAILABLE",
    }
}

status! {
    /// The lifecycle state of a VPN gateway: the API's `State`.
    GatewayState, "gateway_state" {
        /// It is being created.
        Pending = "PENDING",
        /// Its creation failed.
        PendingError = "PENDING_ERROR",
        /// It exists and is in service.
        Available = "AVAILABLE",
        /// It is being deleted.
        Deleting = "DELETING",
        /// Its deletion failed.
        DeletingError = "DELETING_ERROR",
    }
}

/// The status of rows that have none.
impl Status for () {
    const ALL: &'static [Self] = &[()];
    const UNKNOWN: Self = ();

    fn as_str(self) -> &'static str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_in_any_case() {
        for text in ["AVAILABLE", "available", "Available"] {
            assert_eq!(TunnelState::parse(text), TunnelState::Available, "{text:?}");
        }
        assert_eq!(NetStatus::parse("Unavailable"), NetStatus::Unavailable);
        for text in ["", "AVAILABLE ", "UNKNOWN", "UPDATING"] {
            assert_eq!(TunnelState::parse(text), TunnelState::Unknown, "{text:?}");
        }
        for &status in NetStatus::ALL {
            assert_eq!(NetStatus::parse(status.as_str()), status);
        }
    }
}
