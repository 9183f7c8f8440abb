//! Accounts whose regions are `all`: the daemon discovers their regions and polls them.

use std::time::Duration;

use simulator::{Entry, Fault, FaultKind, OfferedRegion};
use tencentcloud_vpn_exporter::poll::discovery::DiscoveryIntervals;
use test_support::{Api, Daemon, DaemonOptions, Metrics, Sample, frozen, log::Log, with_timeout};

const GUANGZHOU: &str = "ap-guangzhou";
const FRANKFURT: &str = "eu-frankfurt";
const TOKYO: &str = "ap-tokyo";
const FINANCE: &str = "ap-shanghai-fsi";

/// Short intervals, the shorter one after a failure.
const SHORT_INTERVALS: DiscoveryIntervals = DiscoveryIntervals {
    after_success: Duration::from_millis(300),
    after_failure: Duration::from_millis(100),
};

/// Tunnels in three regions and in one for finance.
async fn world() -> Api {
    Api::start(frozen(&[(GUANGZHOU, 2), (FRANKFURT, 3), (TOKYO, 1), (FINANCE, 1)])).await
}

fn set_offered_regions(api: &Api, regions: &[&str]) {
    let offered = |name: &&str| OfferedRegion { region: (*name).to_owned(), available: true };
    api.control.set_offered_regions(regions.iter().map(offered).collect());
}

fn config(api: &Api) -> String {
    let account = api.account("main", &[]).replace("[]", "all");
    api.config_for(&[&account], "interval: 250ms, timeout: 5s, stale_after: 1h")
}

async fn start(api: &Api, discovery_intervals: DiscoveryIntervals) -> Daemon {
    Daemon::start_with(DaemonOptions { discovery_intervals, ..DaemonOptions::default() }, &config(api)).await
}

/// The number of discoveries that the API has responded to, also with an error.
fn discoveries(api: &Api) -> usize {
    api.control.journal().iter().filter(|entry| entry.action == "DescribeRegions").count()
}

/// Waits for this many more discoveries.
async fn wait_for_discoveries(api: &Api, more: usize) {
    let enough = discoveries(api) + more;
    let is_discovery = |entry: &&Entry| entry.action == "DescribeRegions";
    with_timeout(api.control.until(|entries| entries.iter().filter(is_discovery).count() >= enough)).await;
}

/// The status page.
async fn page(daemon: &Daemon) -> String {
    let answer = test_support::client().get(daemon.url("/")).send().await.expect("an answer");
    answer.text().await.expect("a page")
}

fn targets(metrics: &Metrics) -> Vec<String> {
    let mut regions: Vec<_> =
        metrics.all("target_info", &[]).map(|sample| sample.labels["region"].clone()).collect();
    regions.sort();
    regions
}

fn discovery_up(metrics: &Metrics) -> Option<f64> {
    metrics.value("region_discovery_up", &[("account", "main")])
}

fn last_discovery(metrics: &Metrics) -> Option<f64> {
    metrics.value("region_discovery_last_success_timestamp_seconds", &[("account", "main")])
}

#[tokio::test]
async fn discovered_regions_are_polled() {
    let (api, log) = (world().await, Log::capture());
    set_offered_regions(&api, &[GUANGZHOU, FRANKFURT]);
    let daemon = start(&api, SHORT_INTERVALS).await;
    let metrics = daemon.until(|metrics| metrics.sum("up", &[]) == 2.0).await;
    assert_eq!(targets(&metrics), [GUANGZHOU, FRANKFURT]);
    assert_eq!(metrics.count("tunnel_up", &[]), 5);
    assert_eq!(discovery_up(&metrics), Some(1.0));
    assert!(last_discovery(&metrics) > Some(0.0));

    set_offered_regions(&api, &[GUANGZHOU, FRANKFURT, TOKYO]);
    let metrics = daemon.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    assert_eq!(metrics.count("tunnel_up", &[("region", TOKYO)]), 1);
    assert!(log.only_line(&["region found", TOKYO]).contains("INFO"));
    assert_eq!(metrics.sum("poll_failures_total", &[]), 0.0, "{metrics}");
}

#[tokio::test]
async fn missing_region_is_removed_after_three_discoveries() {
    let api = world().await;
    set_offered_regions(&api, &[GUANGZHOU, FRANKFURT]);
    let daemon = start(&api, SHORT_INTERVALS).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 2.0).await;
    let before = discoveries(&api);
    set_offered_regions(&api, &[GUANGZHOU]);
    let metrics = daemon.until(|metrics| targets(metrics) == [GUANGZHOU]).await;
    let without = discoveries(&api) - before;
    assert!(without >= 3, "it was removed after {without} discoveries without it");
    let of_it = |sample: &&Sample| sample.labels.get("region").is_some_and(|region| region == FRANKFURT);
    let left: Vec<_> = metrics.0.iter().filter(of_it).collect();
    assert!(left.is_empty(), "its series are removed: {left:?}");
    assert_eq!(metrics.sum("up", &[]), 1.0);
}

