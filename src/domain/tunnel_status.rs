//! The status of a tunnel, computed from the API's three statuses. Metrics, rules, the status page, the command line and the
//! log all use it.

use std::fmt;

use super::status::{HealthCheckStatus, NetStatus, Status, TunnelState};

/// The status of a tunnel; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunnelStatus {
    /// `NetStatus`, or the health check where one is configured, is `UNAVAILABLE`.
    Down,
    /// A status that applies is `UNKNOWN`, and no other shows that the tunnel is down.
    Unknown,
    /// It is being created.
    Pending,
    /// It is being deleted.
    Deleting,
    /// It is not connected, because traffic triggers its negotiation and there is none.
    Idle,
    /// Every status that applies is `AVAILABLE`.
    Up,
}

impl TunnelStatus {
    /// Decides the status. `health_check` is `None` where no health check is configured; `is_flow_triggered` says whether
    /// traffic triggers the negotiation.
    ///
    /// The status is the first that applies: `deleting` or `pending`, if `State` says so; `idle`, if `NetStatus` is
    /// `UNAVAILABLE`, the negotiation type is `flowTrigger` and no health check is configured; `down`, if `NetStatus` or a
    /// configured health check is `UNAVAILABLE`; `unknown`, if a status that applies is `UNKNOWN`; otherwise `up`.
    #[must_use]
    pub fn of(
        state: TunnelState,
        net_status: NetStatus,
        health_check: Option<HealthCheckStatus>,
        is_flow_triggered: bool,
    ) -> Self {
        match (state, net_status, health_check) {
            (TunnelState::Deleting, _, _) => Self::Deleting,
            (TunnelState::Pending, _, _) => Self::Pending,
            (_, NetStatus::Unavailable, None) if is_flow_triggered => Self::Idle,
            (_, NetStatus::Unavailable, _) | (_, _, Some(HealthCheckStatus::Unavailable)) => Self::Down,
            (TunnelState::Unknown, _, _)
            | (_, NetStatus::Unknown, _)
            | (_, _, Some(HealthCheckStatus::Unknown)) => Self::Unknown,
            (TunnelState::Available, NetStatus::Available, None | Some(HealthCheckStatus::Available)) => {
                Self::Up
            }
        }
    }
}

impl Status for TunnelStatus {
    const ALL: &'static [Self] =
        &[Self::Down, Self::Unknown, Self::Pending, Self::Deleting, Self::Idle, Self::Up];
    const UNKNOWN: Self = Self::Unknown;

    fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Deleting => "deleting",
            Self::Idle => "idle",
            Self::Up => "up",
        }
    }
}

impl fmt::Display for TunnelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentence at [`TunnelStatus::of`], clause by clause. It compares texts, and shares no code with that function.
    fn sentence(state: &str, net: &str, health: Option<&str>, negotiation: &str) -> &'static str {
        let applicable = [Some(state), Some(net), health].into_iter().flatten().collect::<Vec<_>>();
        let clauses = [
            (state == "DELETING", "deleting"),
            (state == "PENDING", "pending"),
            (net == "UNAVAILABLE" && negotiation == "flowTrigger" && health.is_none(), "idle"),
            (net == "UNAVAILABLE" || health == Some("UNAVAILABLE"), "down"),
            (applicable.contains(&"UNKNOWN"), "unknown"),
            (true, "up"),
        ];
        clauses.into_iter().find(|(holds, _)| *holds).expect("the last clause holds").1
    }

    #[test]
    fn every_combination_is_as_documented() {
        let mut counts = [0; 6];
        for &state in TunnelState::ALL {
            for &net in NetStatus::ALL {
                let checks = HealthCheckStatus::ALL.iter().copied().map(Some);
                for health in checks.chain([None]) {
                    for negotiation in ["flowTrigger", "active"] {
                        let status = TunnelStatus::of(state, net, health, negotiation == "flowTrigger");
                        let health = health.map(Status::as_str);
                        let expected = sentence(state.as_str(), net.as_str(), health, negotiation);
                        assert_eq!(status.as_str(), expected, "{state} {net} {health:?} {negotiation}");
                        counts[status as usize] += 1;
                    }
                }
            }
        }
        // How many of the 4 x 3 x 4 x 2 combinations have each status. This finds a mistake that the two readings share.
        assert_eq!(counts, [22, 20, 24, 24, 2, 4], "down, unknown, pending, deleting, idle, up");
    }
}
