//! The link status and the overall status of a tunnel, computed from the statuses of the API.

use super::status::UNKNOWN;

/// Whether the two ends of a tunnel are connected; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkStatus {
    /// A known status of the API is not `AVAILABLE`.
    Down,
    /// A status is `UNKNOWN`, and no known status is down.
    Unknown,
    /// Every status is `AVAILABLE`.
    Up,
}

impl LinkStatus {
    /// The link status that one status of the API implies.
    #[must_use]
    pub fn of(status: &str) -> Self {
        match status {
            "AVAILABLE" => Self::Up,
            UNKNOWN => Self::Unknown,
            _ => Self::Down,
        }
    }
}

/// The overall status of a tunnel, as the status page, the command line and the log show it: the worst first, and `Idle` last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunnelStatus {
    /// [`LinkStatus::Down`].
    Down,
    /// [`LinkStatus::Unknown`].
    Unknown,
    /// [`LinkStatus::Up`].
    Up,
    /// Not connected, because there is no traffic.
    Idle,
}

impl TunnelStatus {
    /// Every value: the worst first, and `Idle` last.
    pub const ALL: [Self; 4] = [Self::Down, Self::Unknown, Self::Up, Self::Idle];

    /// The name in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Idle => "idle",
        }
    }
}

impl From<LinkStatus> for TunnelStatus {
    fn from(link: LinkStatus) -> Self {
        match link {
            LinkStatus::Down => Self::Down,
            LinkStatus::Unknown => Self::Unknown,
            LinkStatus::Up => Self::Up,
        }
    }
}
