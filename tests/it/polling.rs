//! The path of tunnels from the API to the metrics, over real HTTP on both sides.

use serde_json::json;
use tencentcloud_vpn_exporter::{poll::poller, snapshot::TargetSnapshot};
use test_support::{Api, Daemon, Metrics, frozen, only_target, with_timeout};

const GUANGZHOU: &str = "ap-guangzhou";
const FRANKFURT: &str = "eu-frankfurt";

#[tokio::test]
async fn every_tunnel_of_every_region_is_shown_once() {
    let api = Api::start(frozen(&[(GUANGZHOU, 150), (FRANKFURT, 3), ("ap-tokyo", 0)])).await;
    let daemon = Daemon::start(&api.config(&[GUANGZHOU, FRANKFURT, "ap-tokyo"])).await;
    let metrics = daemon.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    for (name, tunnels) in [(GUANGZHOU, 150), (FRANKFURT, 3), ("ap-tokyo", 0)] {
        let mut ids = api.control.ids(name).expect("the region");
        let mut shown: Vec<_> = metrics
            .all("tunnel_info", &[("region", name)])
            .map(|sample| sample.labels["vpn_connection_id"].clone())
            .collect();
        ids.sort();
        shown.sort();
        assert_eq!(shown, ids);
        assert_eq!(metrics.tunnels(&[("region", name)]), Some(f64::from(tunnels)));
        assert_eq!(metrics.sum("tunnel_up", &[("region", name)]), f64::from(tunnels));
    }
    daemon.stop().await.expect("a clean stop");
}

#[tokio::test]
async fn changed_and_deleted_tunnels_are_seen() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let place = GUANGZHOU;
    let ids = api.control.ids(place).expect("the region");
    let daemon = Daemon::start(&api.config(&[GUANGZHOU])).await;
    let tunnel = [("vpn_connection_id", ids[0].as_str())];
    let metrics = daemon.until(|metrics| metrics.count("tunnel_up", &[]) == 2).await;
    assert_eq!(metrics.value("tunnel_up", &tunnel), Some(1.0));
    assert_eq!(metrics.value("tunnel_transitions_total", &tunnel), Some(0.0));
    assert_eq!(metrics.value("tunnel_last_transition_timestamp_seconds", &tunnel), None);

    api.control.set(place, &ids[0], "NetStatus", json!("UNAVAILABLE")).expect("the tunnel");
    let metrics = daemon.until(|metrics| metrics.value("tunnel_up", &tunnel) == Some(0.0)).await;
    assert_eq!(metrics.value("tunnel_transitions_total", &tunnel), Some(1.0));
    assert!(metrics.value("tunnel_last_transition_timestamp_seconds", &tunnel).is_some());
    assert_eq!(metrics.value("tunnel_net_status", &[tunnel[0], ("status", "UNAVAILABLE")]), Some(1.0));
    assert_eq!(metrics.value("tunnel_net_status", &[tunnel[0], ("status", "AVAILABLE")]), Some(0.0));

    api.control.remove(place, &ids[0]).expect("the tunnel");
    let metrics = daemon.until(|metrics| metrics.tunnels(&[]) == Some(1.0)).await;
    let left: Vec<_> =
        metrics.0.iter().filter(|sample| sample.labels.values().any(|value| *value == ids[0])).collect();
    assert_eq!(left, Vec::<&test_support::Sample>::new(), "its series are removed");
}

#[tokio::test]
async fn refused_account_does_not_affect_another() {
    let api = Api::start(frozen(&[(GUANGZHOU, 4)])).await;
    let good = api.account("good", &[GUANGZHOU]);
    let bad = api.account("bad", &[GUANGZHOU]).replace("secret_id: 'AKID", "secret_id: 'AKIDx");
    let daemon = Daemon::start(&api.config_for(&[&good, &bad], "interval: 250ms, timeout: 5s")).await;
    let metrics =
        daemon.until(|metrics| metrics.value("polls_total", &[("account", "good")]) >= Some(4.0)).await;
    assert_eq!(metrics.value("up", &[("account", "good")]), Some(1.0));
    assert_eq!(metrics.count("tunnel_up", &[("account", "good")]), 4);
    assert_eq!(metrics.value("up", &[("account", "bad")]), Some(0.0));
    assert_eq!(metrics.count("tunnel_up", &[("account", "bad")]), 0);
    assert_eq!(metrics.tunnels(&[("account", "bad")]), None);
    assert!(metrics.value("poll_failures_total", &[("account", "bad"), ("reason", "auth")]) >= Some(1.0));
    assert_eq!(metrics.sum("poll_failures_total", &[("account", "good")]), 0.0);
}

