//! A Prometheus server, and what can be asked of it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, time::sleep};

use test_support::{MAX_WAIT, binary::Process, client, local};

/// A program of Debian's package `prometheus`.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a search path");
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: install the Debian package prometheus"))
}

/// A Prometheus server with its own data folder. Dropping this stops the server and deletes the folder.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    _folder: TempDir,
}

impl Server {
    /// A server with these jobs, each of which scrapes every two seconds.
    pub(crate) async fn start(jobs: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!("global: {{scrape_interval: 2s, scrape_timeout: 2s}}\nscrape_configs:\n{jobs}");
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("the file can be written");
        let address = free_address();
        let mut command = Command::new(tool("prometheus"));
        command.current_dir(folder.path()).args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            &format!("--web.listen-address={address}"),
        ]);
        let process = Process::start(command);
        process.stderr.line(&["Server is ready to receive web requests"]).await;
        Self { address, process, _folder: folder }
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
