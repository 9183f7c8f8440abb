//! The status of a VPN gateway, computed from the API's statuses. It explains why the gateway's tunnels are down. The status
//! page, the commands and the log show it.

use std::fmt;

use super::status::{GatewayState, Status};

/// The status of a gateway; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GatewayStatus {
    /// `RestrictState` is neither `NORMAL` nor empty: the gateway is unpaid, and carries no traffic.
    Isolated,
    /// `IsAddressBlocked`: the public address is blocked.
    AddressBlocked,
    /// `State` is `PENDING_ERROR` or `DELETING_ERROR`.
    Error,
    /// `State` is `UNKNOWN`.
    Unknown,
    /// It is being created.
    Pending,
    /// It is being deleted.
    Deleting,
    /// None of the above.
    Available,
}

impl GatewayStatus {
    /// Decides the status: the first of the values that applies.
    #[must_use]
    pub fn of(state: GatewayState, is_restricted: bool, is_address_blocked: bool) -> Self {
        match state {
            _ if is_restricted => Self::Isolated,
            _ if is_address_blocked => Self::AddressBlocked,
            GatewayState::PendingError | GatewayState::DeletingError => Self::Error,
            GatewayState::Unknown => Self::Unknown,
            GatewayState::Pending => Self::Pending,
            GatewayState::Deleting => Self::Deleting,
            GatewayState::Available => Self::Available,
        }
    }

    /// Whether tunnels cannot work because of this status.
    #[must_use]
    pub fn is_broken(self) -> bool {
        self.cause().is_some()
    }

    /// Why the gateway's tunnels are not up, in words. `None` if this status is not the cause.
    #[must_use]
    pub fn cause(self) -> Option<&'static str> {
        match self {
            Self::Isolated => Some("gateway isolated"),
            Self::AddressBlocked => Some("gateway address blocked"),
            Self::Error => Some("gateway in error"),
            Self::Unknown | Self::Pending | Self::Deleting | Self::Available => None,
        }
    }
}

impl Status for GatewayStatus {
    const ALL: &'static [Self] = &[
        Self::Isolated,
        Self::AddressBlocked,
        Self::Error,
        Self::Unknown,
        Self::Pending,
        Self::Deleting,
        Self::Available,
    ];
    const UNKNOWN: Self = Self::Unknown;

    fn as_str(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::AddressBlocked => "address blocked",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Deleting => "deleting",
            Self::Available => "available",
        }
    }
}

impl fmt::Display for GatewayStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolation_comes_before_all_else() {
        use GatewayState::{Available, Deleting, DeletingError, Pending, PendingError, Unknown};
        let table = [
            (Available, true, true, "isolated"),
            (PendingError, true, false, "isolated"),
            (Available, false, true, "address blocked"),
            (Unknown, false, true, "address blocked"),
            (PendingError, false, false, "error"),
            (DeletingError, false, false, "error"),
            (Unknown, false, false, "unknown"),
            (Pending, false, false, "pending"),
            (Deleting, false, false, "deleting"),
            (Available, false, false, "available"),
        ];
        for (state, is_restricted, is_blocked, expected) in table {
            assert_eq!(GatewayStatus::of(state, is_restricted, is_blocked).as_str(), expected, "{state}");
        }
    }
}
