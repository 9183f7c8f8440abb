//! The daemon and the simulated API, started together on free ports, and helpers to query them.

#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::new_without_default,
    missing_docs,
    reason = "tests alone use this"
)]

pub mod binary;
pub mod log;
pub mod pki;
pub mod relay;
pub mod scene;
pub mod web_server;
pub mod worlds;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use simulator::{self, Control, Simulator};
use tempfile::TempDir;
use tencentcloud_vpn_exporter::{
    app::{self, AppError, Start},
    config::Config,
    domain::{
        shard::Shard,
        target::{Region, Target},
    },
    poll::{discovery::DiscoveryIntervals, poller::Assignment},
    telemetry::{BuildInfo, Telemetry},
    tencent::transport::Authorities,
    web::{limits::Limits, listen, state::ReloadRequest, telemetry_path::TelemetryPath},
    wiring::{Context, Variables, Wiring},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// The time limit for a condition in a test, on a slow and busy machine.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

pub fn region(name: &str) -> Region {
    Region::new(name).expect("the name of a region")
}

/// Simulator options with this number of tunnels per region; the tunnels do not change by themselves.
pub fn frozen(regions: &[(&str, usize)]) -> simulator::Options {
    simulator::Options {
        regions: regions.iter().map(|(name, tunnels)| ((*name).to_owned(), *tunnels)).collect(),
        frozen: true,
        ..simulator::Options::default()
    }
}

/// The simulated API, running until it is dropped.
pub struct Api {
    pub address: SocketAddr,
    pub control: Control,
    task: JoinHandle<()>,
}

impl Api {
    pub async fn start(options: simulator::Options) -> Self {
        let simulator = Simulator::bind(options, local()).await.expect("a simulator");
        let (address, control) = (simulator.local_addr(), simulator.control());
        Self { address, control, task: tokio::spawn(simulator.run(std::future::pending())) }
    }

    /// A configuration that polls these regions of one account, `main`, quickly.
    pub fn config(&self, regions: &[&str]) -> String {
        self.config_with_poll(regions, "interval: 250ms, timeout: 10s, stale_after: 1h")
    }

    /// The same with these settings of `poll`.
    pub fn config_with_poll(&self, regions: &[&str], poll: &str) -> String {
        let account = self.account("main", regions);
        self.config_for(&[&account], poll)
    }

    /// A configuration of these entries of `accounts`. Gateways are not listed, so that tests of tunnels can count requests and
    /// log lines.
    pub fn config_for(&self, accounts: &[&str], poll: &str) -> String {
        format!(
            "gateways: {{enabled: false}}\npoll: {{{poll}}}\napi: {{endpoint: 'http://{}', requests_per_second: 100, request_timeout: 2s}}\naccounts:\n{}",
            self.address,
            accounts.concat()
        )
    }

    /// An entry of `accounts` with the credentials that the API accepts.
    pub fn account(&self, name: &str, regions: &[&str]) -> String {
        let credentials = self.control.credentials();
        format!(
            "- name: {name}\n  regions: [{}]\n  credentials: {{type: static, secret_id: '{}', secret_key: '{}'}}\n",
            regions.join(", "),
            credentials.secret_id,
            credentials.secret_key,
        )
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The same configuration, but gateways are listed with this interval.
pub fn with_gateways(config: &str, interval: &str) -> String {
    let enabled = format!("gateways: {{interval: {interval}}}");
    assert!(config.contains("gateways: {enabled: false}"), "{config}");
    config.replace("gateways: {enabled: false}", &enabled)
}

/// The same configuration, but traffic is queried, with these settings of `traffic`.
pub fn with_traffic(config: &str, settings: &str) -> String {
    format!("traffic: {{enabled: true, {settings}}}\n{config}")
}

/// The daemon's settings besides the configuration file.
pub struct DaemonOptions {
    pub variables: Variables,
    pub shard: Shard,
    pub discovery_intervals: DiscoveryIntervals,
    /// Runs before each reload reads the configuration file.
    pub before_reading: Arc<dyn Fn() + Send + Sync>,
}

impl Default for DaemonOptions {
    /// An empty environment, all targets, and regions that are discovered once.
    fn default() -> Self {
        Self {
            variables: Variables::new(),
            shard: Shard::SOLE,
            discovery_intervals: DiscoveryIntervals::default(),
            before_reading: Arc::new(|| ()),
        }
    }
}

/// The daemon, running until it is stopped.
pub struct Daemon {
    pub address: SocketAddr,
    folder: TempDir,
    reloads: mpsc::Sender<ReloadRequest>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), AppError>>,
}

impl Daemon {
    /// Starts the daemon with a configuration file of this content.
    pub async fn start(config: &str) -> Self {
        Self::start_with(DaemonOptions::default(), config).await
    }

    /// Starts the daemon with these options and a configuration file of this content.
    pub async fn start_with(options: DaemonOptions, config: &str) -> Self {
        let DaemonOptions { variables, shard, discovery_intervals, before_reading } = options;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).expect("the configuration can be written");
        let listeners = listen::bind(&[local().to_string()]).await.expect("a free port");
        let address = listeners[0].local_addr().expect("an address");
        let (reloads, receiver) = mpsc::channel(1);
        let build = BuildInfo { version: "0", revision: "0", rustc: "0" };
        let start = Start {
            config: read(&file).expect("a valid configuration"),
            authorities: Authorities::of_system(),
            read_config: Arc::new(move || {
                before_reading();
                Ok((read(&file)?, Authorities::of_system()))
            }),
            context: Context { variables, telemetry: Telemetry::new(&build).expect("metrics"), shard },
            discovery_intervals,
            listeners,
            telemetry_path: TelemetryPath::new("/metrics").expect("a path"),
            limits: Limits::default(),
            protection: None,
            lifecycle: true,
            process_metrics: true,
            reloads: receiver,
        };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(app::run(start, shutdown.clone()));
        Self { address, folder, reloads, shutdown, task }
    }

    /// Replaces the configuration file and reloads it.
    pub async fn reload(&self, config: &str) -> Result<(), String> {
        std::fs::write(self.folder.path().join("config.yml"), config).expect("the file can be written");
        let (reply, outcome) = oneshot::channel();
        self.reloads.send(ReloadRequest { reply }).await.expect("the daemon runs");
        outcome.await.expect("the daemon replies")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Scrapes the daemon.
    pub async fn scrape(&self) -> Metrics {
        scrape(self.address).await
    }

    /// Scrapes until the metrics fulfil a condition, and returns them.
    #[track_caller]
    pub fn until(&self, condition: impl Fn(&Metrics) -> bool) -> impl Future<Output = Metrics> {
        scrape_until(self.address, condition)
    }

    /// The status of `/-/ready`.
    pub async fn readiness(&self) -> u16 {
        client().get(self.url("/-/ready")).send().await.expect("a response").status().as_u16()
    }

    /// Waits until `/-/ready` returns 200. The metrics of the first polls can be visible a moment earlier.
    pub async fn wait_until_ready(&self) {
        let deadline = Instant::now() + MAX_WAIT;
        while self.readiness().await != 200 {
            assert!(Instant::now() < deadline, "not ready within {MAX_WAIT:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops the daemon and returns its result.
    pub async fn stop(self) -> Result<(), AppError> {
        self.shutdown.cancel();
        self.task.await.expect("the daemon does not panic")
    }
}

/// The only target of this configuration and its assignment, for tests that poll it themselves.
pub fn only_target(config: &str) -> (Target, Assignment) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    std::fs::write(&file, config).expect("the configuration can be written");
    let build = BuildInfo { version: "0", revision: "0", rustc: "0" };
    let telemetry = Telemetry::new(&build).expect("metrics");
    let context = Context { variables: Variables::new(), telemetry, shard: Shard::SOLE };
    let config = read(&file).expect("a valid configuration");
    let wiring = Wiring::new(config, context, Authorities::of_system()).expect("a client");
    wiring.plan().pop_first().expect("one target")
}

/// Scrapes the daemon at this address.
pub async fn scrape(address: SocketAddr) -> Metrics {
    scrape_by(&client(), address).await
}

async fn scrape_by(client: &reqwest::Client, address: SocketAddr) -> Metrics {
    let response = client.get(format!("http://{address}/metrics")).send().await.expect("a response");
    assert_eq!(response.status(), 200);
    Metrics::parse(&response.text().await.expect("a body"))
}

/// Scrapes until the metrics fulfil a condition, and returns them.
#[track_caller]
pub fn scrape_until(
    address: SocketAddr,
    condition: impl Fn(&Metrics) -> bool,
) -> impl Future<Output = Metrics> {
    let caller = std::panic::Location::caller();
    async move {
        let (client, deadline) = (client(), Instant::now() + MAX_WAIT);
        loop {
            let metrics = scrape_by(&client, address).await;
            if condition(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "{caller}: not within {MAX_WAIT:?}; last seen:\n{metrics}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The output of the future. Panics after the time limit.
#[track_caller]
pub fn with_timeout<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let with_timeout = tokio::time::timeout(MAX_WAIT, future).await;
        with_timeout.unwrap_or_else(|_| panic!("{caller}: not within {MAX_WAIT:?}"))
    }
}

/// A client for loopback only. Creating one is slow, so all tests share it. It never reuses a connection, since
/// connections end with the runtime of the test that opened them.
pub fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let close = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        let builder = reqwest::Client::builder().no_proxy().timeout(MAX_WAIT).pool_max_idle_per_host(0);
        builder.default_headers(close).build().expect("a client")
    });
    CLIENT.clone()
}

pub fn local() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn read(file: &Path) -> Result<Config, String> {
    let loaded = Config::load(Some(file), &BTreeMap::new()).map_err(|problems| problems.to_string())?;
    Ok(loaded.config)
}

/// The samples of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics(pub Vec<Sample>);

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Metrics {
    /// Parses the text format.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(Sample::parse).collect())
    }

    /// The samples of a metric, given without the prefix `tencentcloud_vpn_`, that have at least these labels.
    pub fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| {
            sample.name.strip_prefix("tencentcloud_vpn_") == Some(name)
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
        })
    }

    /// The value of the only such sample; `None` if there is none. Panics if there are several.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut samples = self.all(name, labels);
        let first = samples.next()?;
        assert!(samples.next().is_none(), "{name} with {labels:?} is more than one sample");
        Some(first.value)
    }

    /// The number of published tunnels, of all statuses; `None` where the targets with these labels publish none.
    pub fn tunnels(&self, labels: &[(&str, &str)]) -> Option<f64> {
        (self.count("tunnels", labels) > 0).then(|| self.sum("tunnels", labels))
    }

    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.all(name, labels).count()
    }

    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|sample| sample.value).sum()
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let value = value.parse().expect("a number");
        let Some((name, labels)) = series.split_once('{') else {
            return Self { name: series.to_owned(), labels: BTreeMap::new(), value };
        };
        let mut rest = labels.strip_suffix('}').expect("the labels end");
        let mut labels = BTreeMap::new();
        while let Some((label, tail)) = rest.split_once("=\"") {
            let (text, tail) = quoted(tail);
            assert!(labels.insert(label.to_owned(), text).is_none(), "label {label} twice in {line}");
            rest = tail.strip_prefix(',').unwrap_or(tail);
        }
        Self { name: name.to_owned(), labels, value }
    }
}

/// Reads to the closing quotation mark: the text, unescaped, and what follows.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next().expect("an escaped character").1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    panic!("no closing quotation mark in {text}");
}

impl std::fmt::Display for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Sample { name, labels, value } in &self.0 {
            writeln!(f, "{name}{labels:?} {value}")?;
        }
        Ok(())
    }
}
