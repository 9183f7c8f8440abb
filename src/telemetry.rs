//! What the exporter says of itself: counters and histograms that other modules increment through handles.
//!
//! All metrics that are derived from the snapshot are elsewhere, in `metrics`.

use jiff::Timestamp;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, Opts, Registry, core::Collector,
};

use crate::domain::{reason::Reason, shard::Shard, target::AccountName};

const NAMESPACE: &str = "tencentcloud_vpn";

/// Seconds: a page takes about a tenth of one, a request is given up after ten.
const REQUEST_BUCKETS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds: most polls are a request or two, and the default deadline is 45.
const POLL_BUCKETS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0, 90.0];
/// Seconds: a scrape writes what is ready.
const SCRAPE_BUCKETS: [f64; 8] = [0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

/// The exporter's own metrics, in a registry of their own.
#[derive(Debug, Clone)]
pub struct Telemetry {
    registry: Registry,
    started: Timestamp,
    poll_duration: HistogramVec,
    requests: IntCounterVec,
    request_failures: IntCounterVec,
    request_duration: HistogramVec,
    throttle: CounterVec,
    credentials_expiry: GaugeVec,
    discovery_up: GaugeVec,
    discovery_success_time: GaugeVec,
    shard: IntGauge,
    shards: IntGauge,
    /// `exporter_config_last_reload_successful`: 1 or 0.
    pub reload_successful: IntGauge,
    /// `exporter_config_last_reload_success_timestamp_seconds`.
    pub reload_success_time: Gauge,
    /// `exporter_scrapes_total`.
    pub scrapes: IntCounter,
    /// `exporter_scrape_duration_seconds`.
    pub scrape_duration: Histogram,
}

/// The handles of one account.
#[derive(Debug, Clone)]
pub struct AccountTelemetry {
    account: AccountName,
    telemetry: Telemetry,
    /// `poll_duration_seconds`.
    pub poll_duration: Histogram,
    /// `api_throttle_seconds_total`: time spent waiting for our own rate limit.
    pub throttle: Counter,
    /// `credentials_expiry_timestamp_seconds`; appears with the first temporary credentials.
    pub credentials_expiry: GaugeHandle,
}

/// The handles of an account whose regions are looked up.
#[derive(Debug, Clone)]
pub struct DiscoveryTelemetry {
    up: GaugeHandle,
    success_time: GaugeHandle,
}

/// A gauge that appears with its first value.
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

impl Telemetry {
    /// Registers every metric; those whose labels are known start at zero. A process does this once, when it starts.
    pub fn new(build: &BuildInfo) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let register = Register(&registry);
        let by_account = ["account"];
        let by_action = ["account", "action"];
        let build_info = register.gauges(
            "exporter_build_info",
            "What this exporter was built from; always 1.",
            &["version", "revision", "rustc"],
        )?;
        build_info.with_label_values(&[build.version, build.revision, build.rustc]).set(1.0);
        Ok(Self {
            poll_duration: register.histograms(
                "poll_duration_seconds",
                "How long polls took, successful or not.",
                &by_account,
                &POLL_BUCKETS,
            )?,
            requests: register.counters("api_requests_total", "Requests sent to the API.", &by_action)?,
            request_failures: register.counters(
                "api_request_failures_total",
                "Requests to the API that gave no usable answer.",
                &["account", "action", "reason"],
            )?,
            request_duration: register.histograms(
                "api_request_duration_seconds",
                "How long requests to the API took, successful or not.",
                &by_action,
                &REQUEST_BUCKETS,
            )?,
            throttle: register.add(CounterVec::new(
                opts("api_throttle_seconds_total", "Time spent waiting for the exporter's own rate limit."),
                &by_account,
            )?)?,
            credentials_expiry: register.gauges(
                "credentials_expiry_timestamp_seconds",
                "When the account's temporary credentials expire.",
                &by_account,
            )?,
            discovery_up: register.gauges(
                "region_discovery_up",
                "Whether the last look-up of the account's regions succeeded.",
                &by_account,
            )?,
            discovery_success_time: register.gauges(
                "region_discovery_last_success_timestamp_seconds",
                "When the account's regions were last looked up successfully.",
                &by_account,
            )?,
            shard: register.add(IntGauge::with_opts(opts(
                "exporter_shard",
                "Which of the shards this exporter is, counted from 0.",
            ))?)?,
            shards: register.add(IntGauge::with_opts(opts(
                "exporter_shards",
                "Number of shards that the targets are divided among.",
            ))?)?,
            reload_successful: register.add(IntGauge::with_opts(opts(
                "exporter_config_last_reload_successful",
                "Whether the last attempt to load the configuration succeeded.",
            ))?)?,
            reload_success_time: register.add(Gauge::with_opts(opts(
                "exporter_config_last_reload_success_timestamp_seconds",
                "When the configuration was last loaded successfully.",
            ))?)?,
            scrapes: register
                .add(IntCounter::with_opts(opts("exporter_scrapes_total", "Scrapes served."))?)?,
            scrape_duration: register.add(Histogram::with_opts(
                HistogramOpts::from(opts(
                    "exporter_scrape_duration_seconds",
                    "How long scrapes took to be served.",
                ))
                .buckets(SCRAPE_BUCKETS.to_vec()),
            )?)?,
            started: Timestamp::now(),
            registry,
        })
    }

    /// The registry, for the exposition.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// When this process started.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Publishes which shard this process is, and of how many.
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
            credentials_expiry: GaugeHandle::new(&self.credentials_expiry, account),
        }
    }

    /// The handles of an account whose regions are looked up.
    #[must_use]
    pub fn discovery(&self, account: &AccountName) -> DiscoveryTelemetry {
        DiscoveryTelemetry {
            up: GaugeHandle::new(&self.discovery_up, account),
            success_time: GaugeHandle::new(&self.discovery_success_time, account),
        }
    }

    /// Drops the metrics of look-ups of an account whose regions are looked up no more.
    pub fn forget_discovery(&self, account: &AccountName) {
        let DiscoveryTelemetry { up, success_time } = self.discovery(account);
        up.clear();
        success_time.clear();
    }

    /// Drops every metric of an account that is watched no more.
    pub fn forget(&self, account: &AccountName, actions: &[&'static str]) {
        let label = [account.as_str()];
        // A metric that the account never had is as gone as one that is dropped now.
        let _ = self.poll_duration.remove_label_values(&label);
        let _ = self.throttle.remove_label_values(&label);
        let _ = self.credentials_expiry.remove_label_values(&label);
        for action in actions {
            let labels = [account.as_str(), action];
            let _ = self.requests.remove_label_values(&labels);
            let _ = self.request_duration.remove_label_values(&labels);
            for reason in Reason::ALL {
                let labels = [account.as_str(), action, reason.as_str()];
                let _ = self.request_failures.remove_label_values(&labels);
            }
        }
    }
}

