//! Faults of `GetMonitorData`.

use serde_json::{Value, json};
use simulator::{Fault, FaultKind};
use tokio::io::AsyncReadExt;

use crate::{
    client::{Response, RunningSimulator},
    listing::EU,
    monitor::{code, parameters, points, query, request},
};

fn set(api: &RunningSimulator, kind: FaultKind) {
    let fault = Fault { action: Some("GetMonitorData".to_owned()), ..Fault::new(kind) };
    api.control.set_faults(vec![fault]).expect("a fault");
}

/// The response to a request for two tunnels with this fault only.
async fn send_with(kind: FaultKind) -> Response {
    let api = RunningSimulator::frozen(&[(EU, 2)]).await;
    set(&api, kind);
    request(&api, EU, &parameters(&api.control.ids(EU).expect("the region"))).send().await
}

#[tokio::test]
async fn documented_errors_occur_as_faults() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let parameters = parameters(&api.control.ids(EU).expect("the region"));
    for name in [
        "FailedOperation.ErrNotOpen",
        "FailedOperation.ErrOwed",
        "FailedOperation.APITranslateError",
        "InternalError",
        "LimitExceeded.LimitedAccess",
        "UnsupportedOperation",
    ] {
        set(&api, FaultKind::Error { code: name.to_owned() });
        assert_eq!(code(&api, EU, &parameters).await, name);
        assert_eq!(api.client.describe(EU, json!({})).await["TotalCount"], 1, "only this action fails");
    }
}

#[tokio::test]
async fn data_points_can_be_replaced_and_removed() {
    let pointer = "/Response/DataPoints/0/Values".to_owned();
    let replaced = send_with(FaultKind::Replace { pointer: pointer.clone(), value: json!([null]) }).await;
    assert_eq!(replaced.response()["DataPoints"][0]["Values"], json!([null]));
    assert!(replaced.response()["DataPoints"][1]["Values"][0].is_f64());
    let removed = send_with(FaultKind::Remove { pointer }).await;
    assert_eq!(removed.response()["DataPoints"][0].get("Values"), None);
}

#[tokio::test]
async fn replaced_rows_are_tunnels_without_data() {
    let response = send_with(FaultKind::Rows { count: 300 }).await.response();
    assert_eq!(points(&response), vec![vec![]; 300]);
    let dimension = json!({"Name": "vpnConnId", "Value": "vpnx-00000007"});
    assert_eq!(response["DataPoints"][7]["Dimensions"], json!([dimension]));

    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    set(&api, FaultKind::Endless);
    let mut stream = request(&api, EU, &parameters(&["vpnx-00000000"])).open().await;
    let mut start = vec![0; 1000];
    stream.read_exact(&mut start).await.expect("many bytes");
    let start = String::from_utf8(start).expect("text");
    let parts = [r#"{"Response": {"DataPoints": ["#, r#"{"Dimensions":[{"Name":"vpnConnId""#];
    assert!(parts.iter().all(|part| start.contains(part)), "{start}");
}

#[tokio::test]
async fn drift_after_a_monitor_request_changes_nothing() {
    let api = RunningSimulator::frozen(&[(EU, 3)]).await;
    let ids = api.control.ids(EU).expect("the region");
    set(&api, FaultKind::Drift { remove: Some(0), add: 5 });
    assert_eq!(points(&query(&api, EU, &parameters(&ids)).await).len(), 3);
    assert_eq!(api.control.ids(EU).expect("the region"), ids);
}

#[tokio::test]
async fn lost_monitor_response_is_in_the_journal() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let ids = api.control.ids(EU).expect("the region");
    set(&api, FaultKind::Reset);
    let mut lost = request(&api, EU, &parameters(&ids)).open().await;
    lost.read_to_end(&mut Vec::new()).await.expect_err("the connection is reset");
    let entry = api.control.journal().remove(0);
    assert_eq!((entry.ids, entry.metric.as_deref(), entry.period), (ids, Some("OutBandwidth"), Some(60)));
    assert_eq!((entry.faults, entry.error), (vec!["reset"], None));
}

#[tokio::test]
async fn other_faults_affect_monitor_responses() {
    let whole = send_with(FaultKind::Latency { milliseconds: 1 }).await;
    assert!(!points(&whole.response())[0].is_empty());
    let slow = send_with(FaultKind::Drip { bytes_per_second: 100_000 }).await;
    assert_eq!(points(&slow.response()).len(), 2);
    let cut = send_with(FaultKind::Truncate).await;
    assert!(serde_json::from_str::<Value>(&cut.body).is_err(), "{}", cut.body);
    let busy = send_with(FaultKind::Status { status: 429, retry_after: Some("2".to_owned()) }).await;
    assert_eq!((busy.status, busy.header("Retry-After")), (429, Some("2")));
    let skewed = send_with(FaultKind::ClockSkew { seconds: 3600 }).await;
    assert_eq!(skewed.response()["Error"]["Code"], "AuthFailure.SignatureExpire");
    let elsewhere = send_with(FaultKind::Redirect { location: "http://127.0.0.1:9/".to_owned() }).await;
    assert_eq!(elsewhere.status, 302);
    let kind = FaultKind::Body { content_type: "text/html".to_owned(), text: "<html>".to_owned() };
    assert_eq!(send_with(kind).await.body, "<html>");
}
