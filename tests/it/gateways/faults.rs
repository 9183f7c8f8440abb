//! Each fault, of the requests for gateways and customer gateways alone: tunnels and their polls do not change.

use serde_json::{Value, json};
use simulator::{Entry, Fault, FaultKind};

use super::{CUSTOMER_GATEWAYS, GATEWAYS, TUNNELS, config, requests};
use test_support::{
    Metrics, frozen,
    scene::{
        FAULTY_TARGET, FRANKFURT, GUANGZHOU, OTHER_TARGETS, Scene, assert_others_unaffected, body, error,
        status, tunnels,
    },
    with_timeout,
};

const POLLS: &str = "polls_total";

fn up(metrics: &Metrics) -> Option<f64> {
    metrics.value("gateways_up", &FAULTY_TARGET)
}

/// All samples of the faulty target's gateways, in a fixed order.
fn gateways(metrics: &Metrics) -> Vec<String> {
    let is_of_target = |(label, value): &(&str, &str), sample: &test_support::Sample| {
        sample.labels.get(*label).is_some_and(|own| own == value)
    };
    let names = ["tencentcloud_vpn_gateway_", "tencentcloud_vpn_customer_gateway_"];
    let mut samples: Vec<_> = metrics
        .0
        .iter()
        .filter(|sample| names.iter().any(|name| sample.name.starts_with(name)))
        .filter(|sample| FAULTY_TARGET.iter().all(|label| is_of_target(label, sample)))
        .map(|sample| format!("{}{:?} {}", sample.name, sample.labels, sample.value))
        .collect();
    samples.sort();
    samples
}

/// A scene in which gateways are listed, and its metrics.
async fn healthy() -> (Scene, Metrics) {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), config).await;
    let metrics = scene.daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 3.0).await;
    assert!(!gateways(&metrics).is_empty(), "{metrics}");
    (scene, metrics)
}

/// Makes a fault affect all requests for gateways and customer gateways of the faulty target.
fn set_fault(scene: &Scene, kind: &FaultKind) {
    scene.set_faults(
        [GATEWAYS, CUSTOMER_GATEWAYS]
            .map(|action| Fault { action: Some(action.to_owned()), ..Fault::new(kind.clone()) }),
    );
}

/// Waits for this many affected requests of each kind.
async fn wait_for_affected(scene: &Scene, count: usize) {
    let affected = |entries: &[Entry], action: &str| {
        entries.iter().filter(|entry| entry.action == action && !entry.faults.is_empty()).count()
    };
    let are_enough = |entries: &[Entry]| {
        [GATEWAYS, CUSTOMER_GATEWAYS].iter().all(|action| affected(entries, action) >= count)
    };
    with_timeout(scene.api.control.until(are_enough)).await;
}

/// Asserts that tunnels and their polls are as without the fault.
fn assert_tunnels_unaffected(scene: &Scene, before: &Metrics, during: &Metrics) {
    assert_eq!(tunnels(during, FAULTY_TARGET), tunnels(before, FAULTY_TARGET));
    assert_others_unaffected(before, during);
    assert_eq!(during.sum("up", &[]), 3.0, "{during}");
    assert_eq!(during.sum("poll_failures_total", &[]), 0.0, "{during}");
    assert_eq!(during.sum("api_clock_offset_seconds", &[]), 0.0, "{during}");
    assert_eq!(during.sum("listing_inconsistencies_total", &[]), 0.0, "{during}");
    let of_tunnels = [("action", TUNNELS)];
    assert_eq!(during.sum("api_request_failures_total", &of_tunnels), 0.0, "{during}");
    // Each poll is one request; the last one may not be counted yet.
    let polls = during.value(POLLS, &FAULTY_TARGET).expect("a counter");
    let requests = requests(&scene.api.control.journal(), TUNNELS, GUANGZHOU) as f64;
    assert!(requests >= polls, "{requests} requests in {polls} polls");
    for target in OTHER_TARGETS {
        assert_eq!(during.value("gateways_up", &target), Some(1.0), "{during}");
    }
}

