//! STS, the metadata service, the list of regions, and permissions.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{
    Credentials, Fault, FaultKind, NotFound, OfferedRegion, Options, Role, TOKEN_MARK, WebIdentity,
};

use crate::client::{Client, Request, Response, RunningSimulator};

const EU: &str = "eu-frankfurt";
const OTHER: &str = "qcs::cam::uin/200000000002:roleName/reader";
const METADATA: &str = "/latest/meta-data/cam/security-credentials/";

fn options() -> Options {
    let role = Role {
        account: "200000000002".to_owned(),
        name: "reader".to_owned(),
        external_id: Some("000123".to_owned()),
    };
    let identity = WebIdentity { provider_id: "tke".to_owned(), token: "first".to_owned() };
    let regions = vec![(EU.to_owned(), 1)];
    Options { regions, frozen: true, roles: vec![role], web_identity: Some(identity), ..Options::default() }
}

fn assume(api: &RunningSimulator, parameters: &Value) -> Request {
    api.client.request("AssumeRole", "", parameters).for_product("sts", "2018-08-13")
}

fn role() -> Value {
    json!({"RoleArn": OTHER, "RoleSessionName": "exporter", "ExternalId": "000123"})
}

fn changed(mut parameters: Value, key: &str, value: Value) -> Value {
    parameters[key] = value;
    parameters
}

async fn code(request: Request) -> Value {
    request.send().await.response()["Error"]["Code"].clone()
}

/// A `DescribeVpnConnections` request with temporary credentials.
fn listing(client: &Client, credentials: &Value) -> Request {
    let text = |key: &str| credentials[key].as_str().expect("a text").to_owned();
    let own = Credentials { secret_id: text("TmpSecretId"), secret_key: text("TmpSecretKey") };
    let client = Client { credentials: own, ..client.clone() };
    let request = client.request("DescribeVpnConnections", EU, &json!({}));
    request.with("X-TC-Token", Some(&text("Token")))
}

async fn metadata(api: &RunningSimulator, path: &str) -> Response {
    let mut request = api.client.request("", "", &json!(null));
    (request.method, request.path) = ("GET", format!("{METADATA}{path}"));
    request.body.clear();
    request.send().await
}

#[tokio::test]
async fn assumed_role_works_until_its_token_is_revoked() {
    let api = RunningSimulator::start(options()).await;
    let granted = assume(&api, &role()).send().await.response();
    let lasts = granted["ExpiredTime"].as_i64().expect("a time") - jiff::Timestamp::now().as_second();
    assert!((7190..=7200).contains(&lasts), "{lasts} s");
    assert!(granted["Expiration"].as_str().is_some_and(|text| text.ends_with('Z')), "{granted}");
    let credentials = &granted["Credentials"];
    assert!(credentials["Token"].as_str().is_some_and(|token| token.starts_with(TOKEN_MARK)));

    assert_eq!(listing(&api.client, credentials).send().await.response()["TotalCount"], 1);
    assert_eq!(api.control.journal()[1].account, "200000000002");
    let without = listing(&api.client, credentials).with("X-TC-Token", None);
    assert_eq!(code(without).await, "AuthFailure.TokenFailure");
    api.control.revoke_tokens();
    assert_eq!(code(listing(&api.client, credentials)).await, "AuthFailure.TokenFailure");
    let renewed = assume(&api, &role()).send().await.response();
    assert_eq!(code(listing(&api.client, &renewed["Credentials"])).await, Value::Null);
}

#[tokio::test]
async fn token_expires_after_its_lifetime() {
    let api =
        RunningSimulator::start(Options { token_lifetime: Some(Duration::from_secs(60)), ..options() }).await;
    let granted = assume(&api, &role()).send().await.response();
    assert_eq!(code(listing(&api.client, &granted["Credentials"])).await, Value::Null);
    let skew = Fault::new(FaultKind::ClockSkew { seconds: 61 });
    api.control.set_faults(vec![skew]).expect("a fault");
    let late = listing(&api.client, &granted["Credentials"]);
    assert_eq!(code(late).await, "AuthFailure.TokenFailure");
}

