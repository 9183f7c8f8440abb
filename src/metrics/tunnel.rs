//! The metrics of tunnels.

use std::sync::Arc;

use super::family::{Family, MetricRow, flag, seconds};
use crate::{
    domain::{
        status::{HealthCheckStatus, NetStatus, StatusField, TunnelState},
        target::Target,
        tunnel::{HealthCheck, Tunnel},
        tunnel_status::TunnelStatus,
    },
    snapshot::{Snapshot, tunnel_record::TunnelRecord},
};

impl MetricRow for TunnelRecord {
    type Owner = Target;
    const LABELS: &'static [&'static str] = &["account", "region", "vpn_gateway_id", "vpn_connection_id"];
    const FAMILIES: &'static [Family<Self>] = FAMILIES;

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Target, &Arc<Self>)> {
        let targets = snapshot.targets.iter();
        targets.flat_map(|(target, state)| state.tunnels().iter().map(move |record| (target, record)))
    }

    fn label_values<'a>(&'a self, owner: &'a Target) -> impl Iterator<Item = &'a str> {
        let Tunnel { vpn_gateway_id, id, .. } = &self.tunnel;
        [owner.account.as_str(), owner.region.as_str(), vpn_gateway_id, id.as_str()].into_iter()
    }
}

const FAMILIES: &[Family<TunnelRecord>] = &[
    Family::gauge(
        "tencentcloud_vpn_tunnel_up",
        &[],
        "State of the link: 0 if any known status is not AVAILABLE; else absent if any is UNKNOWN; else 1. An idle flowTrigger tunnel reads 0, because its link is down.",
        |record, samples| match record.tunnel.connection() {
            TunnelStatus::Up => samples.add(&[], 1.0),
            TunnelStatus::Down => samples.add(&[], 0.0),
            TunnelStatus::Unknown | TunnelStatus::Idle => {}
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_state",
        &["state"],
        "1 for the present State (PENDING, AVAILABLE, DELETING, UNKNOWN), 0 for the others.",
        |record, samples| samples.add_each(TunnelState::ALL, record.tunnel.state, TunnelState::as_str),
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_net_status",
        &["status"],
        "1 for the present NetStatus (AVAILABLE, UNAVAILABLE, UNKNOWN), 0 for the others.",
        |record, samples| {
            samples.add_each(NetStatus::ALL, record.tunnel.net_status, NetStatus::as_str);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_health_check_status",
        &["status"],
        "1 for the present HealthCheckStatus (AVAILABLE, UNAVAILABLE, UNKNOWN), 0 for the others. Absent where no health check is configured.",
        |record, samples| {
            if let Some(present) = record.tunnel.health_check.status() {
                samples.add_each(HealthCheckStatus::ALL, present, HealthCheckStatus::as_str);
            }
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_health_check_enabled",
        &[],
        "1 if a health check is configured, else 0.",
        |record, samples| {
            samples.add(&[], flag(record.tunnel.health_check != HealthCheck::NotConfigured));
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
            "health_check_local_ip",
            "health_check_remote_ip",
        ],
        "Always 1. The labels describe the tunnel, with its name and the tags of metrics.tag_labels.",
        |record, samples| {
            let tunnel = &record.tunnel;
            let labels = [
                &*tunnel.name,
                &tunnel.vpc_id,
                &tunnel.customer_gateway_id,
                &tunnel.local_identity,
                &tunnel.remote_identity,
                &tunnel.route_type,
                tunnel.negotiation_type.as_str(),
                &tunnel.dpd_action,
                &tunnel.health_check_local_ip,
                &tunnel.health_check_remote_ip,
            ];
            samples.add_tagged(&labels, &tunnel.tags, 1.0);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_ike_info",
        &["version", "encryption", "integrity", "dh_group", "exchange_mode"],
        "Always 1. The labels are the IKE settings, by which the ends agree on keys.",
        |record, samples| {
            let ike = &record.tunnel.ike;
            let labels = [&*ike.version, &ike.encryption, &ike.integrity, &ike.dh_group, &ike.exchange_mode];
            samples.add(&labels, 1.0);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_ipsec_info",
        &["encryption", "integrity", "pfs_dh_group"],
        "Always 1. The labels are the IPsec settings, by which traffic is protected.",
        |record, samples| {
            let ipsec = &record.tunnel.ipsec;
            samples.add(&[&*ipsec.encryption, &ipsec.integrity, &ipsec.pfs_dh_group], 1.0);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_created_timestamp_seconds",
        &[],
        "Time at which the tunnel was created. Absent where the API's time cannot be read.",
        |record, samples| samples.add_some(record.tunnel.created.map(|created| created as f64)),
    ),
    Family::counter(
        "tencentcloud_vpn_tunnel_transitions_total",
        &["field"],
        "Changes between two known values of a status (state, net_status, health_check_status) that polls saw since the exporter started.",
        |record, samples| {
            for field in applicable(&record.tunnel) {
                samples.add(&[field.as_str()], record.history(field).transitions as f64);
            }
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnel_last_transition_timestamp_seconds",
        &["field"],
        "Time at which polls last saw the status change. Absent before the first change.",
        |record, samples| {
            for field in applicable(&record.tunnel) {
                if let Some(time) = record.history(field).last_transition {
                    samples.add(&[field.as_str()], seconds(time));
                }
            }
        },
    ),
];

fn applicable(tunnel: &Tunnel) -> impl Iterator<Item = StatusField> {
    StatusField::ALL.into_iter().filter(|&field| tunnel.status(field).is_some())
}
