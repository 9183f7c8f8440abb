//! The metrics of targets.

use std::sync::Arc;

use super::family::{Family, MetricRow, Samples, flag, seconds};
use crate::{
    domain::{
        reason::Reason, row::Row, status::Status, target::Target, tunnel::Tunnel, tunnel_status::TunnelStatus,
    },
    snapshot::{Snapshot, TargetSnapshot, listed::Listed},
};

impl MetricRow for TargetSnapshot {
    type Owner = Target;
    const LABELS: &'static [&'static str] = &["account", "region"];
    const FAMILIES: &'static [Family<Self>] = FAMILIES;

    fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (&Target, &Arc<Self>)> {
        snapshot.targets.iter()
    }

    fn label_values<'a>(&'a self, owner: &'a Target) -> impl Iterator<Item = &'a str> {
        [owner.account.as_str(), owner.region.as_str()].into_iter()
    }
}

const FAMILIES: &[Family<TargetSnapshot>] = &[
    Family::gauge(
        "tencentcloud_vpn_up",
        &[],
        "Whether polling works as of the last poll: 1 if that poll succeeded, else 0. Absent until the first poll has ended.",
        |target, samples| samples.add_some(target.is_up().map(flag)),
    ),
    Family::gauge(
        "tencentcloud_vpn_tunnels",
        &["status"],
        "Number of published tunnels with each tunnel_status, as of the last poll that succeeded. Absent before the first such poll, and when the tunnels are stale.",
        |target, samples| {
            if target.published_tunnels().is_some() {
                for &status in TunnelStatus::ALL {
                    samples.add(&[status.as_str()], target.listed_tunnels.count(status) as f64);
                }
            }
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_last_success_timestamp_seconds",
        &[],
        "Time at which the last successful poll ended, as of the last poll.",
        |target, samples| samples.add_some(target.last_success.map(seconds)),
    ),
    Family::counter("tencentcloud_vpn_polls_total", &[], "Polls that have ended.", |target, samples| {
        samples.add(&[], target.polls as f64);
    }),
    Family::counter(
        "tencentcloud_vpn_poll_failures_total",
        &["reason"],
        "Polls that failed, by reason.",
        |target, samples| {
            for reason in Reason::ALL {
                samples.add(&[reason.as_str()], target.failures[reason as usize] as f64);
            }
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_last_poll_duration_seconds",
        &[],
        "Time that a poll takes, as of the last poll.",
        |target, samples| {
            samples.add_some(target.last_poll.as_ref().map(|poll| poll.duration.as_secs_f64()));
        },
    ),
    Family::counter(
        "tencentcloud_vpn_listing_inconsistencies_total",
        &[],
        "Listings whose pages contradicted each other, as of the last poll.",
        |target, samples| samples.add(&[], target.listed_tunnels.inconsistencies as f64),
    ),
    Family::gauge(
        "tencentcloud_vpn_api_clock_offset_seconds",
        &[],
        "The API's clock minus the exporter's, as of the last poll. 0 if requests are not signed with a corrected time.",
        |target, samples| samples.add(&[], target.clock_offset as f64),
    ),
    Family::gauge(
        "tencentcloud_vpn_target_info",
        &[],
        "Always 1, for each target that this process polls. With several shards it shows which of them polls a target.",
        |_, samples| samples.add(&[], 1.0),
    ),
    Family::counter(
        "tencentcloud_vpn_unknown_values_total",
        &["field"],
        "Values of a status that are new to this exporter, as of the last poll. With field vpn_connection_id: rows without a usable id.",
        |target, samples| {
            add_unknown_values(&target.listed_tunnels, samples);
            samples.add(&[Tunnel::ID_FIELD], target.listed_tunnels.rows_without_id as f64);
            if let Some(gateways) = &target.gateways {
                add_unknown_values(&gateways.gateways.listed, samples);
            }
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_gateways_up",
        &[],
        "1 if both listings of gateways and of customer gateways succeeded, as of the last listing of gateways; else 0. Absent before the first listing, and with gateways.enabled: false. Tunnels do not depend on it.",
        |target, samples| {
            samples.add_some(target.gateways.as_ref().and_then(|gateways| gateways.is_up()).map(flag));
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_gateways_last_success_timestamp_seconds",
        &[],
        "Time at which the listings of gateways and of customer gateways last both succeeded, as of the last listing of gateways.",
        |target, samples| {
            let last_success = target.gateways.as_ref().and_then(|gateways| gateways.last_success);
            samples.add_some(last_success.map(seconds));
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_traffic_up",
        &[],
        "1 if all requests to Cloud Monitor succeeded, as of the last query of traffic; else 0. Absent before the first query, for a target without tunnels and gateways, and with traffic.enabled: false. Tunnels and gateways do not depend on it.",
        |target, samples| {
            samples.add_some(target.traffic.as_ref().and_then(|traffic| traffic.is_up()).map(flag));
        },
    ),
    Family::gauge(
        "tencentcloud_vpn_traffic_last_success_timestamp_seconds",
        &[],
        "Time at which a query of traffic last succeeded, as of the last query of traffic.",
        |target, samples| {
            let last_success = target.traffic.as_ref().and_then(|traffic| traffic.last_success);
            samples.add_some(last_success.map(seconds));
        },
    ),
];

fn add_unknown_values<R: Row>(listed: &Listed<R>, samples: &mut Samples<'_>) {
    for field in R::STATUS_FIELDS {
        samples.add(&[field], listed.unknown_values(field) as f64);
    }
}
