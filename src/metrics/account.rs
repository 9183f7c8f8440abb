//! The metrics of accounts that are computed from the snapshot.

use std::sync::Arc;

use super::family::{Family, MetricRow, flag, seconds};
use crate::{
    domain::target::AccountName,
    snapshot::{AccountSnapshot, RegionDiscovery, Snapshot},
};

impl MetricRow for AccountSnapshot {
    type Owner = AccountName;
    const LABELS: &'static [&'static str] = &["account"];
    const FAMILIES: &'static [Family<Self>] = FAMILIES;

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&AccountName, &Arc<Self>)> {
        snapshot.accounts.iter()
    }

    fn label_values<'a>(&'a self, owner: &'a AccountName) -> impl Iterator<Item = &'a str> {
        [owner.as_str()].into_iter()
    }
}

const FAMILIES: &[Family<AccountSnapshot>] = &[
    Family::gauge(
        "tencentcloud_vpn_region_discovery_up",
        &[],
        "Whether region discovery works as of the last region discovery: 1 if it succeeded, else 0. Only with regions: all.",
        |account, samples| {
            let discovery = account.discovery.as_ref();
            samples.add_some(discovery.and_then(RegionDiscovery::is_up).map(flag));
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_region_discovery_last_success_timestamp_seconds",
        &[],
        "Time of the last successful region discovery, as of the last region discovery.",
        |account, samples| {
            let discovery = account.discovery.as_ref();
            samples.add_some(discovery.and_then(|discovery| discovery.last_success).map(seconds));
        },
    ),
];
