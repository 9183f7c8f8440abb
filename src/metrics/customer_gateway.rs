//! The metric of customer gateways.

use std::sync::Arc;

use super::family::{Family, MetricRow};
use crate::{
    domain::{customer_gateway::CustomerGateway, target::Target},
    snapshot::{Snapshot, record::Record},
};

impl MetricRow for Record<CustomerGateway> {
    type Owner = Target;
    const LABELS: &'static [&'static str] = &["account", "region", "customer_gateway_id"];
    const FAMILIES: &'static [Family<Self>] = FAMILIES;

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Target, &Arc<Self>)> {
        snapshot.targets.iter().flat_map(|(target, state)| {
            let listed = state.gateways.iter().filter_map(|gateways| gateways.customer_gateways.published());
            listed.flatten().map(move |record| (target, record))
        })
    }

    fn label_values<'a>(&'a self, owner: &'a Target) -> impl Iterator<Item = &'a str> {
        [owner.account.as_str(), owner.region.as_str(), self.row.id.as_str()].into_iter()
    }
}

const FAMILIES: &[Family<Record<CustomerGateway>>] = &[Family::gauge(
    "tencentcloud_vpn_customer_gateway_info",
    &["customer_gateway_name", "ip_address", "bgp_asn"],
    "Always 1. The labels describe the customer gateway as of the last listing of gateways: its name, its address, to which packets go, and its BGP ASN if it has one. A customer gateway is the peer of tunnels.",
    |record, samples| {
        let gateway = &record.row;
        samples.add(&[&gateway.name, &gateway.ip_address, &gateway.bgp_asn], 1.0);
    },
)];
