//! Each fault, of the requests for traffic alone: tunnels, gateways and their polls do not change.

use serde_json::{Value, json};
use simulator::{Entry, Fault, FaultKind};
use test_support::{
    Api, Daemon, Metrics, frozen,
    scene::{FAULTY_TARGET, FRANKFURT, GUANGZHOU, OTHER_TARGETS, Scene, Target, body, error, status},
    with_gateways, with_timeout, with_traffic,
};

use super::{ACTION, config, healthy, healthy_with, others, requests, traffic};

const POLLS: &str = "polls_total";

/// What a fault does to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It fails at once.
    Fails,
    /// Its requests fail, but it lasts longer than a test waits.
    Lasts,
    /// It succeeds.
    Succeeds,
}

fn up(metrics: &Metrics) -> Option<f64> {
    metrics.value("traffic_up", &FAULTY_TARGET)
}

fn last_success(metrics: &Metrics) -> Option<f64> {
    metrics.value("traffic_last_success_timestamp_seconds", &FAULTY_TARGET)
}

fn fault(kind: FaultKind) -> Fault {
    Fault { action: Some(ACTION.to_owned()), ..Fault::new(kind) }
}

/// A configuration with two requests for each query, which need not wait for the rate limit.
fn short_queries(api: &Api) -> String {
    config(api).replace("[bandwidth]", "[packets]")
}

/// The same, but requests time out soon.
fn impatient_queries(api: &Api) -> String {
    short_queries(api).replace("request_timeout: 50s", "request_timeout: 2s")
}

/// Reloads a configuration with another interval of gateways: then traffic is queried at once.
async fn query_again(scene: &Scene, config: &str, interval: &str) {
    let changed =
        config.replace("gateways: {interval: 250ms}", &format!("gateways: {{interval: {interval}}}"));
    scene.daemon.reload(&changed).await.expect("a good configuration");
}

/// Waits for this many affected requests.
async fn wait_for_affected(scene: &Scene, count: usize) {
    let affected = |entries: &[Entry]| requests(entries).filter(|entry| !entry.faults.is_empty()).count();
    with_timeout(scene.api.control.until(|entries| affected(entries) >= count)).await;
}

/// Asserts that tunnels, gateways and their polls are as without the fault.
fn assert_others_unaffected(before: &Metrics, during: &Metrics) {
    for target in [FAULTY_TARGET].iter().chain(&OTHER_TARGETS) {
        assert_eq!(others(during, *target), others(before, *target));
    }
    assert_eq!(during.sum("up", &[]), 3.0, "{during}");
    assert_eq!(during.sum("gateways_up", &[]), 3.0, "{during}");
    for name in ["poll_failures_total", "api_clock_offset_seconds", "listing_inconsistencies_total"] {
        assert_eq!(during.sum(name, &[]), 0.0, "{during}");
    }
    let failed = during
        .all("api_request_failures_total", &[])
        .find(|sample| sample.value > 0.0 && sample.labels["action"] != ACTION);
    assert_eq!(failed, None, "{during}");
    for target in OTHER_TARGETS {
        assert_eq!(during.value("traffic_up", &target), Some(1.0), "{during}");
    }
}

async fn check(kind: FaultKind, outcome: Outcome) {
    check_with(short_queries, kind, outcome).await;
}

async fn check_with(config: fn(&Api) -> String, kind: FaultKind, outcome: Outcome) {
    let (scene, before) = healthy_with(config).await;
    let config = config(&scene.api);
    scene.set_faults([fault(kind)]);
    query_again(&scene, &config, "251ms").await;
    wait_for_affected(&scene, 1).await;
    let failures = |metrics: &Metrics| metrics.sum("api_request_failures_total", &[("action", ACTION)]);
    let has_happened = |metrics: &Metrics| match outcome {
        Outcome::Fails => up(metrics) == Some(0.0),
        Outcome::Lasts => failures(metrics) >= 1.0,
        Outcome::Succeeds => last_success(metrics) > last_success(&before),
    };
    let during = scene.daemon.until(has_happened).await;
    // Two more polls of each target.
    let polls = |metrics: &Metrics, target: Target| metrics.value(POLLS, &target).expect("a counter");
    let targets = || [FAULTY_TARGET].into_iter().chain(OTHER_TARGETS);
    let has_polled = |metrics: &Metrics| {
        targets().all(|target| polls(metrics, target) >= polls(&during, target) + 2.0)
            && OTHER_TARGETS.iter().all(|target| metrics.value("traffic_up", target) == Some(1.0))
    };
    let during = scene.daemon.until(has_polled).await;
    assert_others_unaffected(&before, &during);
    if outcome == Outcome::Fails {
        assert_eq!(traffic(&during, FAULTY_TARGET), traffic(&before, FAULTY_TARGET));
        let line = scene.log.only_line(&["WARN", "traffic cannot be queried"]);
        assert!(line.contains("account=main") && line.contains(GUANGZHOU), "{line}");
    }
    assert_eq!(scene.log.lines(&["WARN", "poll failed"]), [""; 0]);
    assert_eq!(scene.log.lines(&["WARN", "gateways cannot be listed"]), [""; 0]);
    scene.clear_faults();
    query_again(&scene, &config, "252ms").await;
    scene.daemon.until(|metrics| up(metrics) == Some(1.0)).await;
}

