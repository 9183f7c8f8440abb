//! The simulated API and the daemon as processes, and their memory.

use std::{
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter");

/// The time limit for a start.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// The simulated API as a process. It ends when this is dropped.
#[derive(Debug)]
pub struct Api {
    child: Child,
    address: String,
    secret_id: String,
    secret_key: String,
}

impl Api {
    /// An API with this many tunnels in this many regions, named from `region-0` on.
    pub fn start(tunnels: usize, regions: usize, more: &[&str]) -> Self {
        let regions: Vec<String> = (0..regions).map(region).collect();
        let mut child = Command::new(BINARY)
            .args(["simulate", "--listen-address", "127.0.0.1:0", "--log.level", "error"])
            .args(["--tunnels", &tunnels.to_string(), "--regions", &regions.join(",")])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let mut after = |mark: &str| {
            let line = lines.next().expect("a line").expect("UTF-8");
            line.split_once(mark).expect("what the simulator says first").1.to_owned()
        };
        let (address, secret_id, secret_key) = (after("http://"), after("="), after("="));
        Self { child, address, secret_id, secret_key }
    }

    /// A configuration for these regions with at most 100 requests a second.
    pub fn config(&self, regions: usize, interval: &str) -> String {
        let regions: Vec<String> = (0..regions).map(region).collect();
        format!(
            "poll: {{interval: {interval}, timeout: 60s}}\n\
             api: {{endpoint: 'http://{}', requests_per_second: 100}}\n\
             accounts:\n- name: production\n  regions: [{}]\n  \
             credentials: {{type: static, secret_id: '{}', secret_key: '{}'}}\n",
            self.address,
            regions.join(", "),
            self.secret_id,
            self.secret_key,
        )
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn region(index: usize) -> String {
    format!("region-{index}")
}

/// The daemon as a process. It ends when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Daemon {
    /// Starts the daemon, and waits until it is ready.
    pub fn start(config: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).expect("the configuration can be written");
        let address = free_address();
        let child = Command::new(BINARY)
            .arg("--config.file")
            .arg(&file)
            .args(["--web.listen-address", &address.to_string(), "--log.level", "error"])
            .args(more)
            .spawn()
            .expect("the daemon starts");
        let daemon = Self { child, address, _folder: folder };
        let start = Instant::now();
        while !daemon.is_ready() {
            assert!(start.elapsed() < MAX_WAIT, "the daemon is not ready after {MAX_WAIT:?}");
            sleep(Duration::from_millis(100));
        }
        daemon
    }

    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// The sum of a metric's samples in a scrape without gzip.
    pub fn sum(&self, metric: &str) -> f64 {
        let scrape = curl(&["-s", &self.url()]);
        let samples = scrape
            .lines()
            .filter(|line| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' '])));
        samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Resident memory in bytes: now, and the maximum so far.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let kilobytes = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).expect("a known line");
            line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number")
        };
        (kilobytes("VmRSS:") * 1024, kilobytes("VmHWM:") * 1024)
    }

    fn is_ready(&self) -> bool {
        let url = format!("http://{}/-/ready", self.address);
        curl(&["-s", "-o", "/dev/null", "-w", "%{http_code}", &url]) == "200"
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// The output of `curl`.
pub fn curl(arguments: &[&str]) -> String {
    output("curl", arguments)
}

/// The output of a program, which must be installed.
pub fn output(program: &str, arguments: &[&str]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    let mut text = String::new();
    child.stdout.take().expect("its output is a pipe").read_to_string(&mut text).expect("UTF-8");
    child.wait().expect("it ends");
    text
}
