//! One poll's CPU time, from the first request to the compressed exposition, against parsing the same JSON into
//! `serde_json::Value` alone; and its wall time against the bound from latency and rate limit.
//!
//! The simulated API runs in another process.

#![allow(clippy::similar_names, reason = "a change and its measure have similar names")]

mod support;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;
use support::{
    measure::{Cost, Stopwatch, at_most, cost, median, median_cpu, median_wall, mib, ms, ratio},
    process::Api,
    world::{self, PolledTarget},
};
use tencentcloud_vpn_exporter::{
    metrics::renderer::Renderer,
    snapshot::Snapshots,
    tencent::{
        action::{Action, Service},
        describe_vpn_connections::DescribeVpnConnections,
        envelope::ApiResponse,
        error::ApiError,
        page::PAGE_ROWS,
    },
};

const TUNNELS: usize = 10_000;
const ROUNDS: usize = 7;

#[tokio::main]
async fn main() {
    cpu().await;
    wall().await;
}

/// Lists tunnels, and does not parse the page.
#[derive(Debug, Serialize)]
struct RawPage(DescribeVpnConnections<'static>);

impl Action for RawPage {
    const NAME: &'static str = DescribeVpnConnections::NAME;
    const SERVICE: Service = DescribeVpnConnections::SERVICE;
    const PERMISSION: &'static str = DescribeVpnConnections::PERMISSION;
    type Response = String;

    fn read(response: &ApiResponse<'_>) -> Result<String, ApiError> {
        let fields = ["TotalCount", "VpnConnectionSet", "RequestId"]
            .map(|name| format!("\"{name}\":{}", response.get(name).expect("a field")));
        Ok(format!("{{\"Response\":{{{}}}}}", fields.join(",")))
    }
}

async fn cpu() {
    println!("One poll's CPU, {TUNNELS} tunnels, median of {ROUNDS} interleaved rounds");
    let (frozen, moving) =
        (Api::start(TUNNELS, 1, &["--frozen"]), Api::start(TUNNELS, 1, &["--speed", "30"]));
    let pages = pages(&frozen).await;
    println!(
        "  {:.1} MiB of JSON in {} pages",
        mib(pages.iter().map(|page| page.len() as u64).sum()),
        pages.len()
    );
    let (mut parse, mut first, mut same, mut changed) = (vec![], vec![], vec![], vec![]);
    let mut changes = vec![];
    for _ in 0..ROUNDS {
        parse.push(parse_alone(&pages));
        let mut poller = Poller::new(&frozen);
        first.push(poller.poll().await.0);
        same.push(poller.poll().await.0);
        parse.push(parse_alone(&pages));
        let mut poller = Poller::new(&moving);
        poller.poll().await;
        let (cost, count) = poller.poll().await;
        changed.push(cost);
        changes.push(count);
    }
    let alone = median_cpu(&parse);
    println!("  parsing into Value alone: {}", ms(alone));
    let changes = median(changes);
    for (what, costs) in [
        ("the first poll, in which everything is new".to_owned(), &first),
        ("a later poll in which nothing changed".to_owned(), &same),
        (format!("a later poll in which {changes} tunnels changed state"), &changed),
    ] {
        let cpu = median_cpu(costs);
        println!("  {what}: {}", ms(cpu));
        at_most("times the parsing", ratio(cpu, alone), 4.0);
    }
}

/// Parses every page and drops it.
fn parse_alone(pages: &[String]) -> Cost {
    let parse = |page: &String| drop(serde_json::from_str::<Value>(page).expect("JSON"));
    cost(|| pages.iter().for_each(parse)).0
}

async fn pages(api: &Api) -> Vec<String> {
    let polled = PolledTarget::new(api);
    let mut pages = Vec::new();
    for offset in (0..TUNNELS).step_by(PAGE_ROWS) {
        let action = RawPage(DescribeVpnConnections::new(&[], offset, PAGE_ROWS));
        let page = polled.assignment.account.post_once(&action, &polled.state.target.region).await;
        pages.push(page.expect("a page"));
    }
    pages
}

/// One target as the daemon polls it.
struct Poller {
    polled: PolledTarget,
    snapshots: Snapshots,
    renderer: Renderer,
}

impl Poller {
    fn new(api: &Api) -> Self {
        let polled = PolledTarget::new(api);
        let snapshots = Snapshots::default();
        snapshots.add(Arc::new(polled.state.clone()));
        Self { polled, snapshots, renderer: world::renderer() }
    }

    /// One poll and the rendering after it: the cost, and the number of changed tunnels.
    async fn poll(&mut self) -> (Cost, usize) {
        let watch = Stopwatch::start();
        let changes = self.polled.poll().await;
        self.snapshots.publish(Arc::new(self.polled.state.clone()));
        let exposition = self.renderer.render(&self.snapshots.current()).expect("an exposition");
        let cost = watch.stop();
        assert!(!exposition.gzip.is_empty());
        // The simulator replaces tunnels.
        assert!(self.polled.state.tunnels().len() > TUNNELS * 99 / 100);
        (cost, changes)
    }
}

async fn wall() {
    let latency = Duration::from_millis(50);
    let turns = Duration::from_secs_f64(TUNNELS as f64 / PAGE_ROWS as f64 / 100.0);
    let bound = turns.max(2 * latency);
    println!("One poll's wall time, {TUNNELS} tunnels, {latency:?} latency, 100 requests a second");
    let api = Api::start(TUNNELS, 1, &["--latency", "50ms"]);
    let mut poller = Poller::new(&api);
    let (mut polls, mut published) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        published.push(poller.poll().await.0);
        polls.push(poller.polled.state.last_poll.as_ref().expect("a poll").duration);
    }
    let poll = median(polls);
    println!("  the bound: {}; a poll: {}", ms(bound), ms(poll));
    println!("  a poll, and its exposition ready: {}", ms(median_wall(&published)));
    at_most("times the bound", ratio(poll, bound), 1.2);
    at_most("requests that were throttled", poller.polled.failed_requests(), 0.0);
}
