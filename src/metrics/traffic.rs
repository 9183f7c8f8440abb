//! The metrics of traffic: what tunnels and gateways carry. A tunnel or gateway has them if it is published and has data
//! points.

use std::sync::Arc;

use super::family::{Family, MetricRow};
use crate::{
    domain::{
        gateway::GatewayId,
        row::Row,
        target::Target,
        traffic::{Instance, Statistic, Traffic, TunnelInstance},
    },
    snapshot::{Snapshot, TargetSnapshot, record::Record, traffic::TrafficSnapshot},
};

/// The traffic of the published rows of a kind. Both slices have the order of the ids.
fn published<'a, R: Row, I: Instance>(
    target: &'a TargetSnapshot,
    records: &'a [Arc<Record<R>>],
    traffic: fn(&TrafficSnapshot) -> &[Arc<Traffic<I>>],
    id: fn(&R) -> &str,
) -> impl Iterator<Item = (&'a Target, &'a Arc<Traffic<I>>)> {
    let traffic = target.traffic.as_deref().map(traffic).unwrap_or_default();
    let is_published = move |traffic: &&Arc<Traffic<I>>| {
        let found = records.binary_search_by(|record| id(&record.row).cmp(traffic.instance.id()));
        found.is_ok()
    };
    traffic.iter().filter(is_published).map(|traffic| (&target.target, traffic))
}

impl MetricRow for Traffic<TunnelInstance> {
    type Owner = Target;
    const LABELS: &'static [&'static str] = &["account", "region", "vpn_gateway_id", "vpn_connection_id"];
    const FAMILIES: &'static [Family<Self>] = &[
        Family::gauge(
            "tencentcloud_vpn_tunnel_receive_bytes_per_second",
            &[],
            "Bytes that the tunnel receives in a second, towards the VPC, as of the newest data point.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::ReceivedBytes)),
        ),
        Family::gauge(
            "tencentcloud_vpn_tunnel_transmit_bytes_per_second",
            &[],
            "Bytes that the tunnel transmits in a second, from the VPC, as of the newest data point.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::TransmittedBytes)),
        ),
        Family::gauge(
            "tencentcloud_vpn_tunnel_receive_packets_per_second",
            &[],
            "Packets that the tunnel receives in a second, towards the VPC, as of the newest data point.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::ReceivedPackets)),
        ),
        Family::gauge(
            "tencentcloud_vpn_tunnel_transmit_packets_per_second",
            &[],
            "Packets that the tunnel transmits in a second, from the VPC, as of the newest data point.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::TransmittedPackets)),
        ),
        Family::gauge(
            "tencentcloud_vpn_tunnel_packet_loss_ratio",
            &[],
            "Lost part of the packets, from 0 to 1, as of the newest data point. Cloud Monitor probably measures it only where a health check is configured.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::PacketLoss)),
        ),
        Family::gauge(
            "tencentcloud_vpn_tunnel_latency_seconds",
            &[],
            "Latency of the tunnel, as of the newest data point. Cloud Monitor probably measures it only where a health check is configured.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::Latency)),
        ),
        Family::gauge(
            "tencentcloud_vpn_tunnel_traffic_timestamp_seconds",
            &[],
            "Time of the tunnel's newest data point.",
            |traffic, samples| samples.add_some(traffic.times().max().map(|time| time as f64)),
        ),
    ];

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Target, &Arc<Self>)> {
        snapshot.targets.values().flat_map(|target| {
            published(target, target.tunnels(), |traffic| &traffic.tunnels, |tunnel| tunnel.id.as_str())
        })
    }

    fn label_values<'a>(&'a self, owner: &'a Target) -> impl Iterator<Item = &'a str> {
        let tunnel = &self.instance;
        let ids = [tunnel.vpn_gateway_id(), tunnel.id()];
        [owner.account.as_str(), owner.region.as_str()].into_iter().chain(ids)
    }
}

impl MetricRow for Traffic<GatewayId> {
    type Owner = Target;
    const LABELS: &'static [&'static str] = &["account", "region", "vpn_gateway_id"];
    const FAMILIES: &'static [Family<Self>] = &[
        Family::gauge(
            "tencentcloud_vpn_gateway_receive_bytes_per_second",
            &[],
            "Bytes that the gateway receives in a second, towards the VPC, as of the newest data point.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::ReceivedBytes)),
        ),
        Family::gauge(
            "tencentcloud_vpn_gateway_transmit_bytes_per_second",
            &[],
            "Bytes that the gateway transmits in a second, from the VPC, as of the newest data point.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::TransmittedBytes)),
        ),
        Family::gauge(
            "tencentcloud_vpn_gateway_bandwidth_usage_ratio",
            &[],
            "Used part of the bandwidth that is paid for, from 0 to 1, as of the newest data point.",
            |traffic, samples| samples.add_some(traffic.value(Statistic::BandwidthUsage)),
        ),
        Family::gauge(
            "tencentcloud_vpn_gateway_traffic_timestamp_seconds",
            &[],
            "Time of the gateway's newest data point.",
            |traffic, samples| samples.add_some(traffic.times().max().map(|time| time as f64)),
        ),
    ];

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Target, &Arc<Self>)> {
        snapshot.targets.values().flat_map(|target| {
            published(
                target,
                target.published_gateways(),
                |traffic| &traffic.gateways,
                |gateway| gateway.id.as_str(),
            )
        })
    }

    fn label_values<'a>(&'a self, owner: &'a Target) -> impl Iterator<Item = &'a str> {
        [owner.account.as_str(), owner.region.as_str(), self.instance.as_str()].into_iter()
    }
}
