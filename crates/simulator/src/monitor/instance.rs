//! The true data points of a tunnel or a gateway, and when they become visible.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::Value;

use super::metric::{Metric, Namespace};
use crate::{
    behaviour::{State, Status},
    clock::Timeline,
    gateway::Gateway,
    hash,
    problem::GatewayProblem,
    region_world::RegionWorld,
    traffic::Direction,
    tunnel::Tunnel,
};

/// The periods of both namespaces, in seconds.
pub(super) const PERIODS: [u64; 2] = [60, 300];
const MINUTE: u64 = 60;
/// The time from the end of a period until its data point is visible, in seconds. Each instance has a fixed delay.
const DELAY: RangeInclusive<u64> = 60..=180;

/// A tunnel or a gateway with data.
#[derive(Debug)]
pub(crate) enum Instance<'a> {
    Tunnel(MonitoredTunnel<'a>),
    Gateway { gateway: &'a Gateway, tunnels: Vec<MonitoredTunnel<'a>> },
}

/// A tunnel and its gateway; `None` if the gateway was removed.
#[derive(Debug)]
pub(crate) struct MonitoredTunnel<'a> {
    tunnel: &'a Tunnel,
    gateway: Option<&'a Gateway>,
}

impl<'a> Instance<'a> {
    /// Finds an instance of a region by its identifier.
    pub(crate) fn find(region: &'a RegionWorld, namespace: Namespace, id: &str) -> Option<Self> {
        match namespace {
            Namespace::Tunnels => {
                let tunnel = region.all_tunnels().iter().find(|tunnel| tunnel.id == id)?;
                let gateway = region.gateway(&tunnel.gateway_id);
                Some(Self::Tunnel(MonitoredTunnel { tunnel, gateway }))
            }
            Namespace::Gateways => {
                let gateway = region.gateway(id)?;
                let tunnels = region.all_tunnels().iter().filter(|tunnel| tunnel.gateway_id == id);
                let monitored = |tunnel| MonitoredTunnel { tunnel, gateway: Some(gateway) };
                Some(Self::Gateway { gateway, tunnels: tunnels.map(monitored).collect() })
            }
        }
    }

    /// The data point of the period that starts at a Unix time, whether or not it is visible yet: the mean of its
    /// minutes. Tencent's document names the largest value for bandwidth; the two differ little here.
    pub(crate) fn point(&self, metric: Metric, period: u64, start: u64, timeline: &Timeline) -> Option<f64> {
        if !PERIODS.contains(&period) || !start.is_multiple_of(period) || self.is_without_data() {
            return None;
        }
        let minutes = (0..period / MINUTE).map(|number| start.saturating_add(number * MINUTE));
        let values: Vec<_> = minutes.filter_map(|minute| self.minute(metric, minute, timeline)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (!values.is_empty()).then(|| rounded(mean))
    }

    fn is_without_data(&self) -> bool {
        match self {
            Self::Tunnel(monitored) => monitored.tunnel.without_data,
            Self::Gateway { gateway, .. } => gateway.without_data,
        }
    }

    fn minute(&self, metric: Metric, minute: u64, timeline: &Timeline) -> Option<f64> {
        let at = timeline.world(minute);
        match self {
            Self::Tunnel(monitored) => monitored.minute(metric, minute, at).map(rounded),
            Self::Gateway { gateway, tunnels } => {
                let sum = |metric| {
                    let values = tunnels.iter().filter_map(|tunnel| tunnel.minute(metric, minute, at));
                    values.map(rounded).sum::<f64>()
                };
                Some(match metric {
                    // The gateway's bandwidth is `InternetMaxBandwidthOut`, whose name suggests that it limits only what the
                    // gateway transmits.
                    Metric::BandwidthUsage => 100.0 * sum(Metric::OutBandwidth) / gateway.shown_bandwidth(),
                    metric => sum(metric),
                })
            }
        }
    }
}

impl MonitoredTunnel<'_> {
    /// The value of a minute; `at` is the same moment in simulated time.
    fn minute(&self, metric: Metric, minute: u64, at: Duration) -> Option<f64> {
        let status = self.status(at).filter(|status| status.state != State::Pending)?;
        let (tunnel, traffic) = (self.tunnel, &self.tunnel.traffic);
        let carried = |value: f64| if status.connected { value } else { 0.0 };
        match metric {
            Metric::OutBandwidth => Some(carried(traffic.bandwidth(Direction::Out, minute))),
            Metric::InBandwidth => Some(carried(traffic.bandwidth(Direction::In, minute))),
            Metric::OutPackets => Some(carried(traffic.packets(Direction::Out, minute))),
            Metric::InPackets => Some(carried(traffic.packets(Direction::In, minute))),
            Metric::PacketLoss if !has_health_check(tunnel) => None,
            Metric::PacketLoss if !status.connected => Some(100.0),
            Metric::PacketLoss => Some(traffic.packet_loss(status.healthy, minute)),
            Metric::Delay if !has_health_check(tunnel) || !status.connected => None,
            Metric::Delay => Some(traffic.delay(minute)),
            Metric::BandwidthUsage => None,
        }
    }

