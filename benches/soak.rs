//! 20,000 polls at full speed while everything goes wrong now and then: what the process takes up does not grow.
//!
//! The simulated API is a process of its own, so that what is measured here is the daemon and the scrapes of it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use test_support::Daemon;

/// How many; the variable `SOAK_POLLS` changes it.
const POLLS: f64 = 20_000.0;
const ACCOUNTS: usize = 20;
const REGIONS: usize = 10;
const TUNNELS_PER_REGION: usize = 20;

/// How often memory, files and tasks are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How much more memory the last quarter may take than the second.
const GROWTH: f64 = 1.05;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if runtime.block_on(soak()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn soak() -> bool {
    let polls = std::env::var("SOAK_POLLS").map_or(POLLS, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("faults.json");
    std::fs::write(&file, faults().to_string()).expect("a file");
    let api = Simulator::start(&["--faults", file.to_str().expect("a path of text")]);
    let at_first = Usage::now();
    let daemon = Daemon::start(&api.config()).await;
    let start = Instant::now();
    let mut quarters: [Vec<Usage>; 4] = Default::default();
    let mut last = daemon.scrape().await;
    let mut next_scrape = start;
    loop {
        if Instant::now() >= next_scrape {
            last = daemon.scrape().await;
            next_scrape = Instant::now() + Duration::from_millis(500);
        }
        let done = last.sum("polls_total", &[]) / polls;
        if done >= 1.0 {
            break;
        }
        quarters[usize::from((0_u8..3).find(|quarter| done < f64::from(quarter + 1) / 4.0).unwrap_or(3))]
            .push(Usage::now());
        tokio::time::sleep(LOOK).await;
    }
    let took = start.elapsed();
    println!(
        "{} polls in {took:.1?}: {} failed; {} requests, {} failed; {} listings were inconsistent",
        last.sum("polls_total", &[]),
        last.sum("poll_failures_total", &[]),
        last.sum("api_requests_total", &[]),
        last.sum("api_request_failures_total", &[]),
        last.sum("listing_inconsistencies_total", &[]),
    );
    for sample in last.all("api_request_failures_total", &[("account", "account-0")]) {
        println!("of account-0: {} {}", sample.labels["reason"], sample.value);
    }
    for (number, quarter) in quarters.iter().enumerate() {
        println!("quarter {}: {}", number + 1, Usage::mean(quarter));
    }
    let [_, second, _, fourth] = quarters.each_ref().map(|quarter| Usage::mean(quarter));
    daemon.stop().await.expect("a clean stop");
    let left = settled(&at_first).await;
    println!("before the daemon: {at_first}\nafter it: {left}");
    let growth = fourth.memory / second.memory;
    println!("memory of the last quarter / of the second: {growth:.3}");
    growth < GROWTH && left.tasks <= at_first.tasks && left.files <= at_first.files
}

/// Something for everybody, each for a small share of the requests, and one after another: faults of the same share that
/// begin together stay together, and one hides the other.
fn faults() -> Value {
    let body = |text: &str| json!({"body": {"content_type": "text/html", "text": text}});
    let replace = |pointer: &str, value: Value| json!({"replace": {"pointer": pointer, "value": value}});
    let kinds = [
        (0.05, json!({"drift": {"remove": 3, "add": 1}})),
        (0.05, json!({"error": {"code": "InternalError"}})),
        (0.05, json!({"error": {"code": "RequestLimitExceeded"}})),
        (0.02, json!({"error": {"code": "AuthFailure.SignatureFailure"}})),
        (0.02, json!({"error": {"code": "InvalidParameterValue"}})),
        (0.05, json!({"latency": {"milliseconds": 50}})),
        (0.02, json!({"clock_skew": {"seconds": 3600}})),
        (0.02, json!("reset")),
        (0.02, json!("truncate")),
        (0.02, json!({"status": {"status": 502}})),
        (0.02, json!({"status": {"status": 429, "retry_after": "1"}})),
        (0.02, json!({"redirect": {"location": "http://127.0.0.1:9/"}})),
        (0.02, body("<html></html>")),
        (0.01, body("")),
        (0.01, body("{\"Response\": {\"TotalCount\"")),
        (0.02, json!({"remove": {"pointer": "/Response"}})),
        (0.02, json!({"remove": {"pointer": "/Response/VpnConnectionSet/0/VpnConnectionId"}})),
        (0.02, replace("/Response/TotalCount", json!(-1))),
        (0.02, replace("/Response/TotalCount", json!(5000))),
        (0.02, replace("/Response/VpnConnectionSet/0/State", json!({"a": [1]}))),
        (0.005, json!("stall_headers")),
        (0.005, json!("stall_body")),
        (0.005, json!({"drip": {"bytes_per_second": 1000}})),
        (0.002, json!("endless")),
        (0.002, json!({"inflate": {"mebibytes": 8}})),
        (0.002, json!({"rows": {"count": 100_000}})),
    ];
    let faults = kinds.into_iter().enumerate();
    faults.map(|(number, (share, kind))| json!({"skip": number, "share": share, "kind": kind})).collect()
}

/// What this process takes up.
#[derive(Debug, Clone, Copy)]
struct Usage {
    /// Resident, in bytes.
    memory: f64,
    files: f64,
    tasks: f64,
}

impl Usage {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
        let kibibytes: f64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        Self {
            memory: kibibytes * 1024.0,
            files: std::fs::read_dir("/proc/self/fd").expect("Linux tells").count() as f64,
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks() as f64,
        }
    }

    fn mean(all: &[Self]) -> Self {
        let mean = |value: fn(&Self) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
        Self { memory: mean(|one| one.memory), files: mean(|one| one.files), tasks: mean(|one| one.tasks) }
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} MB, {:.1} files, {:.1} tasks", self.memory / 1e6, self.files, self.tasks)
    }
}

