//! The metrics of tunnels.

use std::sync::Arc;

use super::family::{Family, MetricRow, flag, seconds};
use crate::{
    domain::{
        row::Row,
        target::Target,
        tunnel::{HealthCheck, Tunnel},
        tunnel_status::TunnelStatus,
    },
    snapshot::{Snapshot, record::Record},
};

impl MetricRow for Record<Tunnel> {
    type Owner = Target;
    const LABELS: &'static [&'static str] = &["account", "region", "vpn_gateway_id", "vpn_connection_id"];
    const FAMILIES: &'static [Family<Self>] = FAMILIES;

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Target, &Arc<Self>)> {
        let targets = snapshot.targets.iter();
        targets.flat_map(|(target, state)| state.tunnels().iter().map(move |record| (target, record)))
    }

    fn label_values<'a>(&'a self, owner: &'a Target) -> impl Iterator<Item = &'a str> {
        let Tunnel { vpn_gateway_id, id, .. } = &self.row;
        [owner.account.as_str(), owner.region.as_str(), vpn_gateway_id, id.as_str()].into_iter()
    }
}

const FAMILIES: &[Family<Record<Tunnel>>] = &[
    Family::gauge(
        "tencentcloud_vpn_tunnel_status",
        &["status"],
        "1 for the status as of the last poll that succeeded, 0 for the others. The status is the first that applies: deleting or pending, if State says so; idle, if NetStatus is UNAVAILABLE, traffic triggers the negotiation (flowTrigger) and no health check is configured; down, if NetStatus or a configured health check is UNAVAILABLE; unknown, if a status that applies is UNKNOWN; otherwise up.",
        |record, samples| samples.add_each(record.row.status()),
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_up",
        &[],
        "1 if tunnel_status is up as of the last poll that succeeded, absent if it is unknown, else 0. An idle, pending or deleting tunnel has the value 0.",
        |record, samples| match record.row.status() {
            TunnelStatus::Unknown => {}
            status => samples.add(&[], flag(status == TunnelStatus::Up)),
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_state",
        &["state"],
        "1 for the State as of the last poll that succeeded (PENDING, AVAILABLE, DELETING or UNKNOWN), 0 for the others.",
        |record, samples| samples.add_each(record.row.state),
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_net_status",
        &["status"],
        "1 for the NetStatus as of the last poll that succeeded (AVAILABLE, UNAVAILABLE or UNKNOWN), 0 for the others.",
        |record, samples| samples.add_each(record.row.net_status),
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_health_check_status",
        &["status"],
        "1 for the HealthCheckStatus as of the last poll that succeeded (AVAILABLE, UNAVAILABLE or UNKNOWN), 0 for the others. Absent where no health check is configured.",
        |record, samples| {
            if let Some(present) = record.row.health_check.status() {
                samples.add_each(present);
            }
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_health_check_enabled",
        &[],
        "1 if a health check is configured as of the last poll that succeeded, else 0.",
        |record, samples| {
            samples.add(&[], flag(record.row.health_check != HealthCheck::NotConfigured));
        },
    ),
    Family::tagged_gauge(
        "tencentcloud_vpn_tunnel_info",
        &[
            "vpn_connection_name",
            "vpc_id",
            "customer_gateway_id",
            "local_identity",
            "remote_identity",
            "route_type",
            "negotiation_type",
            "dpd_action",
            "dpd_timeout_seconds",
            "health_check_local_ip",
            "health_check_remote_ip",
        ],
        "Always 1. The labels describe the tunnel as of the last poll that succeeded, with its name and the tags of metrics.tag_labels.",
        |record, samples| {
            let tunnel = &record.row;
            let labels = [
                &*tunnel.name,
                &tunnel.vpc_id,
                &tunnel.customer_gateway_id,
                &tunnel.local_identity,
                &tunnel.remote_identity,
                &tunnel.route_type,
                tunnel.negotiation_type.as_str(),
                &tunnel.dpd_action,
                &tunnel.dpd_timeout_seconds,
                &tunnel.health_check_local_ip,
                &tunnel.health_check_remote_ip,
            ];
            samples.add_tagged(&labels, &tunnel.tags, 1.0);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_ike_info",
        &["ike_version", "encryption", "integrity", "dh_group", "exchange_mode", "sa_lifetime_seconds"],
        "Always 1. The labels are the IKE settings as of the last poll that succeeded. The ends use them to agree on keys.",
        |record, samples| {
            let ike = &record.row.ike;
            let labels = [
                &*ike.version,
                &ike.encryption,
                &ike.integrity,
                &ike.dh_group,
                &ike.exchange_mode,
                &ike.sa_lifetime_seconds,
            ];
            samples.add(&labels, 1.0);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_ipsec_info",
        &["encryption", "integrity", "pfs_dh_group", "sa_lifetime_seconds"],
        "Always 1. The labels are the IPsec settings as of the last poll that succeeded. The ends use them to protect traffic.",
        |record, samples| {
            let ipsec = &record.row.ipsec;
            let labels =
                [&*ipsec.encryption, &ipsec.integrity, &ipsec.pfs_dh_group, &ipsec.sa_lifetime_seconds];
            samples.add(&labels, 1.0);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_created_timestamp_seconds",
        &[],
        "Time at which the tunnel was created, as of the last poll that succeeded. Absent where the API's time cannot be read.",
        |record, samples| samples.add_some(record.row.created.map(|created| created as f64)),
    ),
    Family::counter(
        "tencentcloud_vpn_tunnel_transitions_total",
        &[],
        "Changes between two known values of tunnel_status that polls saw since the exporter started, as of the last poll that succeeded. While the status is unknown, the last known value is kept.",
        |record, samples| samples.add(&[], record.history.transitions as f64),
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_last_transition_timestamp_seconds",
        &[],
        "Time at which polls last saw tunnel_status change between two known values, as of the last poll that succeeded. Absent before the first change.",
        |record, samples| samples.add_some(record.history.last_transition.map(seconds)),
    ),
];
