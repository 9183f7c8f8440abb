//! Each fault, as the client sees it.

use std::{io::ErrorKind, time::Duration};

use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Options};
use tokio::{io::AsyncReadExt, time::timeout};

use crate::client::{Request, Response, RunningSimulator};

const EU: &str = "eu-frankfurt";
const DEADLINE: Duration = Duration::from_secs(10);

fn request(api: &RunningSimulator) -> Request {
    api.client.request("DescribeVpnConnections", EU, &json!({"Limit": 100}))
}

/// The response to a request with this fault only.
async fn send_with(kind: FaultKind) -> Response {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    api.control.set_faults(vec![Fault::new(kind)]).expect("a fault");
    request(&api).send().await
}

fn replaced(pointer: &str, value: Value) -> FaultKind {
    FaultKind::Replace { pointer: pointer.to_owned(), value }
}

#[tokio::test]
async fn fault_can_hit_half_of_one_regions_calls() {
    let api = RunningSimulator::frozen(&[(EU, 1), ("ap-tokyo", 1)]).await;
    let kind = FaultKind::Error { code: "InternalError.ModuleError".to_owned() };
    let fault = Fault { region: Some(EU.to_owned()), share: 0.5, ..Fault::new(kind) };
    api.control.set_faults(vec![fault]).expect("a fault");
    let mut codes = Vec::new();
    for name in [EU, EU, "ap-tokyo", EU, EU] {
        codes.push(api.client.describe(name, json!({})).await["Error"]["Code"].clone());
    }
    let error = json!("InternalError.ModuleError");
    assert_eq!(codes, [json!(null), error.clone(), json!(null), json!(null), error]);
    let journal = api.control.journal();
    assert_eq!((&*journal[1].faults, journal[0].faults.len()), (&["error"][..], 0));

    api.control.set_faults(vec![]).expect("no fault");
    assert_eq!(api.client.describe(EU, json!({})).await["TotalCount"], 1);
}

#[tokio::test]
async fn a_connection_can_be_reset() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    api.control.set_faults(vec![Fault::once(FaultKind::Reset)]).expect("a fault");
    let mut stream = request(&api).open().await;
    let error = stream.read_to_end(&mut Vec::new()).await.expect_err("the connection is reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(request(&api).send().await.response()["TotalCount"], 10, "the fault is over");
    assert_eq!(api.control.journal()[0].limit, Some(100), "a request without a response is recorded too");
}

#[tokio::test]
async fn response_can_stall_in_head_or_body() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    for (kind, begins) in [(FaultKind::StallHeaders, false), (FaultKind::StallBody, true)] {
        api.control.set_faults(vec![Fault::new(kind)]).expect("a fault");
        let mut stream = request(&api).open().await;
        let mut read = Vec::new();
        let ended = timeout(Duration::from_millis(300), stream.read_to_end(&mut read)).await;
        assert!(ended.is_err(), "the answer ended");
        assert_eq!(!read.is_empty(), begins);
    }
}

#[tokio::test]
async fn body_can_be_slow_or_truncated() {
    let whole = send_with(FaultKind::Latency { milliseconds: 0 }).await;
    let slow = send_with(FaultKind::Drip { bytes_per_second: 100_000 }).await;
    assert_eq!(slow.body.len(), whole.body.len());
    assert_eq!(slow.response()["TotalCount"], 10);
    let cut = send_with(FaultKind::Truncate).await;
    assert_eq!(cut.header("Content-Length"), Some(&*whole.body.len().to_string()));
    assert_eq!(cut.body.len(), whole.body.len() / 2);
}

#[tokio::test]
async fn response_can_be_delayed() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let before = tokio::time::Instant::now();
    let fault = Fault::new(FaultKind::Latency { milliseconds: 200 });
    api.control.set_faults(vec![fault]).expect("a fault");
    request(&api).send().await;
    assert!(before.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn response_body_can_be_replaced() {
    for text in ["<html></html>", "", "[]", "{}", r#"{"Response": 5}"#] {
        let kind = FaultKind::Body { content_type: "text/html".to_owned(), text: text.to_owned() };
        let response = send_with(kind).await;
        assert_eq!((response.status, &*response.body), (200, text));
        assert_eq!(response.header("Content-Type"), Some("text/html"));
    }
}

#[tokio::test]
async fn a_body_can_be_endless_or_very_long() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    api.control.set_faults(vec![Fault::once(FaultKind::Endless)]).expect("a fault");
    let mut stream = request(&api).open().await;
    let mut much = vec![0; 10 << 20];
    timeout(DEADLINE, stream.read_exact(&mut much)).await.expect("in time").expect("10 MiB and more");

    let page = send_with(FaultKind::Rows { count: 100_000 }).await.response();
    assert_eq!(page["VpnConnectionSet"].as_array().map(Vec::len), Some(100_000));
}

