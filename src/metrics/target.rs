//! The metrics of one target: a collector over its snapshot.

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Spec, label, seconds};
use crate::{
    domain::{Reason, StatusField},
    snapshot::TargetSnapshot,
};

const LABELS: [&str; 2] = ["account", "region"];

/// Takes one sample: the value of the metric's own label if it has one, and a value.
type Emit<'a> = dyn FnMut(Option<&str>, f64) + 'a;

/// One metric of every target.
struct TargetMetric {
    spec: Spec,
    label: Option<&'static str>,
    samples: fn(&TargetSnapshot, &mut Emit<'_>),
}

const METRICS: &[TargetMetric] = &[
    TargetMetric {
        spec: Spec::gauge("tencentcloud_vpn_target_info", "1 for each target that this process polls."),
        label: None,
        samples: |_, emit| emit(None, 1.0),
    },
    TargetMetric {
        spec: Spec::gauge("tencentcloud_vpn_up", "Whether the last poll of the target succeeded."),
        label: None,
        samples: |target, emit| {
            if let Some(up) = target.is_up() {
                emit(None, f64::from(u8::from(up)));
            }
        },
    },
    TargetMetric {
        spec: Spec::gauge("tencentcloud_vpn_tunnels", "Tunnels in the target's last good listing."),
        label: None,
        samples: |target, emit| {
            if let Some(listed) = target.listed() {
                emit(None, listed.len() as f64);
            }
        },
    },
    TargetMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_last_success_timestamp_seconds",
            "When the last good poll of the target ended.",
        ),
        label: None,
        samples: |target, emit| {
            if let Some(time) = target.last_success {
                emit(None, seconds(time));
            }
        },
    },
    TargetMetric {
        spec: Spec::counter("tencentcloud_vpn_polls_total", "Polls of the target that have ended."),
        label: None,
        samples: |target, emit| emit(None, target.polls as f64),
    },
    TargetMetric {
        spec: Spec::counter(
            "tencentcloud_vpn_poll_failures_total",
            "Polls of the target that failed, by reason.",
        ),
        label: Some("reason"),
        samples: |target, emit| {
            for reason in Reason::ALL {
                emit(Some(reason.as_str()), target.failures[reason as usize] as f64);
            }
        },
    },
    TargetMetric {
        spec: Spec::counter(
            "tencentcloud_vpn_listing_inconsistencies_total",
            "Listings of the target whose pages disagreed with each other.",
        ),
        label: None,
        samples: |target, emit| emit(None, target.inconsistencies as f64),
    },
    TargetMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_last_poll_duration_seconds",
            "How long the target's last poll took.",
        ),
        label: None,
        samples: |target, emit| {
            if let Some(poll) = &target.last_poll {
                emit(None, poll.duration.as_secs_f64());
            }
        },
    },
    TargetMetric {
        spec: Spec::gauge(
            "tencentcloud_vpn_api_clock_offset_seconds",
            "The API's clock minus ours, where a correction is in force; else 0.",
        ),
        label: None,
        samples: |target, emit| emit(None, target.clock_offset as f64),
    },
    TargetMetric {
        spec: Spec::counter(
            "tencentcloud_vpn_unknown_values_total",
            "Values that are new to this exporter, by status, and rows that came without an id.",
        ),
        label: Some("field"),
        samples: |target, emit| {
            for field in StatusField::ALL {
                emit(Some(field.as_str()), target.unknown_values[field as usize] as f64);
            }
            emit(Some("vpn_connection_id"), target.rows_without_id as f64);
        },
    },
];

/// The descriptors of all target metrics, made once.
#[derive(Debug, Clone)]
pub(super) struct TargetMetrics(Arc<[Desc]>);

impl TargetMetrics {
    pub(super) fn new() -> prometheus::Result<Self> {
        let descs = METRICS.iter().map(|metric| {
            let labels = LABELS.into_iter().chain(metric.label);
            metric.spec.desc(labels.map(str::to_owned).collect())
        });
        Ok(Self(descs.collect::<prometheus::Result<Vec<_>>>()?.into()))
    }

    pub(super) fn over(&self, target: Arc<TargetSnapshot>) -> TargetCollector {
        TargetCollector { metrics: self.clone(), target }
    }
}

/// Collects the metrics of one target.
#[derive(Debug)]
pub(super) struct TargetCollector {
    metrics: TargetMetrics,
    target: Arc<TargetSnapshot>,
}

impl TargetCollector {
    fn family(&self, metric: &TargetMetric) -> MetricFamily {
        let target = &self.target.target;
        let identity = [label("account", target.account.as_str()), label("region", target.region.as_str())];
        let mut samples = Vec::new();
        (metric.samples)(&self.target, &mut |own, value| {
            let own = metric.label.zip(own).map(|(name, value)| label(name, value));
            let labels = identity.iter().cloned().chain(own).collect();
            samples.push(metric.spec.sample(labels, value));
        });
        metric.spec.family(samples)
    }
}

impl Collector for TargetCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.metrics.0.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        METRICS.iter().map(|metric| self.family(metric)).collect()
    }
}