/// Checks a fault of the listings of gateways. `is_fatal`: they fail; otherwise retries succeed.
async fn check(kind: FaultKind, is_fatal: bool) {
    let (scene, before) = healthy().await;
    set_fault(&scene, &kind);
    wait_for_affected(&scene, 2).await;
    let during = scene.daemon.until(|metrics| !is_fatal || up(metrics) == Some(0.0)).await;
    // Two more polls of the tunnels.
    let polls = |metrics: &Metrics| metrics.value(POLLS, &FAULTY_TARGET).expect("a counter");
    let has_polled = |metrics: &Metrics| {
        polls(metrics) >= polls(&during) + 2.0
            && OTHER_TARGETS.iter().all(|target| metrics.value(POLLS, target) > before.value(POLLS, target))
    };
    let during = scene.daemon.until(has_polled).await;
    assert_tunnels_unaffected(&scene, &before, &during);
    assert_eq!(gateways(&during), gateways(&before), "the last good listings are still shown");
    if is_fatal {
        let lines = scene.log.lines(&["WARN", "gateways cannot be listed; tunnels are not affected"]);
        // A line for each kind, if the fault began between their requests.
        assert!((1..=2).contains(&lines.len()), "{lines:#?}");
        assert!(
            lines.iter().all(|line| line.contains("account=main") && line.contains(GUANGZHOU)),
            "{lines:#?}"
        );
    }
    scene.clear_faults();
    // Refusals make the pauses longer, and a reload ends them.
    let changed = config(&scene.api).replace("gateways: {interval: 250ms}", "gateways: {interval: 251ms}");
    scene.daemon.reload(&changed).await.expect("a good configuration");
    let after = scene.daemon.until(|metrics| up(metrics) == Some(1.0)).await;
    assert_eq!(gateways(&after), gateways(&before));
    assert_eq!(scene.log.lines(&["WARN", "poll failed"]), [""; 0]);
}

/// Declares a test for each fault.
macro_rules! faults {
    ($($name:ident: $kind:expr, $is_fatal:expr;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                check($kind, $is_fatal).await;
            }
        )+
    };
}

fn replaced(pointer: &str, value: Value) -> FaultKind {
    FaultKind::Replace { pointer: pointer.to_owned(), value }
}

faults! {
    internal_errors: error("InternalError.ModuleError"), true;
    unavailable_service: error("ServiceUnavailable"), true;
    throttled_requests: error("RequestLimitExceeded.UinLimitExceeded"), true;
    status_429: status(429), true;
    status_502: status(502), true;
    missing_permission: error("UnauthorizedOperation"), true;
    refused_signature: error("AuthFailure.SignatureFailure"), true;
    refused_address: error("IpNotInWhitelist"), true;
    expired_token: error("AuthFailure.TokenFailure"), true;
    unsupported_region: error("UnsupportedRegion"), true;
    unknown_action: error("InvalidAction"), true;
    stalled_response: FaultKind::StallHeaders, true;
    stalled_body: FaultKind::StallBody, true;
    slow_body: FaultKind::Drip { bytes_per_second: 50 }, true;
    reset_connection: FaultKind::Reset, true;
    truncated_response: FaultKind::Truncate, true;
    html_response: body("<html>busy</html>"), true;
    empty_response: body(""), true;
    invalid_json: body("{\"Response\": {"), true;
    response_without_rows: body("{\"Response\": {\"TotalCount\": 1, \"RequestId\": \"r\"}}"), true;
    endless_response: FaultKind::Endless, true;
    huge_response: FaultKind::Inflate { mebibytes: 64 }, true;
    redirect: FaultKind::Redirect { location: "http://127.0.0.1:9/".to_owned() }, true;
    response_without_envelope: FaultKind::Remove { pointer: "/Response".to_owned() }, true;
    impossible_count: replaced("/Response/TotalCount", json!(-1)), true;
    huge_count: replaced("/Response/TotalCount", json!(4_000_000_000_u64)), true;
    more_rows_than_requested: FaultKind::Rows { count: 300 }, true;
    wrong_clock: FaultKind::ClockSkew { seconds: 4000 }, false;
    contradictory_count: replaced("/Response/TotalCount", json!(7)), false;
}