#[tokio::test]
async fn region_that_returns_in_time_is_kept() {
    let (api, log) = (world().await, Log::capture());
    let slow = DiscoveryIntervals { after_success: Duration::from_secs(1), ..SHORT_INTERVALS };
    set_offered_regions(&api, &[GUANGZHOU, FRANKFURT]);
    let daemon = start(&api, slow).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 2.0).await;
    for _ in 0..2 {
        set_offered_regions(&api, &[GUANGZHOU]);
        wait_for_discoveries(&api, 2).await;
        set_offered_regions(&api, &[GUANGZHOU, FRANKFURT]);
        wait_for_discoveries(&api, 1).await;
    }
    assert_eq!(targets(&daemon.scrape().await), [GUANGZHOU, FRANKFURT]);
    assert_eq!(log.lines(&["region removed"]), [""; 0]);
}

#[tokio::test]
async fn failed_discovery_keeps_the_regions() {
    let (api, log) = (world().await, Log::capture());
    set_offered_regions(&api, &[GUANGZHOU, FRANKFURT]);
    let daemon = start(&api, SHORT_INTERVALS).await;
    let before = daemon.until(|metrics| metrics.sum("up", &[]) == 2.0).await;
    let failures =
        |metrics: &Metrics| metrics.sum("api_request_failures_total", &[("action", "DescribeRegions")]);
    assert_eq!(failures(&before), 0.0);

    // An empty list is a failure, and so is a refusal.
    set_offered_regions(&api, &[]);
    let during = daemon.until(|metrics| discovery_up(metrics) == Some(0.0)).await;
    let last_success = last_discovery(&during);
    let number = api.control.accounts()[0].number.clone();
    api.control.forbid(&number, "DescribeRegions").expect("an account");
    wait_for_discoveries(&api, 6).await;
    let refused = [("action", "DescribeRegions"), ("reason", "unauthorized")];
    let refusals = |metrics: &Metrics| metrics.sum("api_request_failures_total", &refused);
    let during = daemon.until(|metrics| refusals(metrics) >= 4.0).await;
    assert_eq!(targets(&during), [GUANGZHOU, FRANKFURT]);
    assert_eq!(during.sum("up", &[]), 2.0);
    assert_eq!((discovery_up(&during), last_discovery(&during)), (Some(0.0), last_success));
    let failing_page = page(&daemon).await;
    for text in ["Region discovery failed", "the 2 regions of the last discovery are kept"] {
        assert!(failing_page.contains(text), "{text}");
    }
    log.only_line(&["WARN", "region discovery failed; polling the last known regions", "malformed_response"]);
    log.only_line(&["WARN", "region discovery failed; polling the last known regions", "unauthorized"]);

    set_offered_regions(&api, &[GUANGZHOU, FRANKFURT, TOKYO]);
    api.control.allow(&number, "DescribeRegions").expect("an account");
    let after = daemon.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    assert_eq!(discovery_up(&after), Some(1.0));
    assert!(last_discovery(&after) > last_success);
    assert!(!page(&daemon).await.contains("Region discovery failed"));
    log.only_line(&["INFO", "region discovery works again"]);
}

#[tokio::test]
async fn region_without_vpn_is_retried_after_each_discovery() {
    let (api, log) = (world().await, Log::capture());
    set_offered_regions(&api, &[GUANGZHOU, "ap-mumbai"]);
    let daemon = start(&api, SHORT_INTERVALS).await;
    wait_for_discoveries(&api, 3).await;
    let tried = |api: &Api| api.control.journal().iter().filter(|entry| entry.region == "ap-mumbai").count();
    assert!(tried(&api) >= 2, "it was polled {} times after at least three discoveries", tried(&api));
    let metrics = daemon.until(|metrics| targets(metrics) == [GUANGZHOU]).await;
    assert_eq!(metrics.count("up", &[]), 1);
    assert!(log.only_line(&["has no VPN", "ap-mumbai"]).contains("INFO"));
    assert_eq!(log.lines(&["WARN"]), [""; 0], "there is no warning");
}

