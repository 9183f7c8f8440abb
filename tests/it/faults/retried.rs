//! Faults that a retry within the poll solves, and errors that must not be retried.

use simulator::{Fault, FaultKind, Options};

use super::{error, status};
use test_support::{
    Metrics, frozen,
    scene::{FAULTY_TARGET, OTHER_TARGETS, Scene, assert_others_unaffected},
};

/// This number of regions with two tunnels each.
fn regions(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("region-{number}")).collect()
}

fn world(regions: &[String]) -> Options {
    frozen(&regions.iter().map(|name| (&**name, 2)).collect::<Vec<_>>())
}

fn names(regions: &[String]) -> Vec<&str> {
    regions.iter().map(|name| &**name).collect()
}

#[tokio::test]
async fn occasional_failures_are_retried() {
    let table = [
        (error("InternalError.ModuleError"), "server_error"),
        (error("ServiceUnavailable"), "server_error"),
        (error("ResourceUnavailable"), "server_error"),
        (error("RequestLimitExceeded"), "throttled"),
        (error("RequestLimitExceeded.GlobalRegionUinLimitExceeded"), "throttled"),
        (status(429), "throttled"),
        (status(502), "server_error"),
        (FaultKind::Reset, "connection"),
        (FaultKind::Truncate, "connection"),
        (FaultKind::StallHeaders, "timeout"),
        (FaultKind::StallBody, "timeout"),
    ];
    let regions = regions(table.len());
    let poll = "interval: 250ms, timeout: 30s, stale_after: 1h";
    let scene = Scene::start_with(world(&regions), |api| api.config_with_poll(&names(&regions), poll)).await;
    let before = scene.daemon.until(|metrics| metrics.sum("up", &[]) == table.len() as f64).await;
    assert_eq!(before.sum("api_request_failures_total", &[]), 0.0);

    let faults = table.iter().zip(&regions).map(|((kind, _), region)| Fault {
        region: Some(region.clone()),
        share: 0.5,
        ..Fault::new(kind.clone())
    });
    scene.api.control.set_faults(faults.collect()).expect("faults that can happen");
    let affected = |region: &str| {
        let journal = scene.api.control.journal();
        journal.iter().filter(|entry| entry.region == region && !entry.faults.is_empty()).count()
    };
    let metrics = scene
        .daemon
        .until(|metrics| {
            let polls = |region| metrics.value("polls_total", &[("region", region)]);
            let failures = |reason| metrics.sum("api_request_failures_total", &[("reason", reason)]);
            regions.iter().all(|region| affected(region) >= 2 && polls(region) >= Some(4.0))
                && table.iter().all(|(_, reason)| failures(*reason) >= 2.0)
        })
        .await;
    assert_eq!(metrics.sum("up", &[]), table.len() as f64, "{metrics}");
    assert_eq!(metrics.sum("poll_failures_total", &[]), 0.0, "{metrics}");
    assert_eq!(metrics.count("tunnel_up", &[]), 2 * table.len());
    assert!(scene.log.lines(&["WARN"]).is_empty(), "{:?}", scene.log.lines(&["WARN"]));
}

