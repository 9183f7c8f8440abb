//! Valid responses with wrong content: wrong counts, and rows without ids.

use serde_json::json;
use simulator::{Fault, FaultKind};

use super::replaced;
use test_support::{
    Api, Metrics, frozen,
    scene::{
        FAULTY_TARGET, FRANKFURT, GUANGZHOU, Scene, TUNNELS, assert_others_unaffected, tunnels, with_reason,
    },
};

const POLL: &str = "interval: 250ms, timeout: 20s, stale_after: 1h";

fn count(value: u64) -> FaultKind {
    replaced("/Response/TotalCount", json!(value))
}

fn inconsistencies(metrics: &Metrics) -> Option<f64> {
    metrics.value("listing_inconsistencies_total", &FAULTY_TARGET)
}

/// A scene with this number of tunnels in the faulty region.
async fn scene_with_tunnels(tunnels: usize) -> (Scene, Metrics) {
    scene_with_tunnels_and_poll(tunnels, POLL).await
}

async fn scene_with_tunnels_and_poll(tunnels: usize, poll: &str) -> (Scene, Metrics) {
    let world = frozen(&[(GUANGZHOU, tunnels), (FRANKFURT, 2)]);
    let scene = Scene::start_with(world, |api| Scene::config(api, poll)).await;
    let before = scene.daemon.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    assert_eq!(before.count("tunnel_up", &FAULTY_TARGET), tunnels);
    (scene, before)
}

#[tokio::test]
async fn low_count_hides_no_tunnel() {
    check_wrong_count(1).await;
}

#[tokio::test]
async fn high_count_hides_no_tunnel() {
    check_wrong_count(TUNNELS as u64 + 1).await;
}

#[tokio::test]
async fn huge_count_causes_few_requests() {
    let scene = check_wrong_count(90_000).await;
    let polls = scene.daemon.scrape().await.value("polls_total", &FAULTY_TARGET);
    // Each poll reads two listings: the first page, and the pages that are requested at the same time.
    assert!(Some(scene.requests(GUANGZHOU) as f64) <= polls.map(|polls| (polls + 1.0) * 18.0));
}

/// Sets a wrong `TotalCount` for a while.
async fn check_wrong_count(tunnels_in_all: u64) -> Scene {
    let scene = Scene::start(POLL).await;
    let before = scene.wait_until_healthy().await;
    assert_eq!(inconsistencies(&before), Some(0.0));

    scene.set_fault(count(tunnels_in_all));
    let during = scene.daemon.until(|metrics| inconsistencies(metrics) >= Some(2.0)).await;
    assert_eq!(during.value("up", &FAULTY_TARGET), Some(1.0));
    assert_eq!(tunnels(&during, FAULTY_TARGET), tunnels(&before, FAULTY_TARGET));

    scene.clear_faults();
    let mut last = during;
    loop {
        let polled = |metrics: &Metrics| {
            metrics.value("polls_total", &FAULTY_TARGET) > last.value("polls_total", &FAULTY_TARGET)
        };
        let metrics = scene.daemon.until(polled).await;
        assert_eq!(tunnels(&metrics, FAULTY_TARGET), tunnels(&before, FAULTY_TARGET));
        assert_others_unaffected(&before, &metrics);
        if inconsistencies(&metrics) == inconsistencies(&last) {
            return scene;
        }
        last = metrics;
    }
}

#[tokio::test]
async fn low_count_with_many_missing_tunnels_fails_polls() {
    let (scene, before) = scene_with_tunnels(250).await;
    scene.set_fault(count(100));
    let during = scene.wait_for_two_failures("malformed_response", &before).await;
    scene.clear_faults();
    scene.wait_for_recovery(&before, &during).await;
    scene.assert_logged_once("malformed_response");
}

#[tokio::test]
async fn sample_detects_two_wrong_listings() {
    let (scene, before) = scene_with_tunnels(250).await;
    scene.set_faults([Fault { offset: Some(0), times: Some(2), ..Fault::new(count(100)) }]);
    let failures = with_reason(FAULTY_TARGET, "malformed_response");
    let after =
        scene.daemon.until(|metrics| metrics.value("poll_failures_total", &failures) == Some(1.0)).await;
    assert_eq!(tunnels(&after, FAULTY_TARGET), tunnels(&before, FAULTY_TARGET));
    let warning = scene.log.only_line(&["WARN", "poll failed"]);
    assert!(warning.contains("two listings lack rows that the API finds by id"), "{warning}");
    scene.wait_for_recovery(&before, &after).await;
}

#[tokio::test]
async fn many_deleted_tunnels_disappear_in_one_poll() {
    let (scene, before) = scene_with_tunnels(250).await;
    let place = GUANGZHOU;
    for id in &scene.api.control.ids(place).expect("the region")[50..200] {
        scene.api.control.remove(place, id).expect("the tunnel");
    }
    let after = scene.daemon.until(|metrics| metrics.tunnels(&FAULTY_TARGET) != Some(250.0)).await;
    assert_eq!(after.count("tunnel_up", &FAULTY_TARGET), 100);
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0);
    assert_others_unaffected(&before, &after);
}