/// Declares a test for each fault.
macro_rules! faults {
    ($($name:ident: $kind:expr, $outcome:ident;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                check($kind, Outcome::$outcome).await;
            }
        )+
    };
}

fn replaced(pointer: &str, value: Value) -> FaultKind {
    FaultKind::Replace { pointer: pointer.to_owned(), value }
}

faults! {
    untranslatable_request: error("FailedOperation.APITranslateError"), Fails;
    unpaid_requests: error("FailedOperation.ErrNotOpen"), Fails;
    owed_money: error("FailedOperation.ErrOwed"), Fails;
    invalid_parameter: error("InvalidParameterValue"), Fails;
    unsupported_operation: error("UnsupportedOperation"), Fails;
    internal_errors: error("InternalError"), Lasts;
    unavailable_service: error("ServiceUnavailable"), Lasts;
    limited_access: error("LimitExceeded.LimitedAccess"), Lasts;
    throttled_requests: error("RequestLimitExceeded.UinLimitExceeded"), Lasts;
    status_429: status(429), Lasts;
    status_502: status(502), Lasts;
    missing_permission: error("UnauthorizedOperation"), Fails;
    refused_signature: error("AuthFailure.SignatureFailure"), Fails;
    refused_address: error("IpNotInWhitelist"), Fails;
    expired_token: error("AuthFailure.TokenFailure"), Fails;
    unsupported_region: error("UnsupportedRegion"), Fails;
    unknown_action: error("InvalidAction"), Fails;
    reset_connection: FaultKind::Reset, Lasts;
    truncated_response: FaultKind::Truncate, Lasts;
    html_response: body("<html>busy</html>"), Fails;
    empty_response: body(""), Fails;
    invalid_json: body("{\"Response\": {"), Fails;
    response_without_data: body("{\"Response\": {\"RequestId\": \"r\"}}"), Fails;
    endless_response: FaultKind::Endless, Fails;
    huge_response: FaultKind::Inflate { mebibytes: 5 }, Fails;
    redirect: FaultKind::Redirect { location: "http://127.0.0.1:9/".to_owned() }, Fails;
    response_without_envelope: FaultKind::Remove { pointer: "/Response".to_owned() }, Fails;
    data_of_another_type: replaced("/Response/DataPoints", json!("none")), Fails;
    contradictory_lists: replaced("/Response/DataPoints/0/Values", json!([1])), Fails;
    data_without_dimensions: replaced("/Response/DataPoints/0/Dimensions", json!(null)), Succeeds;
    values_of_another_type: replaced("/Response/DataPoints/0/Values/0", json!({"a": -1})), Succeeds;
    data_of_unknown_instances: replaced("/Response/DataPoints/0/Dimensions/0/Value", json!("vpnx-x")), Succeeds;
    wrong_clock: FaultKind::ClockSkew { seconds: 4000 }, Succeeds;
}

#[tokio::test]
async fn stalled_response() {
    check_with(impatient_queries, FaultKind::StallHeaders, Outcome::Lasts).await;
}

#[tokio::test]
async fn stalled_body() {
    check_with(impatient_queries, FaultKind::StallBody, Outcome::Lasts).await;
}

#[tokio::test]
async fn slow_body() {
    check_with(impatient_queries, FaultKind::Drip { bytes_per_second: 50 }, Outcome::Lasts).await;
}

#[tokio::test]
async fn occasional_failures_are_retried() {
    let (scene, before) = healthy().await;
    scene.set_faults([Fault { share: 0.4, ..fault(error("InternalError")) }]);
    query_again(&scene, &config(&scene.api), "251ms").await;
    let during = scene.daemon.until(|metrics| last_success(metrics) > last_success(&before)).await;
    assert_others_unaffected(&before, &during);
    assert!(during.sum("api_request_failures_total", &[("action", ACTION)]) > 0.0);
    assert_eq!(up(&during), Some(1.0));
}

