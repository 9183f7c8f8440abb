//! Refused credentials: polls slow down, and a change that may help causes a poll at once.

use std::time::{Duration, Instant};

use simulator::Entry;

use super::error;
use test_support::{
    Metrics, frozen,
    scene::{FAULTY_TARGET, FRANKFURT, GUANGZHOU, Scene, TUNNELS, assert_others_unaffected, tunnels},
    with_timeout,
};

/// Polls run once an hour, unless another event starts them.
const HOURLY: &str = "interval: 1h, timeout: 5s, stale_after: 2h";

fn up(metrics: &Metrics) -> Option<f64> {
    metrics.value("up", &FAULTY_TARGET)
}

#[tokio::test]
async fn refused_signature_slows_polls_down() {
    check_polls_slow_down("AuthFailure.SignatureFailure").await;
}

#[tokio::test]
async fn missing_permission_slows_polls_down() {
    check_polls_slow_down("UnauthorizedOperation").await;
}

#[tokio::test]
async fn refused_address_slows_polls_down() {
    check_polls_slow_down("IpInBlacklist").await;
}

/// Refuses polls for a while: the pauses grow, other targets are not affected, and afterwards the target recovers.
async fn check_polls_slow_down(code: &str) {
    let scene = Scene::start("interval: 200ms, timeout: 5s, stale_after: 1h").await;
    let before = scene.wait_until_healthy().await;
    scene.api.control.clear_journal();
    scene.set_fault(error(code));
    let refused = |entries: &[Entry]| -> Vec<u128> {
        entries.iter().filter(|entry| !entry.faults.is_empty()).map(|entry| entry.at.as_millis()).collect()
    };
    with_timeout(scene.api.control.until(|entries| refused(entries).len() >= 6)).await;
    let times = refused(&scene.api.control.journal());
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The server records a request before the poll ends. The next poll starts after the pause, less one interval.
    for (gap, least) in gaps.iter().zip([0, 0, 200, 600, 1400]) {
        assert!(*gap >= least, "{code}: {gaps:?}");
    }
    let during = scene.daemon.until(|metrics| up(metrics) == Some(0.0)).await;
    assert_eq!(tunnels(&during, FAULTY_TARGET), tunnels(&before, FAULTY_TARGET));
    // The other targets keep their interval.
    let others = |entries: &[Entry]| entries.iter().filter(|entry| entry.region == FRANKFURT).count();
    with_timeout(scene.api.control.until(|entries| others(entries) > 4 * refused(entries).len())).await;

    scene.clear_faults();
    let changed = Scene::config(&scene.api, "interval: 201ms, timeout: 5s, stale_after: 1h");
    scene.daemon.reload(&changed).await.expect("a good configuration");
    let after = scene.daemon.until(|metrics| up(metrics) == Some(1.0)).await;
    assert_eq!(tunnels(&after, FAULTY_TARGET), tunnels(&before, FAULTY_TARGET));
    assert_others_unaffected(&before, &after);
    scene.log.only_line(&["WARN"]);
}

#[tokio::test]
async fn reload_ends_the_pause_after_refused_signatures() {
    check_reload_ends_the_pause("AuthFailure.SignatureFailure").await;
}

#[tokio::test]
async fn reload_ends_the_pause_after_missing_permissions() {
    check_reload_ends_the_pause("UnauthorizedOperation").await;
}

async fn check_reload_ends_the_pause(code: &str) {
    let scene = Scene::start("interval: 400ms, timeout: 5s, stale_after: 1h").await;
    scene.wait_until_healthy().await;
    scene.api.control.clear_journal();
    scene.set_fault(error(code));
    let times = |entries: &[Entry], is_refused: bool| -> Vec<u128> {
        let here = entries.iter().filter(|entry| entry.region == GUANGZHOU);
        let here = here.filter(|entry| entry.faults.is_empty() != is_refused);
        here.map(|entry| entry.at.as_millis()).collect()
    };
    with_timeout(scene.api.control.until(|entries| times(entries, true).len() >= 7)).await;
    let last_refused = *times(&scene.api.control.journal(), true).last().expect("seven refusals");
    scene.clear_faults();
    let changed = Scene::config(&scene.api, "interval: 401ms, timeout: 5s, stale_after: 1h");
    scene.daemon.reload(&changed).await.expect("a good configuration");
    let is_good = |at: &u128| *at > last_refused;
    let good = |entries: &[Entry]| times(entries, false).into_iter().find(is_good);
    with_timeout(scene.api.control.until(|entries| good(entries).is_some())).await;
    // Without the reload, the pause after seven refusals is 12.8 s, less one interval.
    let pause = good(&scene.api.control.journal()).expect("a good poll") - last_refused;
    assert!(pause < 10_000, "{pause} ms");
}

#[tokio::test]
async fn other_refusals_do_not_slow_polls_down() {
    let scene = Scene::start("interval: 100ms, timeout: 5s, stale_after: 1h").await;
    let before = scene.wait_until_healthy().await;
    scene.set_fault(error("InvalidParameterValue.Malformed"));
    let [account, region] = FAULTY_TARGET;
    let reason = [account, region, ("reason", "refused")];
    let start = Instant::now();
    let during =
        scene.daemon.until(|metrics| metrics.value("poll_failures_total", &reason) >= Some(12.0)).await;
    // Doubled pauses would add up to a hundred seconds.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_others_unaffected(&before, &during);
}

#[tokio::test]
async fn new_credentials_end_a_refusal_soon() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, "not-the-key\n").expect("a file");
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, TUNNELS), (FRANKFURT, 2)]), |api| {
        let key = format!("secret_key: '{}'", api.control.credentials().secret_key);
        let bad = api
            .account("main", &[GUANGZHOU])
            .replace(&key, &format!("secret_key_file: '{}'", file.display()));
        api.config_for(&[&bad, &api.account("other", &[FRANKFURT])], HOURLY)
    })
    .await;
    let refused = scene.daemon.until(|metrics| metrics.count("up", &[]) == 2).await;
    assert_eq!(up(&refused), Some(0.0));
    assert_eq!(
        refused.value("poll_failures_total", &test_support::scene::with_reason(FAULTY_TARGET, "auth")),
        Some(1.0)
    );
    assert_eq!(scene.requests(GUANGZHOU), 1, "a refused request is not retried");

    let key = scene.api.control.credentials().secret_key.clone();
    std::fs::write(&file, key + "\n").expect("a file");
    let after = scene.daemon.until(|metrics| up(metrics) == Some(1.0)).await;
    assert_eq!(after.count("tunnel_up", &FAULTY_TARGET), TUNNELS);
    let other = [("account", "other")];
    assert_eq!(after.value("polls_total", &other), Some(1.0), "the other account was not polled again");
    assert_eq!(after.value("up", &other), Some(1.0));
}
