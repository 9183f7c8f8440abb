//! The exporter's own counters and histograms, which other modules increment through handles.
//!
//! The metrics of tunnels, targets and accounts are in `metrics`: they are derived from the snapshot.

pub mod declaration;

use std::{collections::HashMap, fmt};

use jiff::Timestamp;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    core::{Collector, Desc, MetricVec, MetricVecBuilder},
    proto::MetricFamily,
};

use crate::domain::{reason::Reason, shard::Shard, target::AccountName};
use declaration::Declaration;

/// In seconds. A page takes about 0.1 s; by default a request times out after 10 s.
const REQUEST_BUCKETS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// In seconds. Most polls send one or two requests; the default deadline is 45 s.
const POLL_BUCKETS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0, 90.0];

const POLL_DURATION: Declaration = Declaration::histogram(
    "tencentcloud_vpn_poll_duration_seconds",
    &["account"],
    "Duration of polls, successful or not.",
);
const REQUESTS: Declaration = Declaration::counter(
    "tencentcloud_vpn_api_requests_total",
    &["account", "action"],
    "Requests sent to the API.",
);
const REQUEST_FAILURES: Declaration = Declaration::counter(
    "tencentcloud_vpn_api_request_failures_total",
    &["account", "action", "reason"],
    "Requests without a usable response, including requests whose retry succeeded.",
);
const REQUEST_DURATION: Declaration = Declaration::histogram(
    "tencentcloud_vpn_api_request_duration_seconds",
    &["account", "action"],
    "Duration of requests to the API, successful or not.",
);
const THROTTLE: Declaration = Declaration::counter(
    "tencentcloud_vpn_api_throttle_seconds_total",
    &["account"],
    "Time spent waiting for the exporter's own rate limit.",
);
const CREDENTIALS_EXPIRY: Declaration = Declaration::gauge(
    "tencentcloud_vpn_credentials_expiry_timestamp_seconds",
    &["account"],
    "Time at which the account's temporary credentials expire.",
);
const BUILD_INFO: Declaration = Declaration::gauge(
    "tencentcloud_vpn_exporter_build_info",
    &["version", "revision", "rustc"],
    "Always 1. The labels name the build.",
);
const SHARD: Declaration = Declaration::gauge(
    "tencentcloud_vpn_exporter_shard",
    &[],
    "Index of this exporter's shard, from 0: --shard.index.",
);
const SHARDS: Declaration = Declaration::gauge(
    "tencentcloud_vpn_exporter_shards",
    &[],
    "Number of shards, the same for all of them: --shard.count.",
);
const RELOAD_SUCCESSFUL: Declaration = Declaration::gauge(
    "tencentcloud_vpn_exporter_config_last_reload_successful",
    &[],
    "1 if the last attempt to load the configuration succeeded, else 0.",
);
const RELOAD_SUCCESS_TIME: Declaration = Declaration::gauge(
    "tencentcloud_vpn_exporter_config_last_reload_success_timestamp_seconds",
    &[],
    "Time of the last successful load of the configuration.",
);

/// The exporter's own metrics. As a [`Collector`] it gives all of them to a registry.
#[derive(Clone)]
pub struct Telemetry {
    started: Timestamp,
    poll_duration: HistogramVec,
    requests: IntCounterVec,
    request_failures: IntCounterVec,
    request_duration: HistogramVec,
    throttle: CounterVec,
    credentials_expiry: GaugeVec,
    build_info: GaugeVec,
    shard: IntGauge,
    shards: IntGauge,
    /// `exporter_config_last_reload_successful`: 1 or 0.
    pub reload_successful: IntGauge,
    /// `exporter_config_last_reload_success_timestamp_seconds`.
    pub reload_success_time: Gauge,
}

/// The handles of one account.
#[derive(Debug, Clone)]
pub struct AccountTelemetry {
    account: AccountName,
    telemetry: Telemetry,
    /// `poll_duration_seconds`.
    pub poll_duration: Histogram,
    /// `api_throttle_seconds_total`: time spent waiting for the exporter's own rate limit.
    pub throttle: Counter,
    /// `credentials_expiry_timestamp_seconds`; appears with the first temporary credentials.
    pub credentials_expiry: GaugeHandle,
}

/// A gauge of one account that appears with its first value.
#[derive(Debug, Clone)]
pub struct GaugeHandle {
    family: GaugeVec,
    account: AccountName,
}

/// The handles of one action, called for one account.
#[derive(Debug, Clone)]
pub struct ActionTelemetry {
    requests: IntCounter,
    failures: IntCounterVec,
    duration: Histogram,
    account: AccountName,
    action: &'static str,
}

/// The labels of `exporter_build_info`.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo {
    /// The crate's version.
    pub version: &'static str,
    /// The revision of the source.
    pub revision: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