#[tokio::test]
async fn occasional_failures_are_retried() {
    let (scene, before) = healthy().await;
    scene.set_faults([GATEWAYS, CUSTOMER_GATEWAYS].map(|action| Fault {
        action: Some(action.to_owned()),
        share: 0.5,
        ..Fault::new(error("InternalError"))
    }));
    wait_for_affected(&scene, 3).await;
    let during = scene.daemon.scrape().await;
    assert_tunnels_unaffected(&scene, &before, &during);
    assert_eq!(during.sum("gateways_up", &[]), 3.0);
}

#[tokio::test]
async fn denied_permissions_are_named_once() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), |api| {
        let account = &api.control.accounts()[0].number;
        for action in [GATEWAYS, CUSTOMER_GATEWAYS] {
            api.control.forbid(account, action).expect("an account");
        }
        config(api)
    })
    .await;
    let before = scene.daemon.until(|metrics| metrics.count("gateways_up", &[]) == 3).await;
    assert_eq!(before.sum("gateways_up", &[]), 0.0);
    assert_eq!(before.sum("up", &[]), 3.0);
    assert_eq!(before.count("gateways_last_success_timestamp_seconds", &[]), 0);
    assert!(gateways(&before).is_empty());
    let line = scene.log.only_line(&["WARN", "account=main", GUANGZHOU]);
    for text in ["vpc:DescribeVpnGateways", "vpc:DescribeCustomerGateways", "deploy/cam-policy.json"] {
        assert!(line.contains(text), "{line}");
    }
    let account = &scene.api.control.accounts()[0].number;
    for action in [GATEWAYS, CUSTOMER_GATEWAYS] {
        scene.api.control.allow(account, action).expect("an account");
    }
    let after = scene.daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 3.0).await;
    assert_eq!(tunnels(&after, FAULTY_TARGET), tunnels(&before, FAULTY_TARGET));
    scene.log.only_line(&["INFO", "gateways are listed again", "account=main", GUANGZHOU]);
    scene.log.only_line(&["WARN", "account=main", GUANGZHOU]);
}

#[tokio::test]
async fn refused_listings_slow_down() {
    let (scene, _) = healthy().await;
    set_fault(&scene, &error("UnauthorizedOperation"));
    wait_for_affected(&scene, 6).await;
    let journal = scene.api.control.journal();
    let refused = journal.iter().filter(|entry| entry.action == GATEWAYS && !entry.faults.is_empty());
    let times: Vec<_> = refused.map(|entry| entry.at.as_millis()).collect();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The next listing starts after the pause, less one interval.
    for (gap, least) in gaps.iter().zip([0, 0, 250, 750, 1750]) {
        assert!(*gap >= least, "{gaps:?}");
    }
}

#[tokio::test]
async fn one_listing_does_not_need_the_other() {
    let (scene, before) = healthy().await;
    let fault = Fault::new(error("UnauthorizedOperation"));
    scene.set_faults([Fault { action: Some(CUSTOMER_GATEWAYS.to_owned()), ..fault }]);
    scene.daemon.until(|metrics| up(metrics) == Some(0.0)).await;
    let id = scene.api.control.add_gateway(GUANGZHOU).expect("the region");
    let labels = [("account", "main"), ("vpn_gateway_id", &*id)];
    let during = scene.daemon.until(|metrics| metrics.count("gateway_info", &labels) == 1).await;
    let peers = |metrics: &Metrics| metrics.count("customer_gateway_info", &FAULTY_TARGET);
    assert_eq!((peers(&during), up(&during)), (peers(&before), Some(0.0)));
}

