//! How a tunnel stands, as every view of ours counts it.

use crate::domain::{Tunnel, Verdict};

/// What the page files a tunnel under; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
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
    /// Every standing, in the order of the page.
    pub(super) const ALL: [Self; 4] = [Self::Down, Self::Unknown, Self::Up, Self::Idle];

    pub(super) fn of(tunnel: &Tunnel) -> Self {
        if tunnel.is_idle() {
            return Self::Idle;
        }
        match tunnel.verdict() {
            Verdict::Down => Self::Down,
            Verdict::Unknown => Self::Unknown,
            Verdict::Up => Self::Up,
        }
    }

    /// Its name in a query, a class and an id.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Idle => "idle",
        }
    }

    /// Its name for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Unknown => "Unknown",
            Self::Up => "Up",
            Self::Idle => "Idle",
        }
    }

    /// Its shape, for those who do not see its colour.
    pub(super) fn shape(self) -> &'static str {
        match self {
            Self::Down => "▼",
            Self::Unknown => "◆",
            Self::Up => "▲",
            Self::Idle => "○",
        }
    }

    /// What it means, where the word alone does not say it.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Down | Self::Up => "",
            Self::Unknown => "not known to be down, but a status is new to us or missing",
            Self::Idle => "waiting for traffic to connect them; not counted as down",
        }
    }
}
