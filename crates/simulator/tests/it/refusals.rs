//! Requests that the API refuses before it reads the parameters.

use std::collections::HashSet;

use serde_json::json;
use simulator::Options;

use crate::client::{Request, RunningSimulator};

const EU: &str = "eu-frankfurt";

async fn code(request: Request) -> String {
    let response = request.send().await;
    assert_eq!(response.status, 200, "an API error has HTTP status 200");
    let response = response.response();
    assert!(response["RequestId"].as_str().is_some_and(|id| id.len() == 36), "{response}");
    assert!(response["Error"]["Message"].as_str().is_some_and(|text| !text.is_empty()), "{response}");
    response["Error"]["Code"].as_str().expect("a refusal").to_owned()
}

#[tokio::test]
async fn each_header_is_required() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let headers = [
        "Host",
        "Content-Type",
        "X-TC-Action",
        "X-TC-Version",
        "X-TC-Region",
        "X-TC-Timestamp",
        "Authorization",
    ];
    for header in headers {
        let request = api.client.request("DescribeVpnConnections", EU, &json!({})).with(header, None);
        assert_eq!(code(request).await, "MissingParameter", "{header}");
    }
}

#[tokio::test]
async fn wrong_header_values_are_refused() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let table = [
        ("X-TC-Action", "DescribeInstances", "InvalidAction"),
        ("X-TC-Version", "2017-03-13", "NoSuchVersion"),
        ("X-TC-Region", "eu-atlantis", "UnsupportedRegion"),
        ("X-TC-Timestamp", "today", "InvalidParameter"),
        ("X-TC-Token", "a token", "AuthFailure.TokenFailure"),
        ("X-TC-RequestClient", "exporter/1", "InvalidParameter"),
        ("Authorization", "Basic eDp5", "AuthFailure.InvalidAuthorization"),
        ("Content-Type", "text/plain", "InvalidParameter"),
    ];
    for (header, value, expected) in table {
        let request = api.client.request("DescribeVpnConnections", EU, &json!({})).with(header, Some(value));
        assert_eq!(code(request).await, expected, "{header}: {value}");
    }
    let mut another_product = api.client.request("DescribeVpnConnections", EU, &json!({}));
    another_product.service = "cvm";
    assert_eq!(code(another_product).await, "NoSuchProduct");
}

#[tokio::test]
async fn only_correctly_signed_recent_requests_are_accepted() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let request = || api.client.request("DescribeVpnConnections", EU, &json!({}));

    let mut without_port = request();
    without_port.signed_host = "127.0.0.1".to_owned();
    assert_eq!(without_port.send().await.response()["TotalCount"], 1);
    let mut signed = [request(), request(), request(), request(), request()];
    signed[0].signed_host = "vpc.tencentcloudapi.com".to_owned();
    signed[1].key = "another key".to_owned();
    signed[2].timestamp -= 302;
    signed[3].timestamp += 302;
    signed[4].timestamp -= 290;
    let [host, key, early, late, just] = signed;
    assert_eq!(code(host).await, "AuthFailure.SignatureFailure");
    assert_eq!(code(key).await, "AuthFailure.SignatureFailure");
    assert_eq!(code(early).await, "AuthFailure.SignatureExpire");
    assert_eq!(code(late).await, "AuthFailure.SignatureExpire");
    assert_eq!(just.send().await.response()["TotalCount"], 1);

    let mut stranger = api.client.clone();
    stranger.credentials.secret_id = "AKIDEXAMPLE".to_owned();
    let request = stranger.request("DescribeVpnConnections", EU, &json!({}));
    assert_eq!(code(request).await, "AuthFailure.SecretIdNotFound");
}

#[tokio::test]
async fn request_above_the_rate_limit_is_refused() {
    let api = RunningSimulator::start(Options { requests_per_second: 3, ..Options::default() }).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(api.client.describe(EU, json!({})).await["Error"]["Code"].clone());
    }
    // On a slow machine the fourth request can be a second late and be accepted. The journal has the times.
    let journal = api.control.journal();
    if journal[3].at < journal[0].at + std::time::Duration::from_millis(900) {
        assert_eq!(codes, [json!(null), json!(null), json!(null), json!("RequestLimitExceeded")]);
    }
    let other_region = api.client.describe("ap-singapore", json!({})).await;
    assert_eq!(other_region["Error"], json!(null));
}

#[tokio::test]
async fn every_response_has_date_and_unique_request_id() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let mut seen = HashSet::new();
    for body in [json!({}), json!({}), json!({"Limit": 101})] {
        let response = api.client.request("DescribeVpnConnections", EU, &body).send().await;
        let date = httpdate::parse_http_date(response.header("Date").expect("a date")).expect("a time");
        assert!(date.elapsed().is_ok_and(|ago| ago.as_secs() < 60));
        assert!(seen.insert(response.response()["RequestId"].to_string()));
        assert_eq!(response.header("Content-Type"), Some("application/json"));
    }
    let requested: Vec<_> = api.control.journal().into_iter().map(|entry| entry.request_id).collect();
    assert!(requested.iter().all(|id| seen.contains(&format!("\"{id}\""))));
}

#[tokio::test]
async fn invalid_requests_get_an_error_response() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let request = || api.client.request("DescribeVpnConnections", EU, &json!({}));
    let mut invalid = [request(), request(), request(), request()];
    invalid[0].body = "[1".to_owned();
    invalid[1].body = " ".repeat((1 << 20) + 1);
    invalid[2].method = "GET";
    invalid[3].path = "/metrics".to_owned();
    let [broken, long, get, elsewhere] = invalid;
    assert_eq!(code(broken).await, "InvalidParameter");
    assert_eq!(code(long).await, "RequestSizeLimitExceeded");
    assert_eq!(code(get).await, "UnsupportedProtocol");
    assert_eq!(elsewhere.send().await.status, 404);
}
