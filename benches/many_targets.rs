//! Fifty accounts in twenty regions with ten tunnels each: whether every target is polled on time, and the cost.
//!
//! The daemon is a separate process, so that its memory and CPU time are measured alone. The simulated API runs in this
//! process and records the time of each request. A target's polls are due an interval apart, from its first scheduled one
//! on. A poll that starts more than a tenth of the interval late, or not at all, is a miss.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use simulator::{Control, Entry, Options, Simulator};
use tokio::time::{Instant, sleep, sleep_until};

const ACCOUNTS: usize = 50;
const REGIONS: [&str; 20] = [
    "ap-bangkok",
    "ap-beijing",
    "ap-chengdu",
    "ap-chongqing",
    "ap-guangzhou",
    "ap-hongkong",
    "ap-jakarta",
    "ap-mumbai",
    "ap-nanjing",
    "ap-osaka",
    "ap-seoul",
    "ap-shanghai",
    "ap-singapore",
    "ap-taipei",
    "ap-tokyo",
    "eu-frankfurt",
    "na-ashburn",
    "na-siliconvalley",
    "na-toronto",
    "sa-saopaulo",
];
const TARGETS: usize = ACCOUNTS * REGIONS.len();
const TUNNELS: usize = 10;
const INTERVAL: Duration = Duration::from_secs(6);
const ROUNDS: u32 = 10;

/// The maximum delay of a poll.
const TOLERANCE: Duration = Duration::from_millis(600);

/// The scrape interval.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);

const MEBIBYTE: f64 = 1_048_576.0;

/// The daemon. It ends with the benchmark.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let simulator = Simulator::bind(world(), test_support::local()).await.expect("a simulator");
    let control = simulator.control();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    fs::write(&file, config(&control, simulator.local_addr())).expect("a file");
    tokio::spawn(simulator.run(std::future::pending()));

    let address = free_address();
    let _daemon = Command::new(env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"))
        .arg("--config.file")
        .arg(&file)
        .args(["--log.level=warn", &format!("--web.listen-address={address}")])
        .stdin(Stdio::null())
        .spawn()
        .map(Daemon)
        .expect("the daemon starts");
    // The first polls start together. From the second poll on, each target has its own schedule.
    control.until(|entries| entries.len() >= TARGETS).await;
    sleep(INTERVAL).await;
    control.clear_journal();
    let (requests, scrapes) = watch(&control, address).await;
    report(&requests, &scrapes)
}

fn world() -> Options {
    Options { accounts: ACCOUNTS, ..test_support::frozen(&REGIONS.map(|region| (region, TUNNELS))) }
}

fn config(control: &Control, api: SocketAddr) -> String {
    let interval = INTERVAL.as_secs();
    let mut text = format!(
        "poll: {{interval: {interval}s, timeout: 5s, stale_after: 1m}}\napi: {{endpoint: 'http://{api}'}}\naccounts:\n"
    );
    for account in control.accounts() {
        let (id, key) = (&account.credentials.secret_id, &account.credentials.secret_key);
        writeln!(
            text,
            "- name: '{}'\n  regions: [{}]\n  credentials: {{type: static, secret_id: {id}, secret_key: {key}}}",
            account.number,
            REGIONS.join(", ")
        )
        .expect("memory takes every line");
    }
    text
}

/// A free address.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(test_support::local()).expect("a free port");
    listener.local_addr().expect("an address")
}

/// The times of the requests for each account and region.
type Requests = BTreeMap<(String, String), Vec<Duration>>;

/// The daemon's own metrics in a scrape.
struct Scrape {
    cpu_seconds: f64,
    resident_bytes: f64,
    length: usize,
}

