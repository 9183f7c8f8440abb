//! A reload applies the new configuration as a whole or refuses it, and does not disturb what stays the same.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::json;
use simulator::{Fault, FaultKind};
use test_support::{
    Api, Daemon, DaemonOptions, Metrics, frozen,
    relay::Relay,
    scene::{FRANKFURT, GUANGZHOU},
    with_timeout,
};

const TOKYO: &str = "ap-tokyo";
const SINGAPORE: &str = "ap-singapore";

/// Polls start once an hour, unless something else starts them.
const HOURLY: &str = "interval: 1h, timeout: 5s, stale_after: 2h";

const LOADED: &str = "exporter_config_last_reload_successful";
const LOADED_AT: &str = "exporter_config_last_reload_success_timestamp_seconds";

async fn world() -> Api {
    Api::start(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2), (TOKYO, 2), (SINGAPORE, 1)])).await
}

fn of(account: &str) -> [(&'static str, &str); 1] {
    [("account", account)]
}

fn polls(metrics: &Metrics, account: &str) -> Option<f64> {
    metrics.value("polls_total", &of(account))
}

async fn post(daemon: &Daemon) -> (u16, String) {
    let answer = test_support::client().post(daemon.url("/-/reload")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

#[tokio::test]
async fn bad_file_changes_nothing_and_lists_all_problems() {
    let api = world().await;
    let good = api.config(&[GUANGZHOU]);
    let daemon = Daemon::start(&good).await;
    let before = daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    assert_eq!(before.value(LOADED, &[]), Some(1.0));

    let bad = "poll: {interval: 0s, pause: 1s}\napi: {endpoint: 'http://example.com'}\naccounts: []\n";
    let message = daemon.reload(bad).await.expect_err("a bad configuration");
    let (status, body) = post(&daemon).await;
    assert_eq!((status, body.trim_end()), (400, &*message));
    for place in ["poll.interval", "poll.pause", "api.endpoint", "accounts"] {
        assert!(body.lines().any(|line| line.contains(place)), "nothing of {place} in:\n{body}");
    }
    let failed = |metrics: &Metrics| metrics.value(LOADED, &[]) == Some(0.0);
    let during =
        daemon.until(|metrics| failed(metrics) && polls(metrics, "main") > polls(&before, "main")).await;
    assert_eq!(during.value(LOADED_AT, &[]), before.value(LOADED_AT, &[]));
    assert_eq!((during.value("up", &[]), during.count("tunnel_up", &[])), (Some(1.0), 3));

    // An unusable file is refused like an unreadable one.
    let unusable = good.replace("api: {", "api: {ca_file: /nowhere/ca.pem, ");
    daemon.reload(&unusable).await.expect_err("a file that is not there");
    let (status, body) = post(&daemon).await;
    assert_eq!(status, 400);
    assert!(body.contains("api.ca_file") && body.contains("/nowhere/ca.pem"), "{body}");

    // The path can stay the same while the content changes.
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, test_support::relay::Certificate::new().pem).expect("a file");
    let with_authority = good.replace("api: {", &format!("api: {{ca_file: '{}', ", ca_file.display()));
    daemon.reload(&with_authority).await.expect("a good configuration");
    std::fs::write(&ca_file, "garbage\n").expect("a file");
    let message = daemon.reload(&with_authority).await.expect_err("a file without a certificate");
    assert!(message.contains("ca.pem: no certificate in it"), "{message}");

    daemon.reload(&good).await.expect("a good configuration");
    assert_eq!(post(&daemon).await, (200, "reloaded\n".to_owned()));
    let after = daemon.until(|metrics| metrics.value(LOADED, &[]) == Some(1.0)).await;
    assert!(after.value(LOADED_AT, &[]) > before.value(LOADED_AT, &[]));
    assert_eq!((after.value("up", &[]), after.count("tunnel_up", &[])), (Some(1.0), 3));
}

#[tokio::test]
async fn reload_touches_only_changed_targets() {
    let api = world().await;
    let stays = api.account("stays", &[GUANGZHOU]);
    let changes = api.account("changes", &[FRANKFURT]);
    let goes = api.account("goes", &[TOKYO]);
    let daemon = Daemon::start(&api.config_for(&[&stays, &changes, &goes], HOURLY)).await;
    let before = daemon.until(|metrics| metrics.sum("up", &[]) == 3.0).await;

    let place = FRANKFURT;
    let ids = api.control.ids(place).expect("the region");
    api.control.set(place, &ids[0], "NetStatus", json!("UNAVAILABLE")).expect("the tunnel");
    let filter = format!("  filters: [{{name: vpn-connection-id, values: [{}]}}]\n", ids[0]);
    let narrowed = changes + &filter;
    let comes = api.account("comes", &[SINGAPORE]);
    daemon.reload(&api.config_for(&[&stays, &narrowed, &comes], HOURLY)).await.expect("a good configuration");
    let after = daemon
        .until(|metrics| polls(metrics, "changes") == Some(2.0) && polls(metrics, "comes") == Some(1.0))
        .await;

    let series = |metrics: &Metrics, account: &str| {
        let own = |name: &str| name.starts_with("tencentcloud_vpn_tunnel") || name.contains("_poll");
        let samples =
            metrics.0.iter().filter(|sample| sample.labels.get("account").is_some_and(|own| own == account));
        samples.filter(|sample| own(&sample.name)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(series(&after, "stays"), series(&before, "stays"));
    assert_eq!(polls(&after, "stays"), Some(1.0), "unchanged targets are not polled again");
    assert_eq!(after.0.iter().find(|sample| sample.labels.values().any(|value| value == "goes")), None);
    assert_eq!(after.count("target_info", &[]), 3);
    assert_eq!(after.count("tunnel_up", &of("changes")), 1, "the filter is used");
    let transitions = after.value("tunnel_transitions_total", &of("changes"));
    assert_eq!(transitions, Some(1.0), "the history continues");
    let requests = |name: &str| api.control.journal().iter().filter(|entry| entry.region == name).count();
    assert_eq!((requests(GUANGZHOU), requests(TOKYO), requests(SINGAPORE)), (1, 1, 1));
}

#[tokio::test]
async fn changed_tag_labels_take_effect_at_once() {
    let api = world().await;
    let plain = api.config_with_poll(&[GUANGZHOU], HOURLY);
    let daemon = Daemon::start(&plain).await;
    let before = daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    let labelled = |metrics: &Metrics, label: &str| {
        assert_eq!(metrics.count("tunnel_info", &[]), 3, "one of each tunnel:\n{metrics}");
        metrics.all("tunnel_info", &[]).filter(|sample| sample.labels.contains_key(label)).count()
    };
    assert_eq!(labelled(&before, "tag_env"), 0);
    for (tags, env, team) in [("env, team", 3, 3), ("team", 0, 3), ("env", 3, 0)] {
        daemon.reload(&format!("metrics: {{tag_labels: [{tags}]}}\n{plain}")).await.expect("good");
        let has = |metrics: &Metrics| (labelled(metrics, "tag_env"), labelled(metrics, "tag_team"));
        let metrics = daemon.until(|metrics| has(metrics) == (env, team)).await;
        assert_eq!(metrics.count("tunnel_up", &[]), 3);
    }
}

#[tokio::test]
async fn chinese_tag_is_shown_by_its_named_label() {
    let api = world().await;
    let place = GUANGZHOU;
    let ids = api.control.ids(place).expect("the region");
    let tags = json!([{"Key": "环境", "Value": "生产"}, {"Key": "团队", "Value": "网络"}]);
    api.control.set(place, &ids[0], "TagSet", tags).expect("the tunnel");
    let labels = "metrics: {tag_labels: [{tag: 环境, label: environment}, {tag: 团队, label: team}]}\n";
    let daemon = Daemon::start(&(labels.to_owned() + &api.config(&[GUANGZHOU]))).await;
    let shown = [("tag_environment", "生产"), ("tag_team", "网络")];
    let metrics = daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    assert_eq!(metrics.count("tunnel_info", &shown), 1, "{metrics}");
}

#[tokio::test]
async fn reload_replaces_all_connections_and_fails_no_poll() {
    let api = world().await;
    let relay = Relay::start(api.address);
    let config = |account: &str| {
        let own = api.account(account, &[FRANKFURT]);
        let config = api.config_for(
            &[&api.account("stays", &[GUANGZHOU]), &own],
            "interval: 250ms, timeout: 30s, stale_after: 1h",
        );
        let config = config.replace("request_timeout: 2s", "request_timeout: 20s");
        config.replace(&api.address.to_string(), &relay.address.to_string())
    };
    let daemon = Daemon::start(&config("goes")).await;
    let polled = |metrics: &Metrics, times: f64| polls(metrics, "stays") >= Some(times);
    daemon.until(|metrics| polled(metrics, 8.0)).await;
    let (opened, _) = relay.connections();
    assert!(opened <= 3, "{opened} connections for two targets: polls share them");

    let other = config("comes").replace("request_timeout: 20s", "request_timeout: 21s");
    for config in [config("comes"), other] {
        let (opened, _) = relay.connections();
        daemon.reload(&config).await.expect("a good configuration");
        let deadline = Instant::now() + test_support::MAX_WAIT;
        while relay.connections().1 < opened {
            assert!(Instant::now() < deadline, "old connections stay open");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = polls(&daemon.scrape().await, "stays");
        let metrics = daemon.until(|metrics| polls(metrics, "stays") > before).await;
        assert_eq!(metrics.sum("poll_failures_total", &[]), 0.0);
    }
}

#[tokio::test]
async fn reload_ends_a_hanging_poll() {
    let api = world().await;
    let silent = tokio::net::TcpListener::bind(test_support::local()).await.expect("a free port");
    let good = api.config_with_poll(&[GUANGZHOU], "interval: 1h, timeout: 1h, stale_after: 2h");
    let good = good.replace("request_timeout: 2s", "request_timeout: 1h");
    let stuck = good.replace(&api.address.to_string(), &silent.local_addr().expect("an address").to_string());
    let daemon = Daemon::start(&stuck).await;
    let _request = with_timeout(silent.accept()).await.expect("a poll that gets no answer");
    daemon.reload(&good).await.expect("a good configuration");
    let metrics = daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    assert_eq!(polls(&metrics, "main"), Some(1.0), "the cancelled poll does not count");
    assert_eq!(metrics.sum("poll_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn daemon_stays_ready_while_a_new_target_waits() {
    let api = world().await;
    let held = FaultKind::Latency { milliseconds: 3_600_000 };
    let fault = Fault { region: Some(TOKYO.to_owned()), ..Fault::new(held) };
    api.control.set_faults(vec![fault]).expect("faults");
    let config = |regions: &[&str]| {
        let config = api.config_with_poll(regions, "interval: 1h, timeout: 1h, stale_after: 2h");
        config.replace("request_timeout: 2s", "request_timeout: 1h")
    };
    let daemon = Daemon::start(&config(&[GUANGZHOU])).await;
    daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    daemon.wait_until_ready().await;
    daemon.reload(&config(&[GUANGZHOU, TOKYO])).await.expect("a good configuration");
    let metrics = daemon.until(|metrics| metrics.count("target_info", &[]) == 2).await;
    assert_eq!((metrics.count("up", &[]), daemon.readiness().await), (1, 200));
}

#[tokio::test]
async fn hung_configuration_file_blocks_nothing() {
    let api = world().await;
    let (reading, mut is_read) = tokio::sync::mpsc::unbounded_channel();
    let (mount, mounted) = mpsc::channel::<()>();
    let mounted = Mutex::new(mounted);
    let before_reading = Arc::new(move || {
        reading.send(()).expect("the test waits for this");
        // This returns once the other end is dropped.
        let _ = mounted.lock().expect("nothing panicked").recv();
    });
    let daemon = Daemon::start_with(
        DaemonOptions { before_reading, ..DaemonOptions::default() },
        &api.config(&[GUANGZHOU]),
    )
    .await;
    let before = daemon.until(|metrics| metrics.value("up", &[]) == Some(1.0)).await;
    let reload = tokio::spawn(test_support::client().post(daemon.url("/-/reload")).send());
    with_timeout(is_read.recv()).await.expect("the file is read");
    let metrics = daemon.until(|metrics| polls(metrics, "main") > polls(&before, "main")).await;
    assert_eq!((metrics.value("up", &[]), metrics.count("tunnel_up", &[])), (Some(1.0), 3));
    let health = test_support::client().get(daemon.url("/-/healthy")).send().await.expect("an answer");
    assert_eq!(health.status(), 200);
    // Less than the ten seconds that a reload waits for its files.
    let end = tokio::time::timeout(Duration::from_secs(8), daemon.stop()).await;
    end.expect("the stop waits for no file").expect("a good end");
    drop(mount);
    drop(with_timeout(reload).await);
}
