//! The metrics of VPN gateways.

use std::sync::Arc;

use super::family::{Family, MetricRow, flag};
use crate::{
    domain::{gateway::Gateway, target::Target},
    snapshot::{Snapshot, record::Record},
};

impl MetricRow for Record<Gateway> {
    type Owner = Target;
    const LABELS: &'static [&'static str] = &["account", "region", "vpn_gateway_id"];
    const FAMILIES: &'static [Family<Self>] = FAMILIES;

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Target, &Arc<Self>)> {
        snapshot.targets.iter().flat_map(|(target, state)| {
            let listed = state.gateways.iter().filter_map(|gateways| gateways.gateways.published());
            listed.flatten().map(move |record| (target, record))
        })
    }

    fn label_values<'a>(&'a self, owner: &'a Target) -> impl Iterator<Item = &'a str> {
        [owner.account.as_str(), owner.region.as_str(), self.row.id.as_str()].into_iter()
    }
}

const FAMILIES: &[Family<Record<Gateway>>] = &[
    Family::tagged_gauge(
        "tencentcloud_vpn_gateway_info",
        &[
            "vpn_gateway_name",
            "type",
            "vpc_id",
            "network_instance_id",
            "public_ip_address",
            "zone",
            "gateway_version",
            "charge_type",
            "renew_flag",
        ],
        "Always 1. The labels describe the gateway as of the last listing of gateways, with its name and the tags of metrics.tag_labels.",
        |record, samples| {
            let gateway = &record.row;
            let labels: [&str; 9] = [
                &gateway.name,
                &gateway.kind,
                &gateway.vpc_id,
                &gateway.network_instance_id,
                &gateway.public_ip_address,
                &gateway.zone,
                &gateway.version,
                &gateway.charge_type,
                &gateway.renew_flag,
            ];
            samples.add_tagged(&labels, &gateway.tags, 1.0);
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_gateway_state",
        &["state"],
        "1 for the State as of the last listing of gateways (PENDING, PENDING_ERROR, AVAILABLE, DELETING, DELETING_ERROR or UNKNOWN), 0 for the others.",
        |record, samples| samples.add_each(record.row.state),
    ),
    Family::gauge(
        "tencentcloud_vpn_gateway_restricted",
        &[],
        "1 if the gateway is isolated as of the last listing of gateways, because RestrictState is neither NORMAL nor empty; else 0. An isolated gateway is unpaid and carries no traffic.",
        |record, samples| samples.add(&[], flag(record.row.is_restricted())),
    ),
    Family::gauge(
        "tencentcloud_vpn_gateway_address_blocked",
        &[],
        "1 if the public address of the gateway is blocked as of the last listing of gateways, else 0. Absent where IsAddressBlocked cannot be read.",
        |record, samples| samples.add_some(record.row.is_address_blocked.map(flag)),
    ),
    Family::gauge(
        "tencentcloud_vpn_gateway_expiry_timestamp_seconds",
        &[],
        "Time at which a prepaid gateway expires, as of the last listing of gateways. Absent for gateways that are billed by the hour.",
        |record, samples| samples.add_some(record.row.expires.map(|time| time as f64)),
    ),
    Family::gauge(
        "tencentcloud_vpn_gateway_bandwidth_bytes_per_second",
        &[],
        "Bandwidth that is paid for, as of the last listing of gateways. 1 Mbit/s is 125,000 bytes/s.",
        |record, samples| samples.add_some(record.row.bandwidth.map(|bandwidth| bandwidth as f64)),
    ),
    Family::gauge(
        "tencentcloud_vpn_gateway_created_timestamp_seconds",
        &[],
        "Time at which the gateway was created, as of the last listing of gateways. Absent where the API's time cannot be read.",
        |record, samples| samples.add_some(record.row.created.map(|time| time as f64)),
    ),
];
