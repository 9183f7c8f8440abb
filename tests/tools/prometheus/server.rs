//! A server of Prometheus or VictoriaMetrics, and what can be asked of it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, time::sleep};

use test_support::{MAX_WAIT, Metrics, binary::Process, client, local};

/// A program of Debian's package `prometheus`.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a search path");
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: install the Debian package prometheus"))
}

/// A program that scrapes, stores the samples and answers queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Program {
    /// Of Debian 12.
    Prometheus2,
    /// Of Debian's unstable suite.
    Prometheus3,
    /// Of Debian's unstable suite.
    VictoriaMetrics,
}

impl Program {
    /// The file, the arguments without the address, the flag of the address, and what it logs when it serves.
    fn start(self) -> (PathBuf, &'static [&'static str], &'static str, &'static str) {
        let prometheus = ["--config.file=prometheus.yml", "--storage.tsdb.path=data"].as_slice();
        let (flag, ready) = ("--web.listen-address", "Server is ready to receive web requests");
        match self {
            Self::Prometheus2 => (tool("prometheus"), prometheus, flag, ready),
            Self::Prometheus3 => (unstable("prometheus"), prometheus, flag, ready),
            Self::VictoriaMetrics => {
                let arguments = &[
                    "-promscrape.config=prometheus.yml",
                    "-storageDataPath=data",
                    "-retentionPeriod=1d",
                    // A query sees the newest samples.
                    "-search.latencyOffset=0s",
                    "-search.disableCache",
                ];
                (unstable("victoria-metrics"), arguments, "-httpListenAddr", "started server at http://")
            }
        }
    }

    /// The counters that grow when the program refuses samples or scrapes.
    pub(crate) fn refusals(self) -> &'static [&'static str] {
        match self {
            Self::Prometheus2 | Self::Prometheus3 => &[
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "prometheus_target_scrapes_sample_out_of_order_total",
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
            ],
            Self::VictoriaMetrics => &[
                "vm_promscrape_max_scrape_size_exceeded_errors_total",
                "vm_promscrape_scrapes_failed_total",
                "vm_promscrape_scrapes_skipped_by_label_limit_total",
                "vm_promscrape_scrapes_skipped_by_sample_limit_total",
                "vm_relabel_metrics_dropped_total",
                "vm_rows_ignored_total",
                "vm_rows_invalid_total",
            ],
        }
    }
}

/// A program in the folder that `UNSTABLE_PROGRAMS` names (`target/unstable` by default).
fn unstable(name: &str) -> PathBuf {
    let folder = std::env::var_os("UNSTABLE_PROGRAMS").unwrap_or_else(|| "target/unstable".into());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("usr/bin").join(name);
    assert!(path.exists(), "{} is missing; tests/run unpacks it", path.display());
    path
}

/// A server with its own data folder. Dropping this stops the server and deletes the folder.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    _folder: TempDir,
}

impl Server {
    /// A server with these jobs, each of which scrapes every two seconds.
    pub(crate) async fn start(program: Program, jobs: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!("global: {{scrape_interval: 2s, scrape_timeout: 2s}}\nscrape_configs:\n{jobs}");
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("the file can be written");
        let address = free_address();
        let (file, arguments, flag, ready) = program.start();
        let mut command = Command::new(file);
        command.current_dir(folder.path()).args(arguments).arg(format!("{flag}={address}"));
        let process = Process::start(command);
        process.stderr.line(&[ready]).await;
        Self { program, address, process, _folder: folder }
    }

    /// The server's own metrics.
    pub(crate) async fn own_metrics(&self) -> Metrics {
        let answer = client().get(format!("http://{}/metrics", self.address)).send().await;
        Metrics::parse(&answer.expect("an answer").text().await.expect("a body"))
    }

    /// The samples that an expression gives now.
    pub(crate) async fn query(&self, expression: &str) -> Answer {
        let url = format!("http://{}/api/v1/query", self.address);
        let url = url::Url::parse_with_params(&url, [("query", expression)]).expect("a URL");
        let answer = client().get(url).send().await.expect("an answer");
        let answer: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        Answer(answer["data"]["result"].as_array().expect("samples").clone())
    }

    /// Waits until an expression gives anything.
    pub(crate) async fn until(&self, expression: &str) {
        let deadline = Instant::now() + MAX_WAIT;
        while self.query(expression).await.0.is_empty() {
            assert!(
                Instant::now() < deadline,
                "not within {MAX_WAIT:?}: {expression}\n{}",
                self.process.stderr
            );
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The samples that a query gave.
pub(crate) struct Answer(pub(crate) Vec<Value>);

impl Answer {
    /// The value of the only sample.
    pub(crate) fn value(&self) -> Option<f64> {
        match &self.0[..] {
            [sample] => sample["value"][1].as_str().expect("a value").parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn by_label(&self, label: &str) -> BTreeMap<String, usize> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let count = |sample: &Value| text(&sample["value"][1]).parse().expect("a count");
        self.0.iter().map(|sample| (text(&sample["metric"][label]), count(sample))).collect()
    }
}

/// An address whose port was free just now: Prometheus does not report the port that it chose.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind(local()).expect("a free port");
    listener.local_addr().expect("an address")
}