/// Waits for all rounds, and scrapes before, during and after them, as Prometheus does.
async fn watch(control: &Control, address: SocketAddr) -> (Requests, Vec<Scrape>) {
    let end = Instant::now() + ROUNDS * INTERVAL;
    let mut requests = Requests::new();
    let mut scrapes = Vec::new();
    let mut next = Instant::now();
    while next < end {
        scrapes.push(scrape(address).await);
        take(control, &mut requests);
        next = (next + SCRAPE_INTERVAL).min(end);
        sleep_until(next).await;
    }
    scrapes.push(scrape(address).await);
    // The last requests may not have arrived yet.
    sleep(TOLERANCE).await;
    take(control, &mut requests);
    (requests, scrapes)
}

/// Takes the request times that the simulator recorded.
fn take(control: &Control, requests: &mut Requests) {
    let entries = control.journal();
    control.clear_journal();
    for Entry { at, account, region, error, .. } in entries {
        assert_eq!(error, None, "{account} in {region}");
        requests.entry((account, region)).or_default().push(at);
    }
}

async fn scrape(address: SocketAddr) -> Scrape {
    let answer =
        test_support::client().get(format!("http://{address}/metrics")).send().await.expect("an answer");
    let text = answer.error_for_status().expect("a scrape").text().await.expect("a body");
    let tunnels = text.lines().filter(|line| line.starts_with("tencentcloud_vpn_tunnel_up{")).count();
    assert_eq!(tunnels, TARGETS * TUNNELS, "every tunnel is shown");
    let value = |name: &str| {
        let mut samples = text.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        samples.next().expect("Linux tells it")
    };
    Scrape {
        cpu_seconds: value("process_cpu_seconds_total"),
        resident_bytes: value("process_resident_memory_bytes"),
        length: text.len(),
    }
}

fn report(requests: &Requests, scrapes: &[Scrape]) -> ExitCode {
    let delays: Vec<Vec<Duration>> = requests.values().map(|times| delays(times)).collect();
    let late = delays.iter().flatten().filter(|&&delay| delay > TOLERANCE).count();
    let polled: usize = delays.iter().map(|of_target| of_target.len().min(ROUNDS as usize)).sum();
    let due = TARGETS * ROUNDS as usize;
    let misses = late + (due - polled);
    let mut delays: Vec<Duration> = delays.into_iter().flatten().collect();
    delays.sort_unstable();
    let quantile = |percent: usize| delays[(delays.len() - 1) * percent / 100].as_millis();
    let (first, last) = (scrapes.first().expect("a scrape"), scrapes.last().expect("a scrape"));
    let cpu_seconds = (last.cpu_seconds - first.cpu_seconds) / f64::from(ROUNDS);
    let most_resident = scrapes.iter().map(|scrape| scrape.resident_bytes).fold(0.0, f64::max);
    println!("targets          {} of {}", requests.len(), TARGETS);
    println!("polls            {} in {ROUNDS} rounds of {INTERVAL:?}", delays.len());
    println!("misses           {misses} of {due}: more than {TOLERANCE:?} late, or not at all");
    println!(
        "lateness         median {} ms, 99 % {} ms, most {} ms",
        quantile(50),
        quantile(99),
        quantile(100)
    );
    println!("CPU a round      {cpu_seconds:.2} s");
    println!("resident memory  {:.0} MiB at most", most_resident / MEBIBYTE);
    println!("exposition       {:.1} MiB", last.length as f64 / MEBIBYTE);
    if misses == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How late each poll of a target started, relative to its earliest poll within the interval.
fn delays(times: &[Duration]) -> Vec<Duration> {
    let behind = |from: &Duration, to: &Duration| {
        let forth = to.as_secs_f64() - from.as_secs_f64();
        Duration::from_secs_f64(forth.rem_euclid(INTERVAL.as_secs_f64()))
    };
    // On the circle of the interval, the earliest poll is the one that all others follow closely.
    let most_behind = |from: &Duration| times.iter().map(|to| behind(from, to)).max();
    let earliest = times.iter().min_by_key(|time| most_behind(time)).expect("a target was asked for");
    times.iter().map(|time| behind(earliest, time)).collect()
}