#[tokio::test]
async fn row_without_id_is_counted_and_logged_once() {
    let scene = Scene::start(POLL).await;
    let before = scene.wait_until_healthy().await;
    let place = GUANGZHOU;
    let id = scene.api.control.ids(place).expect("the region").remove(1);
    let nameless = |metrics: &Metrics| {
        let [account, region] = FAULTY_TARGET;
        metrics.value("unknown_values_total", &[account, region, ("field", "vpn_connection_id")])
    };
    assert_eq!(nameless(&before), Some(0.0));

    scene.api.control.omit(place, &id, "VpnConnectionId").expect("the tunnel");
    let during = scene.daemon.until(|metrics| nameless(metrics) >= Some(2.0)).await;
    assert_eq!(during.value("up", &FAULTY_TARGET), Some(1.0));
    assert_eq!(during.count("tunnel_up", &FAULTY_TARGET), TUNNELS - 1);
    let warning = scene.log.only_line(&["WARN"]);
    assert!(warning.contains("rows without a usable id") && warning.contains(GUANGZHOU), "{warning}");

    scene.api.control.restore(place, &id).expect("the tunnel");
    let back = |metrics: &Metrics| metrics.count("tunnel_up", &FAULTY_TARGET) == TUNNELS;
    let after = scene.daemon.until(back).await;
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0);
    assert_others_unaffected(&before, &after);
}

#[tokio::test]
async fn tunnel_in_doubt_is_shown_as_unknown() {
    let scene = Scene::start(POLL).await;
    let before = scene.wait_until_healthy().await;
    let [account, place] = FAULTY_TARGET;
    let without_id = |metrics: &Metrics| {
        metrics.value("unknown_values_total", &[account, place, ("field", "vpn_connection_id")])
    };
    let unknown = |metrics: &Metrics| {
        let of = |name, label| metrics.sum(name, &[account, place, (label, "UNKNOWN")]);
        (of("tunnel_state", "state"), of("tunnel_net_status", "status"))
    };
    assert_eq!(unknown(&before), (0.0, 0.0));

    let pointer = "/Response/VpnConnectionSet/0/VpnConnectionId".to_owned();
    scene.set_fault(FaultKind::Remove { pointer });
    let during = scene.daemon.until(|metrics| unknown(metrics) == (1.0, 1.0)).await;
    assert_eq!(during.value("up", &FAULTY_TARGET), Some(1.0), "the poll succeeds");
    assert_eq!(during.tunnels(&FAULTY_TARGET), before.tunnels(&FAULTY_TARGET), "it is still counted");
    assert_eq!(during.count("tunnel_up", &FAULTY_TARGET), TUNNELS - 1, "it is neither up nor down");
    assert!(without_id(&during) >= Some(1.0));
    scene.daemon.until(|metrics| without_id(metrics) > without_id(&during)).await;

    scene.clear_faults();
    let as_before = |metrics: &Metrics| tunnels(metrics, FAULTY_TARGET) == tunnels(&before, FAULTY_TARGET);
    let after = scene.daemon.until(as_before).await;
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0);
    assert_eq!(after.sum("tunnel_transitions_total", &FAULTY_TARGET), 0.0, "UNKNOWN is not a transition");
}

#[tokio::test]
async fn tunnel_in_doubt_is_removed_after_stale_after() {
    let scene = Scene::start("interval: 250ms, timeout: 10s, stale_after: 500ms").await;
    let before = scene.wait_until_healthy().await;
    let pointer = "/Response/VpnConnectionSet/0/VpnConnectionId".to_owned();
    scene.set_fault(FaultKind::Remove { pointer });
    let left = |metrics: &Metrics| metrics.tunnels(&FAULTY_TARGET) == Some((TUNNELS - 1) as f64);
    let during = scene.daemon.until(left).await;
    assert_eq!(during.value("up", &FAULTY_TARGET), Some(1.0));
    assert_eq!(during.count("tunnel_state", &FAULTY_TARGET), 4 * (TUNNELS - 1));
    scene.clear_faults();
    scene.daemon.until(|metrics| metrics.tunnels(&FAULTY_TARGET) == before.tunnels(&FAULTY_TARGET)).await;
}

#[tokio::test]
async fn empty_query_result_keeps_a_tunnel_in_doubt() {
    let scene = Scene::start(POLL).await;
    let before = scene.wait_until_healthy().await;
    let place = GUANGZHOU;
    let id = scene.api.control.ids(place).expect("the region").remove(1);
    // The listing does not contain the id, and a query by id finds nothing.
    scene.api.control.omit(place, &id, "VpnConnectionId").expect("the tunnel");
    let of_tunnel = [FAULTY_TARGET[0], FAULTY_TARGET[1], ("vpn_connection_id", &*id), ("state", "UNKNOWN")];
    let during = scene.daemon.until(|metrics| metrics.value("tunnel_state", &of_tunnel) == Some(1.0)).await;
    assert_eq!(during.tunnels(&FAULTY_TARGET), before.tunnels(&FAULTY_TARGET), "it is still counted");
}