#[tokio::test]
async fn filters_narrow_the_listing() {
    let api = Api::start(frozen(&[(GUANGZHOU, 5)])).await;
    let ids = api.control.ids(GUANGZHOU).expect("the region");
    let filters = format!("  filters: [{{name: vpn-connection-id, values: [{}, {}]}}]\n", ids[1], ids[3]);
    let account = api.account("main", &[GUANGZHOU]) + &filters;
    let daemon = Daemon::start(&api.config_for(&[&account], "interval: 250ms, timeout: 5s")).await;
    let metrics = daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    let shown: Vec<_> =
        metrics.all("tunnel_up", &[]).map(|sample| &sample.labels["vpn_connection_id"]).collect();
    assert_eq!(shown.len(), 2);
    assert!(shown.contains(&&ids[1]) && shown.contains(&&ids[3]));
}

#[tokio::test]
async fn scrape_never_calls_the_api() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let daemon =
        Daemon::start(&api.config_with_poll(&[GUANGZHOU], "interval: 1h, timeout: 5s, stale_after: 2h"))
            .await;
    daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    let before = api.control.journal().len();
    for _ in 0..50 {
        daemon.scrape().await;
    }
    assert_eq!(api.control.journal().len(), before);
}

#[tokio::test]
async fn failed_first_poll_makes_the_daemon_ready() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let daemon =
        Daemon::start(&api.config_with_poll(&["ap-nowhere"], "interval: 1h, timeout: 5s, stale_after: 2h"))
            .await;
    let health = test_support::client().get(daemon.url("/-/healthy")).send().await.expect("a response");
    assert_eq!(health.status(), 200);
    daemon.until(|metrics| metrics.value("up", &[]) == Some(0.0)).await;
    daemon.wait_until_ready().await;
    let metrics = daemon.scrape().await;
    assert_eq!(metrics.value("poll_failures_total", &[("reason", "unsupported_region")]), Some(1.0));
}

#[tokio::test]
async fn stop_does_not_wait_for_a_poll() {
    let silent = tokio::net::TcpListener::bind(test_support::local()).await.expect("a free port");
    let address = silent.local_addr().expect("an address");
    let config = format!(
        "api: {{endpoint: 'http://{address}', request_timeout: 1h}}\n\
         poll: {{interval: 2h, timeout: 1h, stale_after: 4h}}\naccounts:\n- name: main\n  regions: [{GUANGZHOU}]\n  \
         credentials: {{type: static, secret_id: AKIDx, secret_key: x}}\n"
    );
    let daemon = Daemon::start(&config).await;
    let _request = with_timeout(silent.accept()).await.expect("a poll that gets no answer");
    with_timeout(daemon.stop()).await.expect("a clean stop");
}

#[tokio::test]
async fn only_labelled_tags_are_kept() {
    let api = Api::start(frozen(&[(GUANGZHOU, 20)])).await;
    let config = api.config(&[GUANGZHOU]) + "metrics: {tag_labels: [env]}\n";
    let (target, assignment) = only_target(&config);
    let (state, _) = poller::poll(&assignment, &TargetSnapshot::new(target)).await;
    let keys = || state.tunnels().iter().flat_map(|record| record.row.tags.iter().map(|(key, _)| &**key));
    assert!(keys().count() > 0, "no tunnel has a tag");
    assert!(keys().all(|key| key == "env"), "{:?}", keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn added_tag_label_has_values_at_once() {
    let api = Api::start(frozen(&[(GUANGZHOU, 20)])).await;
    let config = api.config_with_poll(&[GUANGZHOU], "interval: 1h, timeout: 10s");
    let daemon = Daemon::start(&config).await;
    daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;
    daemon.reload(&(config + "metrics: {tag_labels: [env]}\n")).await.expect("a valid configuration");
    let has_tag = |metrics: &Metrics| {
        let tags =
            |sample: &test_support::Sample| sample.labels.get("tag_env").is_some_and(|tag| !tag.is_empty());
        metrics.all("tunnel_info", &[]).any(tags)
    };
    daemon.until(has_tag).await;
}