#[tokio::test]
async fn assume_role_follows_the_documented_rules() {
    let api = RunningSimulator::start(options()).await;
    let unknown = "qcs::cam::uin/200000000002:roleName/writer";
    let table = [
        (changed(role(), "RoleArn", json!(unknown)), "ResourceNotFound.RoleNotFound"),
        (changed(role(), "RoleArn", json!("reader")), "InvalidParameter.ParamError"),
        (changed(role(), "RoleArn", json!(null)), "MissingParameter"),
        (changed(role(), "RoleSessionName", json!("x")), "InvalidParameter.ParamError"),
        (changed(role(), "RoleSessionName", json!("a b")), "InvalidParameter.ParamError"),
        (changed(role(), "ExternalId", json!("123")), "UnauthorizedOperation"),
        (changed(role(), "ExternalId", json!(null)), "UnauthorizedOperation"),
        (changed(role(), "DurationSeconds", json!(43_201)), "InvalidParameter.OverTimeError"),
        (changed(role(), "DurationSeconds", json!(0)), "InvalidParameter.OverTimeError"),
        (changed(role(), "Duration", json!(5)), "UnknownParameter"),
    ];
    for (parameters, expected) in table {
        assert_eq!(code(assume(&api, &parameters)).await, expected, "{parameters}");
    }
    let longest = changed(role(), "DurationSeconds", json!(43_200));
    assert_eq!(code(assume(&api, &longest)).await, Value::Null);
    let other_version = assume(&api, &role()).with("X-TC-Version", Some("2017-03-12"));
    assert_eq!(code(other_version).await, "NoSuchVersion");
}

#[tokio::test]
async fn web_identity_needs_current_token_and_no_signature() {
    let api = RunningSimulator::start(options()).await;
    let request = |action: &str, token: &str| {
        let identity = json!({"ProviderId": "tke", "WebIdentityToken": token,
            "RoleArn": OTHER, "RoleSessionName": "exporter", "DurationSeconds": 7200});
        let request = api.client.request(action, "ap-guangzhou", &identity).for_product("sts", "2018-08-13");
        request.with("Authorization", Some("SKIP"))
    };
    let granted = request("AssumeRoleWithWebIdentity", "first").send().await.response();
    assert_eq!(code(listing(&api.client, &granted["Credentials"])).await, Value::Null, "{granted}");

    for (provider_id, token) in [("oidc", "first"), ("tke", "second")] {
        let other = WebIdentity { provider_id: provider_id.to_owned(), token: token.to_owned() };
        api.control.set_web_identity(Some(other));
        let refused = code(request("AssumeRoleWithWebIdentity", "first")).await;
        assert_eq!(refused, "InvalidParameter.WebIdentityTokenError");
    }
    assert_eq!(code(request("AssumeRoleWithWebIdentity", "second")).await, Value::Null);
    assert_eq!(code(request("AssumeRole", "second")).await, "AuthFailure.InvalidAuthorization");
    let unsigned = api.client.request("DescribeVpnConnections", EU, &json!({}));
    let unsigned = unsigned.with("Authorization", Some("SKIP"));
    assert_eq!(code(unsigned).await, "AuthFailure.InvalidAuthorization");
    assert!(!format!("{:?}", api.control.journal()).contains("second"), "the journal keeps a token");
}

#[tokio::test]
async fn metadata_service_gives_role_and_credentials() {
    let api = RunningSimulator::start(options()).await;
    assert_eq!(metadata(&api, "").await.body, "monitoring");
    let credentials: Value = serde_json::from_str(&metadata(&api, "monitoring").await.body).expect("JSON");
    assert_eq!(credentials["Code"], "Success");
    assert!(credentials["ExpiredTime"].is_u64() && credentials["Expiration"].is_string(), "{credentials}");
    assert_eq!(code(listing(&api.client, &credentials)).await, Value::Null);
    assert_eq!(metadata(&api, "another").await.status, 404);

    let logged: Vec<_> = api.control.journal().into_iter().map(|entry| (entry.action, entry.error)).collect();
    let expected = [
        ("MetadataRole", None),
        ("MetadataCredentials", None),
        ("DescribeVpnConnections", None),
        ("MetadataCredentials", Some("404")),
    ];
    assert_eq!(logged, expected.map(|(action, error)| (action.to_owned(), error.map(str::to_owned))));

    let elsewhere = RunningSimulator::start(Options { instance_role: None, ..options() }).await;
    assert_eq!(metadata(&elsewhere, "").await.status, 404);
}

