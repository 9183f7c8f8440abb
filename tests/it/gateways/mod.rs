//! Listings of gateways and customer gateways: what they publish, and that tunnels do not depend on them.

mod faults;
mod listing;
mod order;

use simulator::Entry;
use test_support::{Api, scene::Scene, with_gateways};

const GATEWAYS: &str = "DescribeVpnGateways";
const CUSTOMER_GATEWAYS: &str = "DescribeCustomerGateways";
const TUNNELS: &str = "DescribeVpnConnections";

/// How many requests of an action there were in a region.
fn requests(entries: &[Entry], action: &str, region: &str) -> usize {
    entries.iter().filter(|entry| entry.action == action && entry.region == region).count()
}

/// The configuration of a scene whose gateways are listed with the same interval as its tunnels.
fn config(api: &Api) -> String {
    with_gateways(&Scene::config(api, "interval: 250ms, timeout: 3s, stale_after: 1h"), "250ms")
}
