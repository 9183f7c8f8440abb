//! The overall status of a tunnel, as the status page, the command line and the alerts show it.

/// The overall status of a tunnel: the worst first, and `Idle` last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunnelStatus {
    /// A known status of the API is not `AVAILABLE`.
    Down,
    /// A status is unknown, and no known status is down.
    Unknown,
    /// Every status is `AVAILABLE`.
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
