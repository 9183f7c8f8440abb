//! The metrics of targets: which there are, and what each says of a snapshot.

use super::family::{Emit, Family, Spec, seconds};
use crate::{
    domain::{reason::Reason, status::StatusField},
    snapshot::TargetSnapshot,
};

const IDENTITY: [&str; 2] = ["account", "region"];

/// One metric of every target.
struct TargetMetric {
    spec: Spec,
    labels: &'static [&'static str],
    samples: fn(&TargetSnapshot, &mut Emit<'_>),
}

const METRICS: &[TargetMetric] = &[
    TargetMetric {
        spec: Spec::gauge("tencentcloud_vpn_target_info", "1 for each target that this process polls."),
        labels: &[],
        samples: |_, emit| emit(&[], 1.0),
    },
    TargetMetric {
        spec: Spec::gauge("tencentcloud_vpn_up", "Whether the last poll of the target succeeded."),
        labels: &[],
        samples: |target, emit| {
            if let Some(up) = target.is_up() {
                emit(&[], f64::from(u8::from(up)));
            }
        },
    },
    TargetMetric {
        spec: Spec::gauge("tencentcloud_vpn_tunnels", "Tunnels in the target's last good listing."),
        labels: &[],
        samples: |target, emit| {
            if let Some(listed) = target.listed() {
                emit(&[], listed.len() as f64);
            }
        },
    },
    TargetMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_last_success_timestamp_seconds",
            "When the last good poll of the target ended.",
        ),
        labels: &[],
        samples: |target, emit| {
            if let Some(time) = target.last_success {
                emit(&[], seconds(time));
            }
        },
    },
    TargetMetric {
        spec: Spec::counter("tencentcloud_vpn_polls_total", "Polls of the target that have ended."),
        labels: &[],
        samples: |target, emit| emit(&[], target.polls as f64),
    },
    TargetMetric {
        spec: Spec::counter(
            "tencentcloud_vpn_poll_failures_total",
            "Polls of the target that failed, by reason.",
        ),
        labels: &["reason"],
        samples: |target, emit| {
            for reason in Reason::ALL {
                emit(&[reason.as_str()], target.failures[reason as usize] as f64);
            }
        },
    },
    TargetMetric {
        spec: Spec::counter(
            "tencentcloud_vpn_listing_inconsistencies_total",
            "Listings of the target whose pages disagreed with each other.",
        ),
        labels: &[],
        samples: |target, emit| emit(&[], target.inconsistencies as f64),
    },
    TargetMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_last_poll_duration_seconds",
            "How long the target's last poll took.",
        ),
        labels: &[],
        samples: |target, emit| {
            if let Some(poll) = &target.last_poll {
                emit(&[], poll.duration.as_secs_f64());
            }
        },
    },
    TargetMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_api_clock_offset_seconds",
            "The API's clock minus ours, where a correction is in force; else 0.",
        ),
        labels: &[],
        samples: |target, emit| emit(&[], target.clock_offset as f64),
    },
    TargetMetric {
        spec: Spec::counter(
            "tencentcloud_vpn_unknown_values_total",
            "Values that are new to this exporter, by status, and rows that came without an id.",
        ),
        labels: &["field"],
        samples: |target, emit| {
            for field in StatusField::ALL {
                emit(&[field.as_str()], target.unknown_values[field as usize] as f64);
            }
            emit(&["vpn_connection_id"], target.rows_without_id as f64);
        },
    },
];

/// The values of the labels that every target metric has.
pub(super) fn identity(target: &TargetSnapshot) -> [&str; 2] {
    [target.target.account.as_str(), target.target.region.as_str()]
}

/// All target metrics, in the order of their names.
pub(super) fn families() -> prometheus::Result<Vec<Family<TargetSnapshot>>> {
    let families = METRICS.iter().map(|metric| {
        let labels = IDENTITY.iter().chain(metric.labels).map(|&name| name.to_owned());
        Family::new(metric.spec, labels.collect(), metric.samples)
    });
    let mut families = families.collect::<prometheus::Result<Vec<_>>>()?;
    families.sort_by_key(Family::name);
    Ok(families)
}