#[tokio::test]
async fn single_row_page_without_id_fails_no_poll() {
    let (scene, _) = scene_with_tunnels(101).await;
    let place = GUANGZHOU;
    let id = scene.api.control.ids(place).expect("the region").pop().expect("a tunnel");
    scene.api.control.omit(place, &id, "VpnConnectionId").expect("the tunnel");
    let of_tunnel = [FAULTY_TARGET[0], FAULTY_TARGET[1], ("vpn_connection_id", &*id), ("state", "UNKNOWN")];
    let during = scene.daemon.until(|metrics| metrics.value("tunnel_state", &of_tunnel) == Some(1.0)).await;
    assert_eq!(during.tunnels(&FAULTY_TARGET), Some(101.0));
    assert_eq!(during.sum("poll_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn only_tunnel_without_id_is_shown_as_unknown() {
    let (scene, _) = scene_with_tunnels(1).await;
    let place = GUANGZHOU;
    let id = scene.api.control.ids(place).expect("the region").remove(0);
    scene.api.control.omit(place, &id, "VpnConnectionId").expect("the tunnel");
    let during = scene.daemon.until(|metrics| unknown_states(metrics) == 1.0).await;
    assert_eq!(during.tunnels(&FAULTY_TARGET), Some(1.0));
    assert_eq!(during.sum("poll_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn many_tunnels_in_doubt_fail_no_poll() {
    let (scene, before) = scene_with_tunnels(250).await;
    let place = GUANGZHOU;
    for id in &scene.api.control.ids(place).expect("the region")[50..200] {
        scene.api.control.omit(place, id, "VpnConnectionId").expect("the tunnel");
    }
    let during = scene.daemon.until(|metrics| unknown_states(metrics) == 150.0).await;
    assert_eq!(during.tunnels(&FAULTY_TARGET), Some(250.0));
    assert_eq!(during.sum("poll_failures_total", &[]), 0.0);
    assert_others_unaffected(&before, &during);
}

#[tokio::test]
async fn many_tunnels_in_doubt_are_removed_when_stale() {
    let (scene, _) =
        scene_with_tunnels_and_poll(250, "interval: 250ms, timeout: 20s, stale_after: 500ms").await;
    let place = GUANGZHOU;
    let ids = scene.api.control.ids(place).expect("the region");
    scene.api.control.omit(place, &ids[0], "VpnConnectionId").expect("the tunnel");
    for id in &ids[50..200] {
        scene.api.control.remove(place, id).expect("the tunnel");
    }
    let after = scene.daemon.until(|metrics| metrics.tunnels(&FAULTY_TARGET) == Some(99.0)).await;
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0);
}

fn unknown_states(metrics: &Metrics) -> f64 {
    let [account, region] = FAULTY_TARGET;
    metrics.sum("tunnel_state", &[account, region, ("state", "UNKNOWN")])
}

#[tokio::test]
async fn tunnels_not_found_disappear() {
    const HOURLY: &str = "interval: 1h, timeout: 20s, stale_after: 2h";
    let config = |api: &Api, poll: &str| {
        Scene::config(api, poll).replace("request_timeout: 2s", "request_timeout: 20s")
    };
    let world = frozen(&[(GUANGZHOU, TUNNELS), (FRANKFURT, 2)]);
    let scene = Scene::start_with(world, |api| config(api, HOURLY)).await;
    let before = scene.wait_until_healthy().await;
    let place = GUANGZHOU;
    for id in &scene.api.control.ids(place).expect("the region")[..2] {
        scene.api.control.remove(place, id).expect("the tunnel");
    }
    // The next listing succeeds. Its queries by id fail: first the query for both tunnels, then the query for each.
    let not_found = FaultKind::Error { code: "ResourceNotFound".to_owned() };
    scene.set_faults([Fault { skip: 1, ..Fault::new(not_found) }]);
    let changed = config(&scene.api, &HOURLY.replace("1h", "90m"));
    scene.daemon.reload(&changed).await.expect("a good configuration");
    let after = scene.daemon.until(|metrics| metrics.tunnels(&FAULTY_TARGET) == Some(1.0)).await;
    assert_eq!(after.value("up", &FAULTY_TARGET), Some(1.0));
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0);
    assert_others_unaffected(&before, &after);
}

#[tokio::test]
async fn query_result_with_other_tunnels_is_malformed() {
    let scene = Scene::start(POLL).await;
    let before = scene.wait_until_healthy().await;
    scene.set_fault(FaultKind::Rows { count: 100 });
    let during = scene.wait_for_two_failures("malformed_response", &before).await;
    scene.clear_faults();
    scene.wait_for_recovery(&before, &during).await;
    scene.assert_logged_once("malformed_response");
}
