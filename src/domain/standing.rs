//! How a tunnel stands, as every view counts it.

use super::{Tunnel, Verdict};

/// What a tunnel counts as; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Something that is known is not `AVAILABLE`.
    Down,
    /// Nothing is known to be down, and something is unknown.
    Unknown,
    /// Everything is `AVAILABLE`.
    Up,
    /// Not connected, and rightly so as long as nothing is sent.
    Idle,
}

impl Standing {
    /// Every standing, the worst first and those apart last.
    pub const ALL: [Self; 4] = [Self::Down, Self::Unknown, Self::Up, Self::Idle];

    /// How this tunnel stands.
    #[must_use]
    pub fn of(tunnel: &Tunnel) -> Self {
        match tunnel.verdict() {
            _ if tunnel.is_idle() => Self::Idle,
            Verdict::Down => Self::Down,
            Verdict::Unknown => Self::Unknown,
            Verdict::Up => Self::Up,
        }
    }

    /// Its name, in lower case.
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
