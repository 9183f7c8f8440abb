//! From a response of the API to the text of a scrape, compared with files in `tests/golden`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it golden` writes the files; read them before you commit them.

use std::{path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use prometheus::TextEncoder;
use serde_json::Value;
use tencentcloud_vpn_exporter::{
    domain::{
        listing::Listing,
        reason::Reason,
        shard::Shard,
        tag_label::TagLabel,
        target::{AccountName, Region, Target},
        tunnel::Tunnel,
    },
    metrics::{exposition::Exposition, registry::registry, renderer::Renderer},
    snapshot::{Failure, Snapshot, TargetSnapshot},
    telemetry::{BuildInfo, Telemetry},
    tencent::{action::Action, describe_vpn_connections::DescribeVpnConnections, envelope},
};
use test_support::worlds::{
    self, TargetBuilder, customer_gateway, down, empty, failing, gateway, mixed_snapshot, snapshot, tunnel,
    with_failed_discovery,
};
use tokio::sync::watch;

const API_RESPONSE: &str = include_str!("../fixtures/api/every_quirk.json");
const START: i64 = 1_700_000_000;

fn target() -> TargetSnapshot {
    let account = AccountName::new("pro\"duction\\").expect("a name");
    TargetSnapshot::new(Target { account, region: Region::new("ap-guangzhou").expect("a region") })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).expect("a time")
}

fn listing(answer: &Value) -> Listing<Tunnel> {
    let body = answer.to_string();
    let response = envelope::parse(body.as_bytes(), None).expect("a response");
    let page = DescribeVpnConnections::read(&response).expect("a page");
    Listing {
        rows: page.rows,
        rows_without_id: page.rows_without_id,
        unknown_values: page.unknown_values,
        ..Listing::default()
    }
}

fn answer() -> Value {
    serde_json::from_str(API_RESPONSE).expect("JSON")
}

fn telemetry() -> Telemetry {
    Telemetry::new(&BuildInfo { version: "0", revision: "0", rustc: "0" }).expect("metrics")
}

fn tag_labels() -> [TagLabel; 2] {
    ["env", "team"].map(TagLabel::new)
}

fn text(exposition: &Exposition) -> String {
    String::from_utf8(exposition.plain().collect::<Vec<_>>().concat()).expect("UTF-8")
}

/// The tunnel and target metrics of an exposition; the exporter's own vary from run to run.
fn exposition(state: TargetSnapshot) -> String {
    let mut renderer = Renderer::new(telemetry(), &tag_labels(), true).expect("a renderer");
    let text = text(&renderer.render(&snapshot([TargetBuilder(state)])).expect("an exposition"));
    let is_own = |line: &&str| line.contains("tencentcloud_vpn_exporter_") || line.contains("process_");
    text.split_inclusive('\n').filter(|line| !is_own(line)).collect()
}

#[track_caller]
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file can be read");
    if golden != text {
        let differing = golden.lines().zip(text.lines()).find(|(golden, new)| golden != new);
        panic!("{name} differs; first differing lines: {differing:#?}");
    }
}

#[test]
fn first_listing_with_every_state_and_quirk() {
    let (state, changes) = target().succeeded(listing(&answer()), at(0), Duration::from_millis(120));
    assert!(changes.is_empty(), "the first listing has no transitions");
    assert_golden("every_quirk.prom", &exposition(state));
}

#[test]
fn transitions_and_a_failure_after_them() {
    let (state, _) = target().succeeded(listing(&answer()), at(0), Duration::from_millis(120));
    let mut later = answer();
    let rows = later["Response"]["VpnConnectionSet"].as_array_mut().expect("rows");
    rows[0]["HealthCheckStatus"] = "UNAVAILABLE".into();
    rows[1]["State"] = "AVAILABLE".into();
    rows[1]["NetStatus"] = "AVAILABLE".into();
    rows[3]["NetStatus"] = "AVAILABLE".into();
    rows.remove(2);
    let (state, changes) = state.succeeded(listing(&later), at(60), Duration::from_millis(110));
    assert_eq!(changes.len(), 4, "{changes:#?}");
    let failure = Failure { reason: Reason::Throttled, message: "RequestLimitExceeded".into() };
    let state = state.failed(failure, at(120), Duration::from_secs(45));
    assert_golden("transitions.prom", &exposition(state));
}

