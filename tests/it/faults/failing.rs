//! Faults that fail polls: each from its start to the recovery.

use serde_json::json;
use simulator::{Fault, FaultKind};

use super::{body, error, replaced, status};
use test_support::{
    Metrics, frozen,
    scene::{
        FAULTY_TARGET, FRANKFURT, GUANGZHOU, Scene, TUNNELS, check_outage, check_slow_outage, check_stall,
        with_reason,
    },
};

// No response, or a late one.

#[tokio::test]
async fn late_responses_fail_polls() {
    check_stall(FaultKind::Latency { milliseconds: 60_000 }).await;
}

#[tokio::test]
async fn missing_response_heads_fail_polls() {
    check_outage(FaultKind::StallHeaders, "timeout").await;
}

#[tokio::test]
async fn stalled_bodies_fail_polls() {
    check_stall(FaultKind::StallBody).await;
}

#[tokio::test]
async fn slow_bodies_fail_polls() {
    check_stall(FaultKind::Drip { bytes_per_second: 10 }).await;
}

#[tokio::test]
async fn reset_connections_fail_polls() {
    check_outage(FaultKind::Reset, "connection").await;
}

#[tokio::test]
async fn truncated_bodies_fail_polls() {
    check_outage(FaultKind::Truncate, "connection").await;
}

// The API's own errors.

#[tokio::test]
async fn internal_errors_fail_polls() {
    check_outage(error("InternalError.ModuleError"), "server_error").await;
}

#[tokio::test]
async fn unavailable_service_fails_polls() {
    check_outage(error("ServiceUnavailable"), "server_error").await;
}

#[tokio::test]
async fn exceeded_request_limit_fails_polls() {
    check_outage(error("RequestLimitExceeded.UinLimitExceeded"), "throttled").await;
}

#[tokio::test]
async fn refused_requests_fail_polls() {
    check_outage(error("InvalidParameterValue.Malformed"), "refused").await;
}

#[tokio::test]
async fn refused_signatures_fail_polls() {
    check_outage(error("AuthFailure.SignatureFailure"), "auth").await;
}

#[tokio::test]
async fn missing_permission_fails_polls() {
    check_outage(error("UnauthorizedOperation"), "unauthorized").await;
}

#[tokio::test]
async fn refused_address_fails_polls() {
    check_outage(error("IpNotInWhitelist"), "unauthorized").await;
}

#[tokio::test]
async fn unsupported_region_fails_polls() {
    check_outage(error("UnsupportedRegion"), "unsupported_region").await;
}

// Responses of gateways between the client and the API.

#[tokio::test]
async fn gateway_errors_fail_polls() {
    check_outage(status(502), "server_error").await;
}

#[tokio::test]
async fn gateway_with_retry_after_fails_polls() {
    let patience = |text: &str| FaultKind::Status { status: 429, retry_after: Some(text.to_owned()) };
    let scene = check_outage(patience("1"), "throttled").await;
    // Larger than any representable time.
    let before = scene.daemon.scrape().await;
    scene.set_fault(patience("18446744073709551615"));
    let up = |metrics: &test_support::Metrics| metrics.value("up", &FAULTY_TARGET);
    scene.daemon.until(|metrics| up(metrics) == Some(0.0)).await;
    scene.clear_faults();
    let after = scene.daemon.until(|metrics| up(metrics) == Some(1.0)).await;
    test_support::scene::assert_others_unaffected(&before, &after);
}

#[tokio::test]
async fn redirects_fail_polls() {
    let elsewhere = tokio::net::TcpListener::bind(test_support::local()).await.expect("a free port");
    let location = format!("http://{}/", elsewhere.local_addr().expect("an address"));
    check_outage(FaultKind::Redirect { location }, "malformed_response").await;
    let visitor = tokio::time::timeout(std::time::Duration::ZERO, elsewhere.accept()).await;
    assert!(visitor.is_err(), "the redirect was followed");
}

// Invalid responses.

#[tokio::test]
async fn html_fails_polls() {
    check_outage(body("text/html", "<html><body>Welcome to nginx!</body></html>"), "malformed_response")
        .await;
}

