//! Many concurrent responses of maximum size do not delay other accounts.

use simulator::{Fault, FaultKind};

use test_support::{
    frozen,
    scene::{FRANKFURT, OTHER_TARGETS, Scene, assert_others_unaffected},
};

/// More than the number of permits for large bodies.
const LARGE_REGIONS: usize = 10;

#[tokio::test]
async fn large_responses_delay_no_other_account() {
    let greedy: Vec<_> = (0..LARGE_REGIONS).map(|number| format!("region-{number}")).collect();
    let mut regions: Vec<_> = greedy.iter().map(|name| (&**name, 1)).collect();
    regions.push((FRANKFURT, 2));
    let mut names: Vec<_> = greedy.iter().map(|name| &**name).collect();
    names.push(FRANKFURT);
    let scene = Scene::start_with(frozen(&regions), |api| {
        let accounts = [api.account("main", &names), api.account("other", &[FRANKFURT])];
        let poll = "interval: 3s, timeout: 1m, stale_after: 1h";
        api.config_for(&accounts.each_ref().map(|text| &**text), poll)
            .replace("request_timeout: 2s", "request_timeout: 25s")
    })
    .await;
    let all = (LARGE_REGIONS + 2) as f64;
    let before = scene.daemon.until(|metrics| metrics.sum("up", &[]) == all).await;
    let endless =
        greedy.iter().map(|name| Fault { region: Some(name.clone()), ..Fault::new(FaultKind::Endless) });
    scene.api.control.set_faults(endless.collect()).expect("faults that can happen");
    let malformed = [("reason", "malformed_response")];
    let during = scene
        .daemon
        .until(|metrics| {
            metrics.all("poll_failures_total", &malformed).filter(|sample| sample.value >= 1.0).count()
                == LARGE_REGIONS
        })
        .await;
    assert_eq!(during.sum("up", &[]), 2.0);
    for other in OTHER_TARGETS {
        assert!(during.value("polls_total", &other) > before.value("polls_total", &other));
    }
    assert_others_unaffected(&before, &during);
    scene.api.control.set_faults(vec![]).expect("no fault");
    scene.daemon.until(|metrics| metrics.sum("up", &[]) == all).await;
}