#[test]
fn stale_target_shows_no_tunnels() {
    let (state, _) = target().succeeded(listing(&answer()), at(0), Duration::from_millis(120));
    let failure = Failure { reason: Reason::Timeout, message: "no answer within 10s".into() };
    let state = state.failed(failure, at(60), Duration::from_secs(45)).expired();
    assert_golden("stale.prom", &exposition(state));
}

#[test]
fn target_before_its_first_poll() {
    assert_golden("before_first_poll.prom", &exposition(target()));
}

#[test]
fn gateways_and_traffic() {
    let target = worlds::target("production", "ap-guangzhou")
        .with_listing(20, ["vpnx-00000001", "vpnx-00000002"].map(|id| tunnel(id, "branch")))
        .with_gateways([gateway("offices")], [customer_gateway("berlin")])
        .with_traffic(0.25)
        .with_failed_traffic(Reason::Refused, "FailedOperation.ErrOwed")
        .with_listing(10, [tunnel("vpnx-00000002", "branch")]);
    assert_golden("traffic.prom", &exposition(target.0));
}

/// The lines of a text in a fixed order. The `process_*` change from one reading to the next: their values are left out.
fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| if line.starts_with("process_") { line.split(' ').next().unwrap_or(line) } else { line })
        .collect();
    lines.sort_unstable();
    lines
}

/// Two targets, one of which changes a little from poll to poll, and then the other gets gateways and traffic. Both have more tunnels than are rendered together.
fn successive_polls() -> Vec<Snapshot> {
    let tunnels = |count: usize| (0..count).map(|number| tunnel(&format!("vpnx-{number:08}"), "branch"));
    let steady = worlds::target("production", "ap-guangzhou").with_listing(50, tunnels(300));
    let first = worlds::target("production", "eu-frankfurt").with_listing(40, tunnels(600));
    let grown = first.clone().with_listing(30, tunnels(601));
    let changed = grown.clone().with_listing(20, tunnels(600).chain([down("vpnx-00000600", "branch")]));
    let shrunk = changed.clone().with_listing(10, tunnels(599));
    let polls = [first, grown, changed.clone(), changed.with_expired_tunnels(), shrunk];
    let mut worlds: Vec<_> = polls.map(|state| snapshot([steady.clone(), state])).into();
    let with_gateways = steady.clone().with_gateways([gateway("offices")], [customer_gateway("berlin")]);
    let with_traffic = with_gateways.clone().with_traffic(1.0);
    let changed = with_traffic.clone().with_traffic(2.5).with_listing(5, tunnels(299));
    worlds.extend([with_gateways, with_traffic, changed].map(|state| snapshot([state])));
    worlds.push(snapshot([steady]));
    worlds
}

#[test]
fn renderer_and_registry_publish_the_same() {
    let telemetry = telemetry();
    telemetry.set_shard(Shard::SOLE);
    drop(telemetry.account(&target().target.account).action("DescribeVpnConnections"));
    let (listed, _) = target().succeeded(listing(&answer()), at(0), Duration::from_millis(120));
    let failure = Failure { reason: Reason::Timeout, message: "no answer within 10s".into() };
    let failed = listed.failed(failure, at(60), Duration::from_secs(45));
    let golden = [target(), listed, failed.expired(), failed];
    let golden = golden.map(|state| snapshot([TargetBuilder(state)]));
    let undiscovered = with_failed_discovery(empty(), &[("production", 2), ("broken", 0)]);
    let worlds = [mixed_snapshot(), failing(), undiscovered, Snapshot::default()];
    let (sender, snapshots) = watch::channel(Arc::default());
    let registry = registry(snapshots, &telemetry, &tag_labels()).expect("a registry");
    // One renderer for all snapshots: nothing that it caches may appear in the next exposition.
    let mut renderer = Renderer::new(telemetry, &tag_labels(), true).expect("a renderer");
    for world in golden.into_iter().chain(successive_polls()).chain(worlds) {
        let served = text(&renderer.render(&world).expect("an exposition"));
        sender.send_replace(Arc::new(world));
        let gathered = TextEncoder::new().encode_to_string(&registry.gather()).expect("a text");
        assert_eq!(sorted_lines(&served), sorted_lines(&gathered));
    }
}