/// What is taken up once connections and tasks had time to end.
async fn settled(goal: &Usage) -> Usage {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let now = Usage::now();
        if (now.tasks <= goal.tasks && now.files <= goal.files) || Instant::now() > deadline {
            return now;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The real binary's `simulate`.
struct Simulator {
    child: Child,
    address: String,
    secret_id: String,
    secret_key: String,
}

impl Simulator {
    fn start(flags: &[&str]) -> Self {
        let regions: Vec<_> = (0..REGIONS).map(region).collect();
        let tunnels = (REGIONS * TUNNELS_PER_REGION).to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"))
            .args(["simulate", "--listen-address", "127.0.0.1:0", "--frozen", "--log.level", "error"])
            .args([
                "--regions",
                &regions.join(","),
                "--tunnels",
                &tunnels,
                "--requests-per-second",
                "1000000",
            ])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut after = |mark: &str| {
            let line = lines.next().expect("a line").expect("text");
            line.split_once(mark).expect("the line has it").1.to_owned()
        };
        let (address, secret_id, secret_key) = (after("http://"), after("SECRET_ID="), after("SECRET_KEY="));
        Self { child, address, secret_id, secret_key }
    }

    /// Polls without a pause, of all targets at once.
    fn config(&self) -> String {
        let regions: Vec<_> = (0..REGIONS).map(region).collect();
        let accounts = (0..ACCOUNTS).map(|number| {
            format!(
                "- name: account-{number}\n  regions: [{}]\n  credentials: {{type: static, secret_id: '{}', secret_key: '{}'}}\n",
                regions.join(", "),
                self.secret_id,
                self.secret_key,
            )
        });
        format!(
            "poll: {{interval: 1ms, timeout: 2s, stale_after: 5s}}\n\
             api: {{endpoint: 'http://{}', requests_per_second: 100, request_timeout: 500ms}}\naccounts:\n{}",
            self.address,
            accounts.collect::<String>(),
        )
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn region(number: usize) -> String {
    format!("region-{number}")
}
