//! Problems of gateways, and their form as text.

use std::{str::FromStr, time::Duration};

use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::Error},
};

/// A problem of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayProblem {
    /// The gateway is not paid for: `RestrictState` is `PROTECTIVELY_ISOLATED`. Its tunnels are down, except those
    /// that are being created or deleted.
    Isolated,
    /// The public address is blocked: `IsAddressBlocked` is true. Its tunnels are down like those of an isolated
    /// gateway.
    AddressBlocked,
    /// The gateway is prepaid, is not renewed automatically and expires five days after the start of the simulator.
    Expiring,
    /// The creation of the gateway failed: `State` is `PENDING_ERROR`. Its tunnels cannot be deleted.
    PendingError,
}

impl GatewayProblem {
    /// Whether the tunnels of the gateway are down.
    pub(super) fn stops_traffic(self) -> bool {
        matches!(self, Self::Isolated | Self::AddressBlocked)
    }
}

/// A problem that one gateway has from a time on.
///
/// As text it is the problem, optionally with its start: `isolated`, or `isolated@30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedProblem {
    /// The problem.
    pub problem: GatewayProblem,
    /// Its start, in simulated time since the simulation started.
    pub from: Duration,
}

impl PlannedProblem {
    /// The problem at a time since the simulation started, if it has begun.
    pub(super) fn at(self, at: Duration) -> Option<GatewayProblem> {
        (at >= self.from).then_some(self.problem)
    }
}

impl From<GatewayProblem> for PlannedProblem {
    /// A problem from the start.
    fn from(problem: GatewayProblem) -> Self {
        Self { problem, from: Duration::ZERO }
    }
}

/// A text that is not a planned problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProblem {
    /// The problem does not exist.
    #[error(
        "gateway problem: {0:?} is unknown; choose isolated, address_blocked, expiring or pending_error, \
         optionally with a start such as isolated@30s"
    )]
    Problem(String),
    /// The start is not a duration.
    #[error("gateway problem: the start {0:?} is not a duration; write for example 30s, 5m or 1h")]
    Start(String),
}

impl FromStr for PlannedProblem {
    type Err = InvalidProblem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (problem, start) = text.split_once('@').unwrap_or((text, "0s"));
        let parsed = GatewayProblem::deserialize(IntoDeserializer::<Error>::into_deserializer(problem));
        let problem = parsed.map_err(|_| InvalidProblem::Problem(problem.to_owned()))?;
        Ok(Self { problem, from: duration(start)? })
    }
}

fn duration(text: &str) -> Result<Duration, InvalidProblem> {
    let invalid = || InvalidProblem::Start(text.to_owned());
    let signed: jiff::SignedDuration = text.parse().map_err(|_| invalid())?;
    signed.try_into().map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_is_read_with_or_without_start() {
        let read =
            |text: &str| text.parse::<PlannedProblem>().map(|read| (read.problem, read.from.as_secs()));
        assert_eq!(read("isolated"), Ok((GatewayProblem::Isolated, 0)));
        assert_eq!(read("isolated@30s"), Ok((GatewayProblem::Isolated, 30)));
        assert_eq!(read("address_blocked@5m"), Ok((GatewayProblem::AddressBlocked, 300)));
        assert_eq!(read("expiring@0s"), Ok((GatewayProblem::Expiring, 0)));
        assert_eq!(read("pending_error@1h"), Ok((GatewayProblem::PendingError, 3600)));
    }

    #[test]
    fn invalid_problem_names_value_and_remedy() {
        for bad in ["", "Isolated", "isolate", "isolated ", "@30s"] {
            let message = bad.parse::<PlannedProblem>().expect_err(bad).to_string();
            let name = bad.split('@').next().expect("a part");
            assert!(message.contains(&format!("{name:?} is unknown; choose isolated")), "{message}");
        }
        for start in ["", "30", "-30s", "soon", "30s@5m"] {
            let message = format!("isolated@{start}").parse::<PlannedProblem>().expect_err(start).to_string();
            assert!(message.contains(&format!("{start:?} is not a duration; write")), "{message}");
        }
    }
}
