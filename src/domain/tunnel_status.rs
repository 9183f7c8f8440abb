//! The status of a tunnel as all views count it.

/// What a tunnel counts as; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunnelStatus {
    /// A known status of the API is not `AVAILABLE`.
    Down,
    /// No status is known to be down, and one is unknown.
    Unknown,
    /// Every status is `AVAILABLE`.
    Up,
    /// Not connected, because there is no traffic that would connect it.
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
