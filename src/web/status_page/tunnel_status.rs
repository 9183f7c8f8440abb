//! How the page shows a status.

use crate::domain::tunnel_status::TunnelStatus;

impl TunnelStatus {
    /// Its name for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Unknown => "Unknown",
            Self::Up => "Up",
            Self::Idle => "Idle",
        }
    }

    /// A shape that shows it without colour.
    pub(super) fn shape(self) -> &'static str {
        match self {
            Self::Down => "▼",
            Self::Unknown => "◆",
            Self::Up => "▲",
            Self::Idle => "○",
        }
    }

    /// An explanation, or an empty text where the name explains itself.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Down | Self::Up => "",
            Self::Unknown => "not known to be down, but a status is new to us or missing",
            Self::Idle => "waiting for traffic to connect them; not counted as down",
        }
    }
}