#[tokio::test]
async fn response_fields_can_be_wrong_or_missing() {
    let lying = send_with(replaced("/Response/TotalCount", json!(-1))).await.response();
    assert_eq!(lying["TotalCount"], -1);
    let pointer = "/Response/VpnConnectionSet/0/VpnConnectionId".to_owned();
    let nameless = send_with(FaultKind::Remove { pointer }).await.response();
    assert_eq!(nameless["VpnConnectionSet"][0].get("VpnConnectionId"), None);
    assert!(nameless["VpnConnectionSet"][1].get("VpnConnectionId").is_some());
    let bare = send_with(FaultKind::Remove { pointer: "/Response".to_owned() }).await;
    assert_eq!(bare.body, "{}");
}

#[tokio::test]
async fn gateway_can_respond_instead_of_the_api() {
    let busy = send_with(FaultKind::Status { status: 429, retry_after: Some("2".to_owned()) }).await;
    assert_eq!((busy.status, busy.header("Retry-After")), (429, Some("2")));
    assert!(busy.body.starts_with("<html>"), "{}", busy.body);
    let broken = send_with(FaultKind::Status { status: 502, retry_after: None }).await;
    assert_eq!((broken.status, broken.header("Retry-After")), (502, None));
    let elsewhere = send_with(FaultKind::Redirect { location: "http://127.0.0.1:9/".to_owned() }).await;
    assert_eq!((elsewhere.status, elsewhere.header("Location")), (302, Some("http://127.0.0.1:9/")));
}

#[tokio::test]
async fn requests_are_checked_against_the_skewed_clock() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    api.control.set_faults(vec![Fault::new(FaultKind::ClockSkew { seconds: 3600 })]).expect("a fault");
    let refused = request(&api).send().await;
    assert_eq!(refused.response()["Error"]["Code"], "AuthFailure.SignatureExpire");
    let date = httpdate::parse_http_date(refused.header("Date").expect("a date")).expect("a time");
    let ahead = date.duration_since(std::time::SystemTime::now()).expect("a later time").as_secs();
    assert!((3590..=3600).contains(&ahead), "{ahead} s ahead");

    let mut corrected = request(&api);
    corrected.timestamp += ahead;
    assert_eq!(corrected.send().await.response()["TotalCount"], 1);
}

#[tokio::test]
async fn tunnels_can_change_between_two_pages() {
    let api = RunningSimulator::frozen(&[(EU, 5)]).await;
    let before = api.control.ids(EU).expect("the region");
    let drift = Fault { offset: Some(0), ..Fault::once(FaultKind::Drift { remove: Some(1), add: 1 }) };
    api.control.set_faults(vec![drift]).expect("a fault");
    let page = |offset| api.client.describe(EU, json!({"Offset": offset, "Limit": 3}));
    let (second, first, second_again) = (page(3).await, page(0).await, page(3).await);
    let ids = |page: &Value| {
        let rows = page["VpnConnectionSet"].as_array().expect("rows").clone();
        rows.iter().map(|row| row["VpnConnectionId"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&second), before[3..], "the fault waits for the first page");
    assert_eq!(ids(&first), before[..3]);
    let after = api.control.ids(EU).expect("the region");
    assert_eq!(ids(&second_again), after[3..]);
    assert_eq!(after[..4], [&before[0], &before[2], &before[3], &before[4]].map(Clone::clone));
    assert_eq!(after.len(), 5);
}

#[tokio::test]
async fn faults_can_be_set_by_option_or_http() {
    let error = |code: &str| Fault::new(FaultKind::Error { code: code.to_owned() });
    let options = Options { faults: vec![error("ResourceUnavailable")], ..Options::default() };
    let api = RunningSimulator::start(options).await;
    assert_eq!(api.client.refusal(EU, json!({})).await, "ResourceUnavailable");

    let order = |method, body: &str| {
        let mut request = request(&api);
        (request.method, request.path, request.body) = (method, "/_faults".to_owned(), body.to_owned());
        request.send()
    };
    let response = order("POST", r#"[{"kind": {"error": {"code": "InternalError"}}}]"#).await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(api.client.refusal(EU, json!({})).await, "InternalError");
    let shown: Vec<Fault> = serde_json::from_str(&order("GET", "").await.body).expect("faults");
    assert_eq!(shown, [error("InternalError")]);

    for (bad, expected) in [
        (r#"[{"kind": "rest"}]"#, "faults: unknown variant `rest`"),
        (
            r#"[{"kind": "reset", "region": "eu-atlantis"}]"#,
            "faults: region \"eu-atlantis\" is not simulated",
        ),
    ] {
        let refused = order("POST", bad).await;
        assert_eq!(refused.status, 400);
        assert!(refused.body.starts_with(expected), "{}", refused.body);
    }
    assert_eq!(order("DELETE", "").await.status, 405);
    assert_eq!(api.control.faults(), [error("InternalError")], "a refused order changes nothing");
}