#[tokio::test]
async fn truncated_json_fails_polls() {
    let text = r#"{"Response": {"TotalCount": 3, "VpnConnectionSet": [{"VpnConnectionId": "vpnx-1"#;
    check_outage(body("application/json", text), "malformed_response").await;
}

#[tokio::test]
async fn empty_body_fails_polls() {
    check_outage(body("application/json", ""), "malformed_response").await;
}

#[tokio::test]
async fn wrong_types_fail_polls() {
    check_outage(replaced("/Response/VpnConnectionSet", json!("none")), "malformed_response").await;
}

#[tokio::test]
async fn missing_response_object_fails_polls() {
    check_outage(FaultKind::Remove { pointer: "/Response".to_owned() }, "malformed_response").await;
}

#[tokio::test]
async fn endless_body_fails_polls() {
    check_slow_outage(FaultKind::Endless, "malformed_response").await;
}

#[tokio::test]
async fn huge_decompressed_body_fails_polls() {
    check_slow_outage(FaultKind::Inflate { mebibytes: 5 }, "malformed_response").await;
}

#[tokio::test]
async fn page_of_100_000_rows_fails_polls() {
    check_slow_outage(FaultKind::Rows { count: 100_000 }, "malformed_response").await;
}

#[tokio::test]
async fn page_without_ids_fails_polls() {
    let rows = json!([{"State": "AVAILABLE"}, {"State": "AVAILABLE"}, {"State": "AVAILABLE"}]);
    check_outage(replaced("/Response/VpnConnectionSet", rows), "malformed_response").await;
}

#[tokio::test]
async fn negative_count_fails_polls() {
    check_outage(replaced("/Response/TotalCount", json!(-1)), "malformed_response").await;
}

#[tokio::test]
async fn too_large_count_fails_polls() {
    check_outage(replaced("/Response/TotalCount", json!(u64::MAX)), "malformed_response").await;
}

#[tokio::test]
async fn count_without_rows_fails_polls() {
    check_outage(replaced("/Response/VpnConnectionSet", json!(null)), "malformed_response").await;
}

#[tokio::test]
async fn response_date_in_year_9999_fails_polls() {
    let end = jiff::Timestamp::MAX.as_second() - jiff::Timestamp::now().as_second();
    check_outage(FaultKind::ClockSkew { seconds: end }, "clock_skew").await;
}

#[tokio::test]
async fn request_cut_off_by_deadline_is_counted() {
    let world = frozen(&[(GUANGZHOU, TUNNELS), (FRANKFURT, 2)]);
    let scene = Scene::start_with(world, |api| {
        Scene::config(api, "interval: 250ms, timeout: 3s, stale_after: 1h")
            .replace("request_timeout: 2s", "request_timeout: 20s")
    })
    .await;
    let before = scene.wait_until_healthy().await;
    scene.set_fault(FaultKind::StallHeaders);
    let during = scene.wait_for_failure("timeout", &before).await;
    let cut_off = [("account", "main"), ("action", "DescribeVpnConnections"), ("reason", "timeout")];
    assert!(during.value("api_request_failures_total", &cut_off) >= Some(1.0), "{during}");
}

#[tokio::test]
async fn alternating_reasons_are_logged_once_each() {
    let scene = Scene::start("interval: 250ms, timeout: 20s, stale_after: 1h").await;
    scene.wait_until_healthy().await;
    scene.set_faults([
        Fault { share: 0.5, ..Fault::new(error("InvalidParameter")) },
        Fault::new(error("UnsupportedRegion")),
    ]);
    let failures = |metrics: &Metrics, reason| {
        metrics.value("poll_failures_total", &with_reason(FAULTY_TARGET, reason)) >= Some(3.0)
    };
    scene
        .daemon
        .until(|metrics| failures(metrics, "refused") && failures(metrics, "unsupported_region"))
        .await;
    for reason in ["refused", "unsupported_region"] {
        scene.log.only_line(&["WARN", "poll failed", &format!("reason=\"{reason}\"")]);
    }
}
