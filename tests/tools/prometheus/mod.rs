//! The exposition, judged by Prometheus' own tools, and by servers that scrape it.

mod ingestion;
mod protected;
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use server::{Program, Server, tool};
use test_support::{
    MAX_WAIT, Metrics,
    binary::{Process, exporter},
};
use tokio::{io::AsyncWriteExt, process::Command, time::sleep};

/// The number of scrapes before the test queries the server.
const SCRAPES: usize = 10;

async fn demo() -> Process {
    let demo = Process::start_daemon(exporter(&["demo", "--web.listen-address", "127.0.0.1:0"])).await;
    demo.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    demo
}

#[tokio::test]
#[ignore = "needs Prometheus; tests/run runs it"]
async fn promtool_accepts_the_demo() {
    let demo = demo().await;
    let [plain, gzip] = ["identity", "gzip"].map(|encoding| body(demo.address(), encoding));
    assert_promtool_accepts("the demo, plain", &plain.await).await;
    let gzip = gzip.await;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut text).expect("one gzip member");
    assert_promtool_accepts("the demo, compressed", &text).await;
}

/// The raw response body of a scrape with this `Accept-Encoding`.
async fn body(address: SocketAddr, encoding: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().no_gzip().build().expect("a client");
    let url = format!("http://{address}/metrics");
    let answer = client.get(url).header("accept-encoding", encoding).send().await.expect("an answer");
    let sent =
        answer.headers().get("content-encoding").map_or("identity", |sent| sent.to_str().expect("text"));
    assert_eq!((answer.status().as_u16(), sent), (200, encoding));
    answer.bytes().await.expect("a body").to_vec()
}

#[tokio::test]
#[ignore = "needs Prometheus; tests/run runs it"]
async fn promtool_accepts_the_golden_expositions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let expositions: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "prom")).collect();
    assert!(expositions.len() >= 4, "{expositions:?}");
    for path in expositions {
        let text = std::fs::read(&path).expect("the file");
        assert_promtool_accepts(&path.display().to_string(), &text).await;
    }
}

async fn assert_promtool_accepts(what: &str, exposition: &[u8]) {
    assert!(!exposition.is_empty(), "{what} is empty");
    let mut promtool = Command::new(tool("promtool"));
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.kill_on_drop(true).spawn().expect("promtool starts");
    let mut input = promtool.stdin.take().expect("its standard input is piped");
    input.write_all(exposition).await.expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().await.expect("promtool ends");
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
    assert_eq!(printed, ["", ""], "{what}");
    assert!(output.status.success(), "{what}: {}", output.status);
}

#[tokio::test]
#[ignore = "needs Prometheus; tests/run runs it"]
async fn server_accepts_every_sample_of_every_scrape() {
    let demo = demo().await;
    let job = format!("- job_name: demo\n  static_configs: [{{targets: ['{}']}}]\n", demo.address());
    let server = Server::start(Program::Prometheus2, &job).await;
    server.until(&format!("count_over_time(up{{job='demo'}}[5m]) >= {SCRAPES}")).await;
    assert_eq!(server.query("min_over_time(up{job='demo'}[5m])").await.value(), Some(1.0));

    server.assert_no_sample_was_refused().await;
    let families = server.assert_every_series_arrived(&demo).await;
    server.assert_counters_only_grew(&families).await;
}

impl Server {
    /// Asserts that the server has no metric and no log line about rejected samples or scrapes.
    async fn assert_no_sample_was_refused(&self) {
        let own = self.own_metrics().await;
        for counter in self.program.refusals() {
            let mut values = own.0.iter().filter(|sample| sample.name == *counter).peekable();
            assert!(values.peek().is_some(), "no {counter}");
            values.for_each(|sample| assert_eq!(sample.value, 0.0, "{sample:?}"));
        }
        let log = self.process.stderr.now();
        let of_scrapes = log.iter().filter(|line| line.contains("scrape"));
        let levels = ["level=warn", "level=error", "\twarn\t", "\terror\t"];
        let complaints: Vec<_> = of_scrapes
            .filter(|line| levels.iter().any(|level| line.to_lowercase().contains(level)))
            .collect();
        assert_eq!(complaints, Vec::<&String>::new());
    }

    /// Waits until the server has as many series of each name as the demo exposes, and gives the exposition's types.
    async fn assert_every_series_arrived(&self, demo: &Process) -> BTreeMap<String, String> {
        let deadline = Instant::now() + MAX_WAIT;
        loop {
            let text = String::from_utf8(body(demo.address(), "identity").await).expect("UTF-8");
            let exposed = series_by_name(Metrics::parse(&text));
            let arrived = self.series_by_name("demo").await;
            // Between scrape and query a tunnel may have been created or deleted.
            if exposed.iter().all(|(name, count)| arrived.get(name) == Some(count)) {
                let unknown: Vec<_> = arrived.keys().filter(|name| !exposed.contains_key(*name)).collect();
                assert_eq!(unknown, Vec::<&String>::new());
                return types(&text);
            }
            assert!(Instant::now() < deadline, "exposed: {exposed:?}\narrived: {arrived:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many series the server has of each name from a job, without those that it adds.
    async fn series_by_name(&self, job: &str) -> BTreeMap<String, usize> {
        let query = format!("count by (__name__) ({{job='{job}', __name__!~'up|scrape_.*'}})");
        self.query(&query).await.by_label("__name__")
    }

    async fn assert_counters_only_grew(&self, families: &BTreeMap<String, String>) {
        let names: BTreeSet<String> =
            families.iter().flat_map(|(name, kind)| counters_of(name, kind)).collect();
        assert!(names.contains("tencentcloud_vpn_polls_total"), "{names:?}");
        assert!(names.contains("tencentcloud_vpn_poll_duration_seconds_bucket"), "{names:?}");
        for name in names {
            let shrunk = self.query(&format!("resets({name}{{job='demo'}}[5m]) > 0")).await;
            assert_eq!(shrunk.0, Vec::<Value>::new(), "{name}");
        }
        let grown = "increase(tencentcloud_vpn_polls_total{job='demo'}[5m]) > 0";
        assert_eq!(self.query(grown).await.0.len(), 3, "each region was polled again");
    }
}

/// The number of series of each name. Fails if a series is exposed twice.
fn series_by_name(exposition: Metrics) -> BTreeMap<String, usize> {
    let mut seen = BTreeSet::new();
    let mut count = BTreeMap::new();
    for sample in exposition.0 {
        *count.entry(sample.name.clone()).or_default() += 1;
        let series = (sample.name, sample.labels);
        assert!(!seen.contains(&series), "{series:?} is exposed twice");
        seen.insert(series);
    }
    count
}

/// The type of each family.
fn types(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    lines.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The names of a family's samples that only ever grow.
fn counters_of(name: &str, kind: &str) -> Vec<String> {
    match kind {
        "counter" => vec![name.to_owned()],
        "histogram" => ["bucket", "count", "sum"].map(|part| format!("{name}_{part}")).into(),
        _ => Vec::new(),
    }
}