impl AccountTelemetry {
    /// The handles of an action, its counters at zero if it was not called before.
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

impl DiscoveryTelemetry {
    /// Tells how a look-up ended.
    pub fn count(&self, succeeded: bool, now: Timestamp) {
        self.up.set(f64::from(u8::from(succeeded)));
        if succeeded {
            self.success_time.set(now.as_millisecond() as f64 / 1000.0);
        }
    }
}

impl GaugeHandle {
    fn new(family: &GaugeVec, account: &AccountName) -> Self {
        Self { family: family.clone(), account: account.clone() }
    }

    /// Takes the gauge away.
    pub fn clear(&self) {
        // One that was never set is as gone as one that is taken away now.
        let _ = self.family.remove_label_values(&[self.account.as_str()]);
    }

    /// Sets the gauge.
    pub fn set(&self, value: f64) {
        self.family.with_label_values(&[self.account.as_str()]).set(value);
    }
}

impl ActionTelemetry {
    /// Counts one request that took so many seconds, and its failure if it was one.
    pub fn count(&self, seconds: f64, failure: Option<Reason>) {
        self.requests.inc();
        self.duration.observe(seconds);
        if let Some(reason) = failure {
            self.failures.with_label_values(&[self.account.as_str(), self.action, reason.as_str()]).inc();
        }
    }
}

/// What `exporter_build_info` says.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo {
    /// The crate's version.
    pub version: &'static str,
    /// The revision of the source.
    pub revision: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn add<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(opts(name, help), labels)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        self.add(HistogramVec::new(HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec()), labels)?)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}
