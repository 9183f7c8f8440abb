//! The metrics of tunnels: which there are, and what each says of a record.

use super::family::{Emit, Family, Spec, seconds};
use crate::{
    domain::{
        status::{HealthCheckStatus, NetStatus, StatusField, TunnelState},
        tag_label::TagLabel,
        target::Target,
        tunnel::{HealthCheck, Tunnel},
        tunnel_status::TunnelStatus,
    },
    snapshot::TunnelRecord,
};

const IDENTITY: [&str; 4] = ["account", "region", "vpn_gateway_id", "vpn_connection_id"];

/// One metric of every tunnel.
struct TunnelMetric {
    spec: Spec,
    labels: &'static [&'static str],
    samples: fn(&TunnelRecord, &mut Emit<'_>),
}

/// All of them but `tunnel_info`, whose labels depend on the configuration.
const METRICS: &[TunnelMetric] = &[
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_up",
            "State of the link: 0 if any known status is not AVAILABLE; else absent if any is UNKNOWN; else 1.",
        ),
        labels: &[],
        samples: |record, emit| match record.tunnel.connection() {
            TunnelStatus::Up => emit(&[], 1.0),
            TunnelStatus::Down => emit(&[], 0.0),
            TunnelStatus::Unknown | TunnelStatus::Idle => {}
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_state",
            "1 for the tunnel's present State, 0 for the others.",
        ),
        labels: &["state"],
        samples: |record, emit| {
            for &state in TunnelState::ALL {
                emit(&[state.as_str()], indicator(state == record.tunnel.state));
            }
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_net_status",
            "1 for the tunnel's present NetStatus, 0 for the others.",
        ),
        labels: &["status"],
        samples: |record, emit| {
            for &status in NetStatus::ALL {
                emit(&[status.as_str()], indicator(status == record.tunnel.net_status));
            }
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_health_check_status",
            "1 for the tunnel's present HealthCheckStatus, 0 for the others; absent where no health check is configured.",
        ),
        labels: &["status"],
        samples: |record, emit| {
            let Some(present) = record.tunnel.health_check.status() else { return };
            for &status in HealthCheckStatus::ALL {
                emit(&[status.as_str()], indicator(status == present));
            }
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_health_check_enabled",
            "Whether a health check is configured for the tunnel.",
        ),
        labels: &[],
        samples: |record, emit| {
            emit(&[], indicator(record.tunnel.health_check != HealthCheck::NotConfigured));
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_ike_info",
            "How the tunnel's ends agree on keys (IKE); always 1.",
        ),
        labels: &["version", "encryption", "integrity", "dh_group", "exchange_mode"],
        samples: |record, emit| {
            let ike = &record.tunnel.ike;
            emit(&[&ike.version, &ike.encryption, &ike.integrity, &ike.dh_group, &ike.exchange_mode], 1.0);
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_ipsec_info",
            "How the tunnel protects traffic (IPsec); always 1.",
        ),
        labels: &["encryption", "integrity", "pfs_dh_group"],
        samples: |record, emit| {
            let ipsec = &record.tunnel.ipsec;
            emit(&[&ipsec.encryption, &ipsec.integrity, &ipsec.pfs_dh_group], 1.0);
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_created_timestamp_seconds",
            "When the tunnel was created; absent where the API's time cannot be read.",
        ),
        labels: &[],
        samples: |record, emit| {
            if let Some(created) = record.tunnel.created {
                emit(&[], created as f64);
            }
        },
    },
    TunnelMetric {
        spec: Spec::counter(
            "tencentcloud_vpn_tunnel_transitions_total",
            "Changes of a status from one known value to another, as far as polls saw them.",
        ),
        labels: &["field"],
        samples: |record, emit| {
            for field in applicable(&record.tunnel) {
                emit(&[field.as_str()], record.history(field).transitions as f64);
            }
        },
    },
    TunnelMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_tunnel_last_transition_timestamp_seconds",
            "When a status was last seen to change; absent before the first time.",
        ),
        labels: &["field"],
        samples: |record, emit| {
            for field in applicable(&record.tunnel) {
                if let Some(time) = record.history(field).last_transition {
                    emit(&[field.as_str()], seconds(time));
                }
            }
        },
    },
];

const INFO: Spec =
    Spec::gauge("tencentcloud_vpn_tunnel_info", "The tunnel's name and what people know it by; always 1.");

const INFO_LABELS: [&str; 10] = [
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
];

fn info_values(tunnel: &Tunnel) -> [&str; 10] {
    [
        &tunnel.name,
        &tunnel.vpc_id,
        &tunnel.customer_gateway_id,
        &tunnel.local_identity,
        &tunnel.remote_identity,
        &tunnel.route_type,
        tunnel.negotiation_type.as_str(),
        &tunnel.dpd_action,
        &tunnel.health_check_local_ip,
        &tunnel.health_check_remote_ip,
    ]
}

fn indicator(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn applicable(tunnel: &Tunnel) -> impl Iterator<Item = StatusField> {
    StatusField::ALL.into_iter().filter(|&field| tunnel.status(field).is_some())
}

/// The values of the labels that every tunnel metric has.
pub(super) fn identity<'a>(target: &'a Target, record: &'a TunnelRecord) -> [&'a str; 4] {
    let Tunnel { vpn_gateway_id, id, .. } = &record.tunnel;
    [target.account.as_str(), target.region.as_str(), vpn_gateway_id, id.as_str()]
}

/// All tunnel metrics, in the order of their names. Fails where a tag's label is no label of Prometheus, or is there twice.
pub(super) fn families(tag_labels: Vec<TagLabel>) -> prometheus::Result<Vec<Family<TunnelRecord>>> {
    let labels = |more: &[&str]| IDENTITY.iter().chain(more).map(|&name| name.to_owned()).collect::<Vec<_>>();
    let known = METRICS.iter().map(|metric| Family::new(metric.spec, labels(metric.labels), metric.samples));
    let mut info = labels(&INFO_LABELS);
    info.extend(tag_labels.iter().map(|tag| tag.label.clone()));
    let info = Family::new(INFO, info, move |record: &TunnelRecord, emit| {
        let TunnelRecord { tunnel, .. } = record;
        let tag = |tag: &TagLabel| tunnel.tags.iter().find(|(key, _)| **key == *tag.key);
        let tags = tag_labels.iter().map(|label| tag(label).map_or("", |(_, value)| value));
        emit(&info_values(tunnel).into_iter().chain(tags).collect::<Vec<_>>(), 1.0);
    });
    let mut families = known.chain([info]).collect::<prometheus::Result<Vec<_>>>()?;
    families.sort_by_key(Family::name);
    Ok(families)
}