    /// The status of the tunnel, as its row shows it. A status that a test sets applies to all moments.
    fn status(&self, at: Duration) -> Option<Status> {
        let Self { tunnel, gateway } = self;
        let planned = tunnel.status(at).filter(|_| at >= tunnel.added)?;
        let shown = |field, unchanged| match tunnel.text_of_change(field) {
            Some(text) if text.eq_ignore_ascii_case("AVAILABLE") => true,
            Some(text) if text.eq_ignore_ascii_case("UNAVAILABLE") => false,
            _ => unchanged,
        };
        let state = match tunnel.text_of_change("State").map(str::to_ascii_uppercase).as_deref() {
            Some("PENDING") => State::Pending,
            Some("DELETING") => State::Deleting,
            Some("AVAILABLE") => State::Available,
            _ => planned.state,
        };
        let status = Status {
            state,
            connected: shown("NetStatus", planned.connected),
            healthy: shown("HealthCheckStatus", planned.healthy),
        };
        let problem = gateway.and_then(|gateway| gateway.problem_at(at));
        Some(if problem.is_some_and(GatewayProblem::stops_traffic) {
            status.without_traffic()
        } else {
            status
        })
    }
}

fn has_health_check(tunnel: &Tunnel) -> bool {
    let change = tunnel.changes.value("EnableHealthCheck").and_then(Value::as_bool);
    change.unwrap_or(tunnel.health_check.is_some())
}

/// Whether the data point of the period that starts at `start` is visible. All times are in Unix seconds.
pub(super) fn is_visible(id: &str, period: u64, start: u64, now: u64) -> bool {
    start.saturating_add(period).saturating_add(delay(id)) <= now
}

fn delay(id: &str) -> u64 {
    let (least, most) = DELAY.into_inner();
    least + hash::of(id) % (most - least + 1)
}

/// Three decimal places.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, clock::Clock, world::World};

    fn instances(region: &RegionWorld) -> impl Iterator<Item = Instance<'_>> {
        let find =
            |tunnel: &Tunnel| Instance::find(region, Namespace::Tunnels, &tunnel.id).expect("a tunnel");
        region.all_tunnels().iter().map(find)
    }

    #[test]
    fn every_instance_has_a_fixed_delay() {
        for number in 0..1000 {
            let id = format!("vpnx-{number:08}");
            let visible: Vec<_> = (0..=400).filter(|now| is_visible(&id, 60, 0, *now)).collect();
            let first = visible[0];
            assert!((120..=240).contains(&first), "{id} appears after {first} s");
            assert_eq!(visible, (first..=400).collect::<Vec<_>>());
            assert!(is_visible(&id, 300, 600, first + 840) && !is_visible(&id, 300, 600, first + 839));
        }
        assert!(!is_visible("vpnx-00000000", 300, u64::MAX, u64::MAX - 1));
    }

    #[test]
    fn traffic_stops_while_a_tunnel_is_down() {
        let clock = Clock::new(1.0);
        let (timeline, start) = (clock.timeline(), clock.now().unix / 60 * 60);
        let world = World::new(&Options::default(), 1_800_000_000);
        let region = world.region("ap-guangzhou").expect("the region");
        let mut seen = [0; 3];
        for instance in instances(region) {
            let Instance::Tunnel(MonitoredTunnel { tunnel, gateway }) = &instance else { unreachable!() };
            for minute in (start - 600..start + 3600).step_by(60) {
                let at = timeline.world(minute);
                let stopped = gateway.and_then(|gateway| gateway.problem_at(at));
                let stopped = stopped.is_some_and(GatewayProblem::stops_traffic);
                let expected = tunnel.status(at).map(|status| match status.state {
                    State::Pending => 0,
                    _ if status.connected && !stopped => 1,
                    _ => 2,
                });
                let expected = expected.unwrap_or(0);
                seen[expected] += 1;
                let found = match instance.point(Metric::InPackets, 60, minute, &timeline) {
                    None => 0,
                    Some(packets) if packets > 0.0 => 1,
                    Some(_) => 2,
                };
                assert_eq!(found, expected, "{} at {at:?}", tunnel.id);
            }
        }
        assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
    }

    #[test]
    fn long_period_is_the_mean_of_its_minutes() {
        let clock = Clock::new(1.0);
        let (timeline, start) = (clock.timeline(), clock.now().unix / 300 * 300 + 300);
        let world =
            World::new(&Options { gateway_problems: Some(vec![]), ..Options::default() }, 1_800_000_000);
        let region = world.region("ap-guangzhou").expect("the region");
        for instance in instances(region) {
            for start in (start..start + 3600).step_by(300) {
                for metric in [Metric::OutBandwidth, Metric::PacketLoss, Metric::Delay] {
                    let minutes = (start..start + 300).step_by(60);
                    let values: Vec<_> =
                        minutes.filter_map(|start| instance.point(metric, 60, start, &timeline)).collect();
                    let mean = values.iter().sum::<f64>() / values.len() as f64;
                    let found = instance.point(metric, 300, start, &timeline);
                    assert_eq!(found.is_some(), !values.is_empty());
                    assert!(
                        found.is_none_or(|found| (found - mean).abs() < 0.001),
                        "{found:?} is not {mean}"
                    );
                }
            }
        }
    }
}
