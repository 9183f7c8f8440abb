//! How a metric is declared: once, with its name, type, labels and help text.
//!
//! The registry, the exposition and docs/metrics.md are made from declarations or checked against them. Declarations have no
//! values.

use std::collections::HashMap;

use prometheus::{
    HistogramOpts, Opts,
    core::Desc,
    proto::{Metric, MetricFamily, MetricType},
};

/// A metric without its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declaration {
    /// The full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricType,
    /// The labels of this metric. Metrics of rows (tunnels, targets, accounts) also have the labels of their row.
    pub labels: &'static [&'static str],
    /// The meaning, as `# HELP` and docs/metrics.md show it.
    pub help: &'static str,
}

impl Declaration {
    /// A value that goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: MetricType::GAUGE, labels, help }
    }

    /// A count that only grows.
    #[must_use]
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: MetricType::COUNTER, labels, help }
    }

    /// A distribution.
    #[must_use]
    pub const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: MetricType::HISTOGRAM, labels, help }
    }

    /// The options of a metric of the `prometheus` crate.
    #[must_use]
    pub fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    /// The options of a histogram with these upper bounds of its buckets.
    #[must_use]
    pub fn buckets(&self, bounds: &[f64]) -> HistogramOpts {
        HistogramOpts::from(self.opts()).buckets(bounds.to_vec())
    }

    /// The descriptor of the metric with these labels. Fails if a label is invalid, or occurs twice.
    pub fn desc(&self, labels: Vec<String>) -> prometheus::Result<Desc> {
        Desc::new(self.name.into(), self.help.into(), labels, HashMap::new())
    }

    /// The family of the metric, with these samples.
    #[must_use]
    pub fn family(&self, samples: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.into());
        family.set_help(self.help.into());
        family.set_field_type(self.kind);
        family.set_metric(samples);
        family
    }

    /// Sets the value of a sample of a counter or gauge.
    pub fn set_value(&self, sample: &mut Metric, value: f64) {
        if self.kind == MetricType::COUNTER {
            let mut counter = prometheus::proto::Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        } else {
            let mut gauge = prometheus::proto::Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
    }
}