impl Telemetry {
    /// Creates all metrics. Metrics whose labels are known start at zero. A process calls this once, at its start.
    pub fn new(build: &BuildInfo) -> prometheus::Result<Self> {
        let build_info = GaugeVec::new(BUILD_INFO.opts(), BUILD_INFO.labels)?;
        build_info.with_label_values(&[build.version, build.revision, build.rustc]).set(1.0);
        Ok(Self {
            started: Timestamp::now(),
            poll_duration: HistogramVec::new(POLL_DURATION.buckets(&POLL_BUCKETS), POLL_DURATION.labels)?,
            requests: IntCounterVec::new(REQUESTS.opts(), REQUESTS.labels)?,
            request_failures: IntCounterVec::new(REQUEST_FAILURES.opts(), REQUEST_FAILURES.labels)?,
            request_duration: HistogramVec::new(
                REQUEST_DURATION.buckets(&REQUEST_BUCKETS),
                REQUEST_DURATION.labels,
            )?,
            throttle: CounterVec::new(THROTTLE.opts(), THROTTLE.labels)?,
            credentials_expiry: GaugeVec::new(CREDENTIALS_EXPIRY.opts(), CREDENTIALS_EXPIRY.labels)?,
            build_info,
            shard: IntGauge::with_opts(SHARD.opts())?,
            shards: IntGauge::with_opts(SHARDS.opts())?,
            reload_successful: IntGauge::with_opts(RELOAD_SUCCESSFUL.opts())?,
            reload_success_time: Gauge::with_opts(RELOAD_SUCCESS_TIME.opts())?,
        })
    }

    /// When this process started.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Publishes the shard of this process.
    pub fn set_shard(&self, shard: Shard) {
        self.shard.set(shard.index().into());
        self.shards.set(shard.count().into());
    }

    /// The handles of an account.
    #[must_use]
    pub fn account(&self, account: &AccountName) -> AccountTelemetry {
        let label = [account.as_str()];
        AccountTelemetry {
            account: account.clone(),
            telemetry: self.clone(),
            poll_duration: self.poll_duration.with_label_values(&label),
            throttle: self.throttle.with_label_values(&label),
            credentials_expiry: GaugeHandle {
                family: self.credentials_expiry.clone(),
                account: account.clone(),
            },
        }
    }

    /// Removes all series of an account that is no longer configured.
    pub fn remove_account(&self, account: &AccountName) {
        remove_series(&self.poll_duration, account);
        remove_series(&self.requests, account);
        remove_series(&self.request_failures, account);
        remove_series(&self.request_duration, account);
        remove_series(&self.throttle, account);
        remove_series(&self.credentials_expiry, account);
    }

    fn collectors(&self) -> [&dyn Collector; 11] {
        [
            &self.poll_duration,
            &self.requests,
            &self.request_failures,
            &self.request_duration,
            &self.throttle,
            &self.credentials_expiry,
            &self.build_info,
            &self.shard,
            &self.shards,
            &self.reload_successful,
            &self.reload_success_time,
        ]
    }
}

fn remove_series<T: MetricVecBuilder>(family: &MetricVec<T>, account: &AccountName) {
    for metric in family.collect().iter().flat_map(MetricFamily::get_metric) {
        let labels: HashMap<_, _> =
            metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
        if labels.get("account") == Some(&account.as_str()) {
            // Removing a series fails only if it does not exist.
            let _ = family.remove(&labels);
        }
    }
}

impl Collector for Telemetry {
    fn desc(&self) -> Vec<&Desc> {
        self.collectors().into_iter().flat_map(|collector| collector.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.collectors().into_iter().flat_map(Collector::collect).collect()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("started", &self.started).finish_non_exhaustive()
    }
}

impl AccountTelemetry {
    /// The handles of an action. Its counters start at zero with the first call of this function.
    #[must_use]
    pub fn action(&self, action: &'static str) -> ActionTelemetry {
        let labels = [self.account.as_str(), action];
        for reason in Reason::ALL {
            self.telemetry.request_failures.with_label_values(&[labels[0], action, reason.as_str()]);
        }
        ActionTelemetry {
            requests: self.telemetry.requests.with_label_values(&labels),
            failures: self.telemetry.request_failures.clone(),
            duration: self.telemetry.request_duration.with_label_values(&labels),
            account: self.account.clone(),
            action,
        }
    }
}

impl GaugeHandle {
    /// Sets the gauge.
    pub fn set(&self, value: f64) {
        self.family.with_label_values(&[self.account.as_str()]).set(value);
    }

    /// Removes the gauge.
    pub fn clear(&self) {
        // Removing a series fails only if it does not exist.
        let _ = self.family.remove_label_values(&[self.account.as_str()]);
    }
}

impl ActionTelemetry {
    /// Counts one request that took this many seconds, and its failure if it failed.
    pub fn count(&self, seconds: f64, failure: Option<Reason>) {
        self.requests.inc();
        self.duration.observe(seconds);
        if let Some(reason) = failure {
            self.failures.with_label_values(&[self.account.as_str(), self.action, reason.as_str()]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_account_has_no_series() {
        let telemetry =
            Telemetry::new(&BuildInfo { version: "0", revision: "0", rustc: "0" }).expect("metrics");
        let [stays, goes] = ["stays", "goes"].map(|name| AccountName::new(name).expect("a name"));
        for name in [&stays, &goes] {
            let account = telemetry.account(name);
            account.action("DescribeVpnConnections").count(0.1, Some(Reason::Timeout));
            account.credentials_expiry.set(1.0);
        }
        telemetry.remove_account(&goes);
        let mut accounts: Vec<String> = Vec::new();
        for metric in telemetry.collect().iter().flat_map(MetricFamily::get_metric) {
            accounts.extend(
                metric
                    .get_label()
                    .iter()
                    .filter(|pair| pair.name() == "account")
                    .map(|pair| pair.value().to_owned()),
            );
        }
        accounts.dedup();
        assert_eq!(accounts, ["stays"]);
    }
}
