//! The three statuses of a tunnel, as the API spells them.
//!
//! Source of the values: the document of `DescribeVpnConnections`, 2025-11-13.

use std::fmt;

use super::tunnel_status::TunnelStatus;

/// Declares a status of the API: its known values, and `Unknown` for new, null, absent and empty values.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
            /// New to us, null, absent or empty.
            Unknown,
        }

        impl $name {
            /// Every value, in the order in which it is exposed.
            pub const ALL: &[Self] = &[$(Self::$value,)+ Self::Unknown];

            /// The value as the API spells it; `UNKNOWN` for the others.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                    Self::Unknown => "UNKNOWN",
                }
            }

            /// Reads the API's spelling in upper or lower case, as in old documents. Anything else is `Unknown`.
            #[must_use]
            pub fn parse(text: &str) -> Self {
                let known = [$(($text, Self::$value),)+].into_iter();
                let mut same = known.filter(|(known, _)| known.eq_ignore_ascii_case(text));
                same.next().map_or(Self::Unknown, |(_, value)| value)
            }

            /// What this value alone says of the connection: up, down or unknown.
            #[must_use]
            pub const fn connection(self) -> TunnelStatus {
                match self {
                    Self::Available => TunnelStatus::Up,
                    Self::Unknown => TunnelStatus::Unknown,
                    #[allow(unreachable_patterns, reason = "every status has its own set of values")]
                    _ => TunnelStatus::Down,
                }
            }
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
    TunnelState {
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
    NetStatus {
        /// Connected.
        Available = "AVAILABLE",
        /// Not connected.
        Unavailable = "UNAVAILABLE",
    }
}

status! {
    /// The result of the probes through the tunnel, where they are configured: the API's `HealthCheckStatus`.
    HealthCheckStatus {
        /// Probes are answered.
        Available = "AVAILABLE",
        /// Probes are lost.
        Unavailable = "UNAVAILABLE",
    }
}

/// One of a tunnel's three statuses: the label `field` of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusField {
    /// [`TunnelState`].
    State,
    /// [`NetStatus`].
    NetStatus,
    /// [`HealthCheckStatus`].
    HealthCheckStatus,
}

impl StatusField {
    /// Every field, in the order of the document.
    pub const ALL: [Self; 3] = [Self::State, Self::NetStatus, Self::HealthCheckStatus];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::NetStatus => "net_status",
            Self::HealthCheckStatus => "health_check_status",
        }
    }

    /// Whether this value is in the document.
    #[must_use]
    pub fn knows(self, value: &str) -> bool {
        match self {
            Self::State => TunnelState::parse(value) != TunnelState::Unknown,
            Self::NetStatus => NetStatus::parse(value) != NetStatus::Unknown,
            Self::HealthCheckStatus => HealthCheckStatus::parse(value) != HealthCheckStatus::Unknown,
        }
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
