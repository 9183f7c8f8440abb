//! A server with an untrusted certificate. All targets use it, so there is no unaffected target.

use test_support::{
    Metrics,
    relay::{Certificate, Relay},
    scene::{FAULTY_TARGET, FRANKFURT, GUANGZHOU, OTHER_TARGETS, Scene, TUNNELS, tunnels, with_reason},
};

#[tokio::test]
async fn untrusted_server_receives_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (trusted, other) = (Certificate::new(), Certificate::new());
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &trusted.pem).expect("a file");
    let mut relay = None;
    let world = test_support::frozen(&[(GUANGZHOU, TUNNELS), (FRANKFURT, 2)]);
    let scene = Scene::start_with(world, |api| {
        let relay = relay.insert(Relay::start(api.address));
        relay.use_certificate(&trusted);
        let poll = "interval: 250ms, timeout: 2s, stale_after: 1h";
        Scene::config(api, poll).replace(
            &format!("endpoint: 'http://{}'", api.address),
            &format!("endpoint: 'https://{}', ca_file: '{}'", relay.address, file.display()),
        )
    })
    .await;
    let relay = relay.expect("it was started");
    let before = scene.wait_until_healthy().await;

    relay.use_certificate(&other);
    let reason = with_reason(FAULTY_TARGET, "connection");
    let during =
        scene.daemon.until(|metrics| metrics.value("poll_failures_total", &reason) >= Some(2.0)).await;
    assert_eq!(during.value("up", &FAULTY_TARGET), Some(0.0));
    assert_eq!(
        during.sum("poll_failures_total", &FAULTY_TARGET),
        during.value("poll_failures_total", &reason).unwrap_or_default()
    );
    for target in [FAULTY_TARGET, OTHER_TARGETS[0], OTHER_TARGETS[1]] {
        assert_eq!(
            tunnels(&during, target),
            tunnels(&before, target),
            "the tunnels of the last good poll stay"
        );
    }
    let requests = scene.api.control.journal().len();
    let warning = scene.log.only_line(&["WARN", "poll failed", GUANGZHOU]);
    assert!(warning.contains("certificate"), "{warning}");
    let again = |metrics: &Metrics| {
        metrics.value("poll_failures_total", &reason) > during.value("poll_failures_total", &reason)
    };
    scene.daemon.until(again).await;
    assert_eq!(scene.api.control.journal().len(), requests, "nothing was sent");

    relay.use_certificate(&trusted);
    let after = scene.daemon.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    for target in [FAULTY_TARGET, OTHER_TARGETS[0], OTHER_TARGETS[1]] {
        assert_eq!(tunnels(&after, target), tunnels(&before, target));
    }
    scene.log.only_line(&["INFO", "polls succeed again", GUANGZHOU]);
}