#[tokio::test]
async fn credential_source_can_fail() {
    let api = RunningSimulator::start(options()).await;
    let fault = |action: &str, kind| Fault { action: Some(action.to_owned()), ..Fault::new(kind) };
    let faults = vec![
        fault("AssumeRole", FaultKind::Error { code: "InternalError.GetRoleError".to_owned() }),
        fault("MetadataRole", FaultKind::Status { status: 503, retry_after: None }),
        fault("MetadataCredentials", FaultKind::Error { code: "Failed".to_owned() }),
    ];
    api.control.set_faults(faults).expect("faults");
    assert_eq!(code(assume(&api, &role())).await, "InternalError.GetRoleError");
    assert_eq!(metadata(&api, "").await.status, 503);
    assert_eq!(metadata(&api, "monitoring").await.body, r#"{"Code":"Failed"}"#);
    assert_eq!(api.client.describe(EU, json!({})).await["TotalCount"], 1);
}

#[tokio::test]
async fn region_list_can_be_changed() {
    let api = RunningSimulator::start(options()).await;
    let regions = |product: &str| {
        let parameters = json!({"Product": product});
        api.client.request("DescribeRegions", "", &parameters).for_product("region", "2022-06-27")
    };
    let offer = regions("vpc").send().await.response();
    assert_eq!((&offer["TotalCount"], &offer["RegionSet"][0]["Region"]), (&json!(1), &json!(EU)));
    assert_eq!(offer["RegionSet"][0]["RegionState"], "AVAILABLE");

    let closed = OfferedRegion { region: "ap-tokyo".to_owned(), available: false };
    api.control.set_offered_regions(vec![closed]);
    let offer = regions("vpc").send().await.response();
    assert_eq!(offer["RegionSet"][0]["RegionState"], "UNAVAILABLE");
    api.control.set_offered_regions(vec![]);
    assert_eq!(regions("vpc").send().await.response()["TotalCount"], 0);
    assert_eq!(code(regions("cvm")).await, "InvalidParameter.ParameterError");
    assert_eq!(code(regions("vpc").with("X-TC-Action", Some("DescribeProducts"))).await, "InvalidAction");
}

#[tokio::test]
async fn action_can_be_forbidden_for_account_or_role() {
    let api = RunningSimulator::start(Options { accounts: 2, ..options() }).await;
    let [first, second] = api.control.accounts() else { panic!("there are two accounts") };
    let as_account =
        |credentials: &Credentials| Client { credentials: credentials.clone(), ..api.client.clone() };
    let (first, number) = (as_account(&first.credentials), &second.number);
    let second = as_account(&second.credentials);
    api.control.forbid(number, "DescribeVpnConnections").expect("the account");
    assert_eq!(second.refusal(EU, json!({})).await, "UnauthorizedOperation");
    assert_eq!(first.describe(EU, json!({})).await["TotalCount"], 1);
    api.control.allow(number, "DescribeVpnConnections").expect("the account");
    assert_eq!(second.describe(EU, json!({})).await["TotalCount"], 1);

    api.control.forbid(OTHER, "DescribeVpnConnections").expect("the role");
    let granted = assume(&api, &role()).send().await.response();
    assert_eq!(code(listing(&first, &granted["Credentials"])).await, "UnauthorizedOperation");
    let nobody = api.control.forbid("300000000003", "DescribeVpnConnections");
    assert_eq!(nobody, Err(NotFound::Identity("300000000003".to_owned())));
    assert_eq!(api.control.forbid(number, "Describe"), Err(NotFound::Action("Describe".to_owned())));
}