#[tokio::test]
async fn only_some_errors_are_retried() {
    let table = [
        ("InternalError", "server_error", true),
        ("InternalError.ModuleError", "server_error", true),
        ("ServiceUnavailable", "server_error", true),
        ("ResourceUnavailable", "server_error", true),
        ("RequestLimitExceeded", "throttled", true),
        ("RequestLimitExceeded.UinLimitExceeded", "throttled", true),
        ("RequestLimitExceeded.IPLimitExceeded", "throttled", true),
        ("AuthFailure.SignatureFailure", "auth", false),
        ("AuthFailure.SecretIdNotFound", "auth", false),
        ("AuthFailure.TokenFailure", "auth", false),
        ("AuthFailure.UnauthorizedOperation", "unauthorized", false),
        ("UnauthorizedOperation", "unauthorized", false),
        ("UnauthorizedOperation.CamNoAuth", "unauthorized", false),
        ("IpNotInWhitelist", "unauthorized", false),
        ("IpInBlacklist", "unauthorized", false),
        ("UnsupportedRegion", "unsupported_region", false),
        ("InvalidParameter.FilterInvalidKey", "refused", false),
        ("InvalidParameterValue.Malformed", "refused", false),
        ("UnsupportedOperation", "refused", false),
        ("ResourceNotFound", "refused", false),
        ("LimitExceeded", "refused", false),
        ("ActionOffline", "refused", false),
        ("NeverHeardOf.Before", "refused", false),
    ];
    let regions = regions(table.len());
    let faults = table.iter().zip(&regions);
    let faults =
        faults.map(|((code, ..), region)| Fault { region: Some(region.clone()), ..Fault::new(error(code)) });
    let world = Options { faults: faults.collect(), ..world(&regions) };
    let poll = "interval: 1h, timeout: 3s, stale_after: 2h";
    let scene = Scene::start_with(world, |api| api.config_with_poll(&names(&regions), poll)).await;
    let metrics = scene.daemon.until(|metrics| metrics.count("up", &[]) == table.len()).await;
    assert_eq!(metrics.sum("up", &[]), 0.0);
    for ((code, reason, again), region) in table.iter().zip(&regions) {
        let failures = metrics.value("poll_failures_total", &[("region", region), ("reason", reason)]);
        assert_eq!(failures, Some(1.0), "{code}");
        let requests = scene.requests(region);
        assert!(if *again { requests >= 2 } else { requests == 1 }, "{code}: {requests} requests");
    }
}

#[tokio::test]
async fn slow_clock_is_corrected() {
    check_wrong_clock(3600).await;
}

#[tokio::test]
async fn fast_clock_is_corrected() {
    check_wrong_clock(-3600).await;
}

#[tokio::test]
async fn clock_offset_follows_the_clock_without_a_refusal() {
    let scene = Scene::start("interval: 250ms, timeout: 10s, stale_after: 1h").await;
    scene.wait_until_healthy().await;
    // The API accepts times that are up to 300 s off, so it refuses none of the requests after the first.
    for ahead in [400_i32, 150, 0] {
        let near = |metrics: &Metrics| {
            let offset = metrics.value("api_clock_offset_seconds", &FAULTY_TARGET).expect("an offset");
            (offset - f64::from(ahead)).abs() < 30.0
        };
        scene.set_fault(FaultKind::ClockSkew { seconds: ahead.into() });
        scene.daemon.until(near).await;
    }
    let after = scene
        .daemon
        .until(|metrics| metrics.value("api_clock_offset_seconds", &FAULTY_TARGET) == Some(0.0))
        .await;
    let refusals = [("account", "main"), ("action", "DescribeVpnConnections"), ("reason", "clock_skew")];
    assert_eq!(after.value("api_request_failures_total", &refusals), Some(1.0));
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0, "no poll was skipped");
}

/// Sets the API's clock ahead by this many seconds for a while.
async fn check_wrong_clock(ahead: i32) {
    let offset =
        |metrics: &Metrics| metrics.value("api_clock_offset_seconds", &FAULTY_TARGET).expect("an offset");
    let scene = Scene::start("interval: 250ms, timeout: 10s, stale_after: 1h").await;
    let before = scene.wait_until_healthy().await;
    assert_eq!(offset(&before), 0.0);

    scene.set_fault(FaultKind::ClockSkew { seconds: ahead.into() });
    let during = scene.daemon.until(|metrics| (offset(metrics) - f64::from(ahead)).abs() < 60.0).await;
    assert_eq!(during.value("up", &FAULTY_TARGET), Some(1.0));
    for other in OTHER_TARGETS {
        assert_eq!(during.value("api_clock_offset_seconds", &other), Some(0.0));
    }
    let warning = scene.log.only_line(&["WARN"]);
    assert!(warning.contains("clock differs") && warning.contains("offset_seconds="), "{warning}");

    scene.clear_faults();
    let after = scene.daemon.until(|metrics| offset(metrics) == 0.0).await;
    assert_eq!(after.value("up", &FAULTY_TARGET), Some(1.0));
    assert_eq!(after.sum("poll_failures_total", &[]), 0.0, "no poll was skipped");
    let refusals = [("account", "main"), ("action", "DescribeVpnConnections"), ("reason", "clock_skew")];
    assert_eq!(after.value("api_request_failures_total", &refusals), Some(2.0));
    scene.log.only_line(&["WARN"]);
    scene.log.only_line(&["INFO", "clock correction is no longer needed"]);
    assert_others_unaffected(&before, &after);
}
