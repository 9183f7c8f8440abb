//! The traffic of a target: the newest data points of its tunnels and gateways. Tunnels and gateways do not depend on it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::Failure;
use crate::domain::{
    gateway::GatewayId,
    traffic::{Instance, Traffic, TunnelInstance},
};

/// The traffic of a target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrafficSnapshot {
    /// The traffic of tunnels, in the order of their ids. Tunnels without data points are absent.
    pub tunnels: Vec<Arc<Traffic<TunnelInstance>>>,
    /// The traffic of VPN gateways, likewise.
    pub gateways: Vec<Arc<Traffic<GatewayId>>>,
    /// How the last query ended; `None` before the first, and if the target has neither tunnels nor gateways.
    pub last_attempt: Option<Result<(), Failure>>,
    /// When the last successful query ended.
    pub last_success: Option<Timestamp>,
}

/// The data points that a query received.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReceivedTraffic {
    /// The tunnels that were queried, in the order of their ids, with or without data points.
    pub tunnels: Vec<Traffic<TunnelInstance>>,
    /// The VPN gateways that were queried, likewise.
    pub gateways: Vec<Traffic<GatewayId>>,
}

impl TrafficSnapshot {
    /// Whether the last query succeeded; `None` before the first, and if the target has neither tunnels nor gateways.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        self.last_attempt.as_ref().map(Result::is_ok)
    }

    /// Why the last query failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.last_attempt.as_ref()?.as_ref().err()
    }

    /// The state with the data points that a query has received so far. Older ones stay where it has none; tunnels and gateways
    /// that are not queried are dropped.
    #[must_use]
    pub fn with(&self, received: ReceivedTraffic) -> Self {
        Self {
            tunnels: merged(&self.tunnels, received.tunnels),
            gateways: merged(&self.gateways, received.gateways),
            ..self.clone()
        }
    }

    /// The state after the end of a query.
    #[must_use]
    pub fn ended(&self, result: Result<(), Failure>, ended: Timestamp) -> Self {
        Self {
            last_success: if result.is_ok() { Some(ended) } else { self.last_success },
            last_attempt: Some(result),
            ..self.clone()
        }
    }

    /// The state of a target without tunnels and gateways: there is nothing to query.
    #[must_use]
    pub fn without_instances(&self) -> Self {
        Self { last_success: self.last_success, ..Self::default() }
    }

    /// Drops the data points that are older than `max_age`. `now`: the time by the API's clock.
    pub fn drop_old(&mut self, now: Timestamp, max_age: Duration) {
        let oldest = now.as_second().saturating_sub_unsigned(max_age.as_secs());
        drop_before(&mut self.tunnels, oldest);
        drop_before(&mut self.gateways, oldest);
    }

    /// When the next data point becomes too old, by the API's clock, in Unix seconds. `None`: there are no data points.
    #[must_use]
    pub fn next_expiry(&self, max_age: Duration) -> Option<i64> {
        let tunnels = self.tunnels.iter().flat_map(|traffic| traffic.times());
        let times = tunnels.chain(self.gateways.iter().flat_map(|traffic| traffic.times()));
        times.min().map(|oldest| oldest.saturating_add_unsigned(max_age.as_secs() + 1))
    }
}

/// The traffic of the instances that were queried. An instance with the same data points is the same allocation as before, so
/// that the renderer can compare rows by their addresses.
fn merged<I: Instance>(before: &[Arc<Traffic<I>>], received: Vec<Traffic<I>>) -> Vec<Arc<Traffic<I>>> {
    let merge = |mut traffic: Traffic<I>| {
        let found = before.binary_search_by(|earlier| earlier.instance.cmp(&traffic.instance)).ok();
        let Some(earlier) = found.map(|index| &before[index]) else { return Arc::new(traffic) };
        traffic.add_missing(earlier);
        if traffic == **earlier { Arc::clone(earlier) } else { Arc::new(traffic) }
    };
    let merged = received.into_iter().map(merge);
    merged.filter(|traffic| traffic.times().next().is_some()).collect()
}

fn drop_before<I: Instance>(rows: &mut Vec<Arc<Traffic<I>>>, oldest: i64) {
    for traffic in rows.iter_mut().filter(|traffic| traffic.times().any(|time| time < oldest)) {
        Arc::make_mut(traffic).drop_before(oldest);
    }
    rows.retain(|traffic| traffic.times().next().is_some());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        reason::Reason,
        traffic::{DataPoint, Statistic},
    };

    const USAGE: Statistic = Statistic::BandwidthUsage;

    fn gateway(id: &str, time: Option<i64>) -> Traffic<GatewayId> {
        let mut traffic = Traffic::new(GatewayId::new(id).expect("an id"));
        if let Some(time) = time {
            traffic.add(USAGE, DataPoint { time, value: time as f64 });
        }
        traffic
    }

    fn received(gateways: &[(&str, Option<i64>)]) -> ReceivedTraffic {
        let gateways = gateways.iter().map(|(id, time)| gateway(id, *time)).collect();
        ReceivedTraffic { gateways, ..ReceivedTraffic::default() }
    }

    fn ids(state: &TrafficSnapshot) -> Vec<&str> {
        state.gateways.iter().map(|traffic| traffic.instance.as_str()).collect()
    }

    fn failure() -> Failure {
        Failure { reason: Reason::Timeout, message: "no response".into() }
    }

    #[test]
    fn failed_query_keeps_data_points_and_success() {
        let ended = Timestamp::UNIX_EPOCH;
        let state = TrafficSnapshot::default()
            .with(received(&[("a", Some(60)), ("b", Some(60))]))
            .ended(Ok(()), ended);
        let after =
            state.with(received(&[("a", Some(120)), ("b", None)])).ended(Err(failure()), Timestamp::MAX);
        assert_eq!((after.is_up(), after.last_success), (Some(false), Some(ended)));
        assert_eq!([0, 1].map(|index| after.gateways[index].value(USAGE)), [Some(120.0), Some(60.0)]);
        assert!(Arc::ptr_eq(&state.gateways[1], &after.gateways[1]), "it did not change");
    }

    #[test]
    fn only_queried_instances_with_data_have_traffic() {
        let ended = Timestamp::UNIX_EPOCH;
        let state =
            TrafficSnapshot::default().with(received(&[("a", Some(60)), ("b", None)])).ended(Ok(()), ended);
        assert_eq!(ids(&state), ["a"]);
        assert_eq!(ids(&state.with(received(&[("b", Some(60))])).ended(Ok(()), ended)), ["b"]);
        let nothing = state.without_instances();
        assert_eq!((ids(&nothing).len(), nothing.is_up(), nothing.last_success), (0, None, Some(ended)));
    }

    #[test]
    fn old_data_points_are_dropped_in_time() {
        let (minute, ended) = (Duration::from_mins(1), Timestamp::UNIX_EPOCH);
        let second = |second| Timestamp::from_second(second).expect("a time");
        let mut state = TrafficSnapshot::default()
            .with(received(&[("a", Some(100)), ("b", Some(130))]))
            .ended(Ok(()), ended);
        assert_eq!(state.next_expiry(minute), Some(161));
        state.drop_old(second(160), minute);
        assert_eq!(ids(&state), ["a", "b"]);
        state.drop_old(second(161), minute);
        assert_eq!(ids(&state), ["b"]);
        state.drop_old(second(191), minute);
        assert_eq!((ids(&state).len(), state.next_expiry(minute)), (0, None));
    }
}