#[tokio::test]
async fn refused_query_sends_one_request() {
    for code in ["UnauthorizedOperation", "FailedOperation.ErrOwed", "FailedOperation.ErrNotOpen"] {
        let scene = Scene::start_with(frozen(&[(GUANGZHOU, 30), (FRANKFURT, 2)]), |api| {
            // The first response is slow, so that another request would have its response before it.
            let slow = Fault { times: Some(1), ..fault(FaultKind::Latency { milliseconds: 500 }) };
            let faults = [slow, fault(error(code))];
            let faults = faults.map(|fault| Fault { region: Some(GUANGZHOU.to_owned()), ..fault });
            api.control.set_faults(faults.into()).expect("faults");
            config(api)
        })
        .await;
        let metrics = scene.daemon.until(|metrics| metrics.count("traffic_up", &[]) == 3).await;
        assert_eq!(up(&metrics), Some(0.0), "{code}");
        let journal = scene.api.control.journal();
        assert_eq!(requests(&journal).filter(|entry| entry.region == GUANGZHOU).count(), 1, "{code}");
        let line = scene.log.only_line(&["WARN", "traffic cannot be queried", code]);
        let remedy = match code {
            "UnauthorizedOperation" => {
                "monitor:GetMonitorData from this address, as in deploy/cam-policy-traffic.json"
            }
            _ => "set traffic.enabled: false",
        };
        assert!(line.contains(remedy), "{line}");
    }
}

#[tokio::test]
async fn repeated_failure_is_logged_once() {
    let (scene, _) = healthy().await;
    scene.set_faults([fault(error("FailedOperation.ErrOwed"))]);
    for (number, interval) in [(1, "251ms"), (2, "252ms"), (3, "253ms")] {
        query_again(&scene, &config(&scene.api), interval).await;
        wait_for_affected(&scene, number).await;
    }
    scene.daemon.until(|metrics| up(metrics) == Some(0.0)).await;
    scene.log.only_line(&["WARN", "traffic cannot be queried"]);
    scene.clear_faults();
    scene.daemon.reload(&config(&scene.api)).await.expect("a good configuration");
    scene.daemon.until(|metrics| up(metrics) == Some(1.0)).await;
    scene.log.only_line(&["INFO", "traffic is queried again", "account=main", GUANGZHOU]);
}

/// The API refuses one request, for example because of one of its tunnels. Requests for gateways are the first three.
#[tokio::test]
async fn refused_request_does_not_hide_others() {
    for (skip, gateways, tunnels) in [(0, 6, 60), (3, 9, 50), (7, 9, 50)] {
        let scene = Scene::start_with(frozen(&[(GUANGZHOU, 30), (FRANKFURT, 2)]), |api| {
            let refused = fault(error("InvalidParameterValue"));
            let region = Some(GUANGZHOU.to_owned());
            api.control.set_faults(vec![Fault { region, skip, times: Some(1), ..refused }]).expect("a fault");
            config(api)
        })
        .await;
        let metrics = scene.daemon.until(|metrics| metrics.count("traffic_up", &[]) == 3).await;
        assert_eq!(up(&metrics), Some(0.0));
        assert_eq!(metrics.count("tunnel_traffic_timestamp_seconds", &FAULTY_TARGET), 30);
        let count =
            |names: &[&str]| -> usize { names.iter().map(|name| metrics.count(name, &FAULTY_TARGET)).sum() };
        assert_eq!(
            count(&["tunnel_receive_bytes_per_second", "tunnel_transmit_bytes_per_second"]),
            tunnels,
            "one request of ten tunnels is refused"
        );
        let of_gateways = [
            "gateway_receive_bytes_per_second",
            "gateway_transmit_bytes_per_second",
            "gateway_bandwidth_usage_ratio",
        ];
        assert_eq!(count(&of_gateways), gateways);
    }
}

/// A long query does not delay what it has received.
#[tokio::test]
async fn data_points_appear_during_a_query() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let stall = Fault { skip: 3, ..fault(FaultKind::StallHeaders) };
    api.control.set_faults(vec![stall]).expect("a fault");
    let config = with_gateways(&api.config(&[GUANGZHOU]), "250ms");
    let daemon = Daemon::start(&with_traffic(&config, "interval: 5m")).await;
    let metrics = daemon.until(|metrics| metrics.count("gateway_bandwidth_usage_ratio", &[]) == 1).await;
    assert_eq!(metrics.count("traffic_up", &[]), 0, "the query has not ended");
}

/// Without any success, the API seems to refuse all requests.
#[tokio::test]
async fn three_refused_requests_end_a_query() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 60), (FRANKFURT, 2)]), |api| {
        let refused = fault(error("InvalidParameterValue"));
        let region = Some(GUANGZHOU.to_owned());
        api.control.set_faults(vec![Fault { region, ..refused }]).expect("a fault");
        config(api)
    })
    .await;
    scene.daemon.until(|metrics| metrics.count("traffic_up", &[]) == 3).await;
    let journal = scene.api.control.journal();
    let sent = requests(&journal).filter(|entry| entry.region == GUANGZHOU).count();
    // Four requests can be sent at the same time.
    assert!((3..=6).contains(&sent), "{sent} of 21 requests");
}
