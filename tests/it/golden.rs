//! The whole way from an answer of the API to the text of a scrape, held against files in `tests/golden`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it golden` writes them anew, to be read before they are committed.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, value::RawValue};
use tencentcloud_vpn_exporter::{
    domain::{
        listing::Listing,
        reason::Reason,
        tag_label::TagLabel,
        target::{AccountName, Region, Target},
    },
    metrics::Renderer,
    snapshot::{Failure, Snapshots, TargetSnapshot},
    telemetry::{BuildInfo, Telemetry},
    tencent::{action::Action, describe_vpn_connections::DescribeVpnConnections},
};
use test_support::{Metrics, Sample};

const ANSWER: &str = include_str!("../fixtures/api/every_quirk.json");
const START: i64 = 1_700_000_000;

fn target() -> TargetSnapshot {
    let account = AccountName::new("pro\"duction\\").expect("a name");
    TargetSnapshot::new(Target { account, region: Region::new("ap-guangzhou").expect("a region") })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).expect("a time")
}

fn listing(answer: &Value) -> Listing {
    let response: Box<RawValue> = serde_json::from_value(answer["Response"].clone()).expect("JSON");
    let page = DescribeVpnConnections::read(&response).expect("a page");
    Listing {
        rows: page.rows,
        rows_without_id: page.rows_without_id,
        in_doubt: [].into(),
        unknown_values: page.unknown_values,
    }
}

fn answer() -> Value {
    serde_json::from_str(ANSWER).expect("JSON")
}

/// The exposition's tunnel and target metrics; the exporter's own vary from run to run.
fn exposition(state: TargetSnapshot) -> String {
    let build = BuildInfo { version: "0", revision: "0", rustc: "0" };
    let text = text_of(&Telemetry::new(&build).expect("metrics"), state);
    let own = |line: &&str| !line.contains("tencentcloud_vpn_exporter_") && !line.contains("process_");
    text.split_inclusive('\n').filter(own).collect()
}

fn text_of(telemetry: &Telemetry, state: TargetSnapshot) -> String {
    let tags = ["env", "team"].map(TagLabel::new);
    let mut renderer = Renderer::new(telemetry, tags.into()).expect("a renderer");
    let snapshots = Snapshots::default();
    snapshots.add(Arc::new(state));
    let exposition = renderer.render(&snapshots.current()).expect("an exposition");
    String::from_utf8(exposition.plain().collect::<Vec<_>>().concat()).expect("UTF-8")
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
fn every_state_and_every_quirk_of_a_first_listing() {
    let (state, changes) = target().succeeded(listing(&answer()), at(0), Duration::from_millis(120));
    assert!(changes.is_empty(), "a first listing changes nothing");
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
fn a_stale_target_shows_no_tunnels_and_keeps_its_own_metrics() {
    let (state, _) = target().succeeded(listing(&answer()), at(0), Duration::from_millis(120));
    let failure = Failure { reason: Reason::Timeout, message: "no answer within 10s".into() };
    let state = state.failed(failure, at(60), Duration::from_secs(45)).expired();
    assert_golden("stale.prom", &exposition(state));
}

#[test]
fn a_target_before_its_first_poll() {
    assert_golden("before_first_poll.prom", &exposition(target()));
}

/// Each metric as `type name{labels}`, without the labels that tell tunnels and targets apart.
fn metrics_of(text: &str) -> BTreeSet<String> {
    let shared = ["account", "region", "vpn_gateway_id", "vpn_connection_id", "le"];
    let types =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE tencentcloud_vpn_")?.split_once(' '));
    let describe = |(name, kind): (&str, &str)| {
        let metrics = Metrics::parse(text);
        let is_own = |sample: &&Sample| {
            let own = sample.name.strip_prefix("tencentcloud_vpn_").and_then(|own| own.strip_prefix(name));
            own.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        };
        let labels = metrics.0.iter().filter(is_own).flat_map(|sample| sample.labels.keys().cloned());
        let labels: BTreeSet<_> =
            labels.filter(|label| !shared.contains(&&**label) && !label.starts_with("tag_")).collect();
        format!("{kind} {name}{labels:?}")
    };
    types.map(describe).collect()
}

#[test]
fn the_page_on_metrics_has_every_metric_with_its_type_and_labels() {
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let documented: BTreeSet<_> = rows
        .filter_map(|(name, rest)| {
            let (kind, rest) = rest.split_once(" |")?;
            let (labels, _) = rest.split_once('|')?;
            let labels: BTreeSet<_> = labels.split('`').skip(1).step_by(2).collect();
            Some(format!("{kind} {name}{labels:?}"))
        })
        .collect();

    let telemetry = Telemetry::new(&BuildInfo { version: "0", revision: "0", rustc: "0" }).expect("metrics");
    let account = telemetry.account(&target().target.account);
    drop(account.action("DescribeVpnConnections"));
    account.credentials_expiry.set(0.0);
    telemetry.discovery(&target().target.account).count(true, at(0));
    let mut later = answer();
    later["Response"]["VpnConnectionSet"][1]["NetStatus"] = "AVAILABLE".into();
    let (state, _) = target().succeeded(listing(&answer()), at(0), Duration::from_millis(120));
    let (state, _) = state.succeeded(listing(&later), at(60), Duration::from_millis(110));
    assert_eq!(documented, metrics_of(&text_of(&telemetry, state)));
}