#[tokio::test]
async fn refused_listing_does_not_slow_the_other() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), |api| {
        let who = &api.control.accounts()[0].number;
        api.control.forbid(who, CUSTOMER_GATEWAYS).expect("an account");
        config(api).replace("gateways: {interval: 250ms}", "gateways: {interval: 1h}")
    })
    .await;
    scene.daemon.until(|metrics| metrics.count("gateways_up", &[]) == 3).await;
    let rows = scene.api.control.gateway_rows(GUANGZHOU).expect("the region");
    let id = rows[0]["VpnGatewayId"].as_str().expect("an id");
    let isolated = Some(simulator::GatewayProblem::Isolated);
    scene.api.control.set_gateway_problem(GUANGZHOU, id, isolated).expect("a gateway");
    let labels = [("account", "main"), ("vpn_gateway_id", id)];
    scene.daemon.until(|metrics| metrics.value("gateway_restricted", &labels) == Some(1.0)).await;
}

#[tokio::test]
async fn shorter_stale_after_applies_at_once() {
    let (scene, _) = healthy().await;
    set_fault(&scene, &error("InvalidParameter"));
    scene.daemon.until(|metrics| up(metrics) == Some(0.0)).await;
    let changed = config(&scene.api).replace("stale_after: 1h", "stale_after: 1s");
    scene.daemon.reload(&changed).await.expect("a good configuration");
    let after = scene.daemon.until(|metrics| gateways(metrics).is_empty()).await;
    assert_eq!(after.sum("up", &[]), 3.0);
}

#[tokio::test]
async fn each_outage_of_a_listing_is_logged() {
    let (scene, _) = healthy().await;
    let fault =
        |action: &str| Fault { action: Some(action.to_owned()), ..Fault::new(error("InvalidParameter")) };
    let lines = || scene.log.lines(&["WARN", "gateways cannot be listed", "DescribeVpnGateways: "]).len();
    scene.set_faults([fault(CUSTOMER_GATEWAYS)]);
    scene.daemon.until(|metrics| up(metrics) == Some(0.0)).await;
    for outage in 1..=2 {
        scene.set_faults([fault(CUSTOMER_GATEWAYS), fault(GATEWAYS)]);
        let failures = [("account", "main"), ("action", GATEWAYS)];
        let before = scene.daemon.scrape().await.sum("api_request_failures_total", &failures);
        let failed = |metrics: &Metrics| metrics.sum("api_request_failures_total", &failures) >= before + 2.0;
        scene.daemon.until(failed).await;
        assert_eq!(lines(), outage);
        scene.set_faults([fault(CUSTOMER_GATEWAYS)]);
        let id = scene.api.control.add_gateway(GUANGZHOU).expect("the region");
        let labels = [("account", "main"), ("vpn_gateway_id", &*id)];
        scene.daemon.until(|metrics| metrics.count("gateway_info", &labels) == 1).await;
    }
}

#[tokio::test]
async fn stale_gateways_disappear_but_tunnels_stay() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), |api| {
        config(api).replace("stale_after: 1h", "stale_after: 2s")
    })
    .await;
    let before = scene.daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 3.0).await;
    set_fault(&scene, &error("UnauthorizedOperation"));
    let during = scene.daemon.until(|metrics| gateways(metrics).is_empty()).await;
    assert_eq!((up(&during), during.value("up", &FAULTY_TARGET)), (Some(0.0), Some(1.0)));
    assert_tunnels_unaffected(&scene, &before, &during);
    assert!(during.value("gateways_last_success_timestamp_seconds", &FAULTY_TARGET).is_some());
    scene.clear_faults();
    let changed = config(&scene.api).replace("stale_after: 1h", "stale_after: 3s");
    scene.daemon.reload(&changed).await.expect("a good configuration");
    let after = scene.daemon.until(|metrics| up(metrics) == Some(1.0)).await;
    assert_eq!(gateways(&after), gateways(&before));
}
