//! Tunnels of a failing target: they stay until `stale_after`, and return with their history.

use serde_json::json;
use simulator::{Fault, FaultKind};

use super::error;
use test_support::{
    Metrics,
    scene::{FAULTY_TARGET, GUANGZHOU, Scene, TUNNELS, assert_others_unaffected, tunnels},
};

fn polls(metrics: &Metrics) -> Option<f64> {
    metrics.value("polls_total", &FAULTY_TARGET)
}

#[tokio::test]
async fn stale_tunnels_are_hidden_and_keep_history() {
    let hourly = |timeout: u32, stale_after: &str| {
        format!("interval: 1h, timeout: {timeout}s, stale_after: {stale_after}")
    };
    let scene = Scene::start(&hourly(5, "2h")).await;
    let before = scene.wait_until_healthy().await;
    let place = GUANGZHOU;
    let id = scene.api.control.ids(place).expect("the region").remove(0);
    let transitions =
        |metrics: &Metrics| metrics.value("tunnel_transitions_total", &[("vpn_connection_id", &*id)]);
    assert_eq!(transitions(&before), Some(0.0));

    // New settings start a poll of every target immediately; the next poll is an hour later.
    scene.api.control.set(place, &id, "NetStatus", json!("UNAVAILABLE")).expect("the tunnel");
    scene.daemon.reload(&Scene::config(&scene.api, &hourly(6, "2h"))).await.expect("a good configuration");
    let good = scene.daemon.until(|metrics| transitions(metrics) == Some(1.0)).await;

    scene.set_fault(error("InvalidParameter"));
    scene.daemon.reload(&Scene::config(&scene.api, &hourly(7, "2h"))).await.expect("a good configuration");
    let failing = scene.daemon.until(|metrics| polls(metrics) == Some(3.0)).await;
    assert_eq!(failing.value("up", &FAULTY_TARGET), Some(0.0));
    assert_eq!(
        tunnels(&failing, FAULTY_TARGET),
        tunnels(&good, FAULTY_TARGET),
        "the tunnels of the last good poll stay"
    );

    scene.daemon.reload(&Scene::config(&scene.api, &hourly(7, "3s"))).await.expect("a good configuration");
    let stale = scene
        .daemon
        .until(|metrics| polls(metrics) == Some(4.0) && tunnels(metrics, FAULTY_TARGET).is_empty())
        .await;
    let success = stale.value("last_success_timestamp_seconds", &FAULTY_TARGET).expect("there was one");
    let age = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0 - success;
    assert!(age >= 3.0, "hidden after {age} s");
    assert_eq!(stale.tunnels(&FAULTY_TARGET), None, "their number is hidden, too");
    assert_eq!(stale.value("up", &FAULTY_TARGET), Some(0.0));
    let warning = scene.log.only_line(&["WARN", "no longer published"]);
    assert!(warning.contains("tunnels=3") && warning.contains("stale_after=3s"), "{warning}");
    scene.log.only_line(&["WARN", "poll failed"]);

    scene.clear_faults();
    scene.api.control.set(place, &id, "NetStatus", json!("AVAILABLE")).expect("the tunnel");
    scene.daemon.reload(&Scene::config(&scene.api, &hourly(8, "2h"))).await.expect("a good configuration");
    let back = scene.daemon.until(|metrics| !tunnels(metrics, FAULTY_TARGET).is_empty()).await;
    assert_eq!(back.count("tunnel_up", &FAULTY_TARGET), TUNNELS);
    assert_eq!(transitions(&back), Some(2.0), "the history continues, with the changes since then");
    assert_eq!(back.value("up", &FAULTY_TARGET), Some(1.0));
    scene.log.only_line(&["INFO", "polls succeed again"]);
    assert_others_unaffected(&before, &back);
}

#[tokio::test]
async fn stale_tunnels_are_hidden_during_a_hung_poll() {
    let scene = Scene::start("interval: 250ms, timeout: 8s, stale_after: 3s").await;
    let before = scene.wait_until_healthy().await;
    // One poll fails immediately, and the next one hangs.
    let error = Fault { times: Some(1), ..Fault::new(error("InvalidParameter")) };
    scene.set_faults([error, Fault { skip: 1, ..Fault::new(FaultKind::StallHeaders) }]);
    let stale = scene.daemon.until(|metrics| tunnels(metrics, FAULTY_TARGET).is_empty()).await;
    assert_eq!(stale.sum("poll_failures_total", &FAULTY_TARGET), 1.0, "the second poll has not ended");
    let later = scene.daemon.until(|metrics| polls(metrics) > polls(&stale)).await;
    assert!(tunnels(&later, FAULTY_TARGET).is_empty(), "a failed poll does not show them again");
    scene.log.only_line(&["WARN", "no longer published"]);

    scene.clear_faults();
    let after = scene.daemon.until(|metrics| !tunnels(metrics, FAULTY_TARGET).is_empty()).await;
    assert_eq!(tunnels(&after, FAULTY_TARGET), tunnels(&before, FAULTY_TARGET));
    assert_eq!(after.value("up", &FAULTY_TARGET), Some(1.0));
    assert_others_unaffected(&before, &after);
}

#[tokio::test]
async fn target_without_success_shows_no_tunnels() {
    let scene = Scene::start("interval: 250ms, timeout: 2s, stale_after: 1s").await;
    let up = |metrics: &Metrics| metrics.value("up", &FAULTY_TARGET);
    scene.set_fault(error("InternalError"));
    let config = Scene::config(&scene.api, "interval: 250ms, timeout: 2s, stale_after: 1s");
    drop(scene.daemon);
    let daemon = test_support::Daemon::start(&config).await;
    let metrics = daemon.until(|metrics| polls(metrics) >= Some(2.0)).await;
    assert_eq!(up(&metrics), Some(0.0));
    for absent in ["tunnels", "last_success_timestamp_seconds", "tunnel_up"] {
        assert_eq!(metrics.count(absent, &FAULTY_TARGET), 0, "{absent}");
    }
    assert_eq!(metrics.value("target_info", &FAULTY_TARGET), Some(1.0));
    assert!(scene.log.lines(&["no longer published"]).is_empty());

    scene.api.control.set_faults(vec![]).expect("no fault");
    let after = daemon.until(|metrics| up(metrics) == Some(1.0)).await;
    assert_eq!(after.count("tunnel_up", &FAULTY_TARGET), TUNNELS);
}