#[tokio::test]
async fn region_with_tunnels_survives_unsupported_region_errors() {
    let api = world().await;
    set_offered_regions(&api, &[GUANGZHOU, FRANKFURT]);
    let daemon = start(&api, SHORT_INTERVALS).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 2.0).await;
    let unsupported = FaultKind::Error { code: "UnsupportedRegion".to_owned() };
    let here = Fault {
        region: Some(FRANKFURT.to_owned()),
        action: Some("DescribeVpnConnections".to_owned()),
        ..Fault::new(unsupported)
    };
    api.control.set_faults(vec![here]).expect("faults");
    let frankfurt = [("region", FRANKFURT)];
    let metrics = daemon.until(|metrics| metrics.value("up", &frankfurt) == Some(0.0)).await;
    assert_eq!(metrics.count("tunnel_up", &frankfurt), 3);
    let failures = [frankfurt[0], ("reason", "unsupported_region")];
    daemon.until(|metrics| metrics.value("poll_failures_total", &failures) >= Some(3.0)).await;
}

#[tokio::test]
async fn named_region_without_vpn_stays_a_target() {
    let api = world().await;
    let daemon = Daemon::start(&api.config(&["ap-mumbai"])).await;
    let failures = [("region", "ap-mumbai"), ("reason", "unsupported_region")];
    let metrics = daemon.until(|metrics| metrics.value("poll_failures_total", &failures) >= Some(2.0)).await;
    assert_eq!(metrics.value("up", &[]), Some(0.0));
    assert_eq!(targets(&metrics), ["ap-mumbai"]);
}

#[tokio::test]
async fn finance_region_is_polled_only_where_named() {
    let api = world().await;
    set_offered_regions(&api, &[GUANGZHOU, FINANCE]);
    let all = api.account("all", &[]).replace("[]", "all");
    let named = api.account("named", &[FINANCE]);
    let daemon = Daemon::start(&api.config_for(&[&all, &named], "interval: 250ms, timeout: 5s")).await;
    let metrics = daemon.until(|metrics| metrics.sum("up", &[]) == 2.0).await;
    assert_eq!(metrics.value("up", &[("account", "all"), ("region", GUANGZHOU)]), Some(1.0));
    assert_eq!(metrics.value("up", &[("account", "named"), ("region", FINANCE)]), Some(1.0));
    assert_eq!(targets(&metrics).len(), 2);
}

#[tokio::test]
async fn daemon_is_ready_after_discovery_and_first_polls() {
    let api = world().await;
    set_offered_regions(&api, &[GUANGZHOU]);
    let stall = |action: &str| {
        let fault = Fault { action: Some(action.to_owned()), ..Fault::new(FaultKind::StallHeaders) };
        api.control.set_faults(vec![fault]).expect("a fault");
    };
    let requested = async |action: &str| {
        with_timeout(api.control.until(|entries| entries.iter().any(|entry| entry.action == action))).await;
    };
    // A stalled request for tunnels does not end by itself, and one for regions after 45 s. Each reload changes the account,
    // which starts discovery and polls again.
    let config = |request_timeout: &str| {
        let account = api.account("main", &[]).replace("[]", "all");
        api.config_for(&[&account], "interval: 10h, timeout: 9h, stale_after: 20h")
            .replace("request_timeout: 2s", &format!("request_timeout: {request_timeout}"))
    };
    stall("DescribeRegions");
    let daemon = Daemon::start(&config("1h")).await;
    requested("DescribeRegions").await;
    daemon.until(|metrics| metrics.count("exporter_build_info", &[]) == 1).await;
    assert_eq!(daemon.readiness().await, 503, "the regions are not known");

    stall("DescribeVpnConnections");
    daemon.reload(&config("2h")).await.expect("a valid configuration");
    requested("DescribeVpnConnections").await;
    daemon.until(|metrics| metrics.count("target_info", &[]) == 1).await;
    assert_eq!(daemon.readiness().await, 503, "the regions are known, but not polled");

    api.control.set_faults(vec![]).expect("no faults");
    daemon.reload(&config("3h")).await.expect("a valid configuration");
    daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;
    daemon.wait_until_ready().await;
}

#[tokio::test]
async fn failed_first_discovery_makes_the_daemon_ready() {
    let api = world().await;
    set_offered_regions(&api, &[]);
    let daemon = start(&api, DiscoveryIntervals::default()).await;
    let metrics = daemon.until(|metrics| discovery_up(metrics).is_some()).await;
    assert_eq!((discovery_up(&metrics), last_discovery(&metrics)), (Some(0.0), None));
    daemon.wait_until_ready().await;
    assert_eq!(targets(&metrics), [""; 0]);
    assert!(page(&daemon).await.contains("1 account without known regions"));
}
