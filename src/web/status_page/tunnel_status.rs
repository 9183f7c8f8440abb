//! How the page shows a tunnel status.

use crate::domain::tunnel_status::TunnelStatus;

impl TunnelStatus {
    /// The name on the page.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Unknown => "Unknown",
            Self::Pending => "Pending",
            Self::Deleting => "Deleting",
            Self::Idle => "Idle",
            Self::Up => "Up",
        }
    }

    /// A shape that shows the status without colour.
    pub(super) fn shape(self) -> &'static str {
        match self {
            Self::Down => "▼",
            Self::Unknown => "◆",
            Self::Pending => "△",
            Self::Deleting => "□",
            Self::Idle => "○",
            Self::Up => "▲",
        }
    }

    /// An explanation, or an empty text if the name explains itself.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Down | Self::Up => "",
            Self::Unknown => "a status is missing or not known to the exporter",
            Self::Pending => "being created",
            Self::Deleting => "being deleted",
            Self::Idle => "not connected because there is no traffic; not counted as down",
        }
    }
}
