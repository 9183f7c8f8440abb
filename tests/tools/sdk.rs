//! Tencent's official Python SDK as a client of the simulator: a check that the simulator is realistic.

use crate::sdk_client::Sdk;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Control, Credentials, Fault, FaultKind, Options, Simulator, WebIdentity};
use test_support::{Api, Daemon, frozen};

const EU: &str = "eu-frankfurt";
const HOUR: Duration = Duration::from_secs(3600);
const ARN: &str = "qcs::cam::uin/100000000001:roleName/monitoring";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the SDK; tests/run runs it"]
async fn official_sdk_understands_the_simulator() {
    let options = Options {
        regions: vec![(EU.to_owned(), 230)],
        frozen: true,
        web_identity: Some(WebIdentity { provider_id: "tke".to_owned(), token: "a token".to_owned() }),
        ..Options::default()
    };
    let address = "127.0.0.1:0".parse().expect("an address");
    let simulator = Simulator::bind(options, address).await.expect("a simulator");
    let sdk = Sdk::of(&simulator.local_addr().to_string()).await;
    let (control, credentials) = (simulator.control(), simulator.credentials().clone());
    let served = tokio::spawn(simulator.run(std::future::pending()));

    check_pages(&sdk, &control, &credentials).await;
    check_refusals(&sdk, &control, &credentials).await;
    check_deletions(&sdk, &control, &credentials).await;
    check_roles(&sdk, &credentials).await;
    check_regions(&sdk, &credentials).await;
    served.abort();
}

async fn check_pages(sdk: &Sdk, control: &Control, credentials: &Credentials) {
    let pages = [0, 100, 200].map(|offset| json!({"Offset": offset, "Limit": 100}));
    let answers = sdk.describe(credentials, &pages).await;
    let rows: Vec<_> =
        answers.iter().flat_map(|page| page["VpnConnectionSet"].as_array().expect("rows")).collect();
    let expected = control.rows(EU).expect("the region");
    assert_eq!(rows.len(), 230);
    for (row, expected) in rows.iter().zip(&expected) {
        assert_understood(expected, row);
    }
    let journal = control.journal();
    let asked: Vec<_> = journal.iter().map(|entry| (entry.offset, entry.limit)).collect();
    assert_eq!(asked, [0, 100, 200].map(|offset| (Some(offset), Some(100))));
}

/// The SDK's models have each field that was sent, with the same value.
fn assert_understood(sent: &Value, understood: &Value) {
    match (sent, understood) {
        (Value::Object(sent), Value::Object(understood)) => {
            for (field, value) in sent {
                assert_understood(
                    value,
                    understood.get(field).unwrap_or_else(|| panic!("{field} is missing")),
                );
            }
        }
        (Value::Array(sent), Value::Array(understood)) => {
            assert_eq!(sent.len(), understood.len());
            for (sent, understood) in sent.iter().zip(understood) {
                assert_understood(sent, understood);
            }
        }
        _ => assert_eq!(sent, understood),
    }
}

async fn check_refusals(sdk: &Sdk, control: &Control, credentials: &Credentials) {
    let id = &control.ids(EU).expect("the region")[0];
    let filter = json!([{"Name": "vpc-id", "Values": ["vpc-0a36uwkr"]}]);
    let (parameters, expected): (Vec<_>, Vec<_>) = [
        (json!({"VpnConnectionIds": [id], "Filters": filter}), "InvalidParameter.Coexist"),
        (json!({"Filters": [{"Name": "state", "Values": ["a"]}]}), "InvalidParameter.FilterInvalidKey"),
        (json!({"Limit": 101}), "InvalidParameterValue.LimitExceeded"),
        (json!({"VpnConnectionIds": ["vpnx"]}), "InvalidParameterValue.Malformed"),
        (json!({"VpnConnectionIds": ["vpnx-00000000"]}), "ResourceNotFound"),
    ]
    .into_iter()
    .unzip();
    assert_eq!(codes(&sdk.describe(credentials, &parameters).await), expected);

    for code in ["InternalError.ModuleError", "UnsupportedOperation"] {
        let fault = Fault::new(FaultKind::Error { code: code.to_owned() });
        control.set_faults(vec![fault]).expect("a fault");
        assert_eq!(codes(&sdk.describe(credentials, &[json!({})]).await), [code]);
    }
    control.set_faults(vec![]).expect("no fault");

    let wrong_key = Credentials { secret_key: "another key".to_owned(), ..credentials.clone() };
    let wrong_id = Credentials { secret_id: "AKIDEXAMPLE".to_owned(), ..credentials.clone() };
    assert_eq!(codes(&sdk.describe(&wrong_key, &[json!({})]).await), ["AuthFailure.SignatureFailure"]);
    assert_eq!(codes(&sdk.describe(&wrong_id, &[json!({})]).await), ["AuthFailure.SecretIdNotFound"]);
}

fn codes(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["Error"].as_str().unwrap_or("none")).collect()
}

async fn check_deletions(sdk: &Sdk, control: &Control, credentials: &Credentials) {
    let row = &control.rows(EU).expect("the region")[0];
    let (gateway, tunnel) = (&row["VpnGatewayId"], &row["VpnConnectionId"]);
    let order = |gateway: &Value, tunnel: &Value| {
        let parameters = json!({"VpnGatewayId": gateway, "VpnConnectionId": tunnel});
        call("vpc", "DeleteVpnConnection", &parameters)
    };
    let calls = [
        order(gateway, tunnel),
        order(gateway, tunnel),
        order(&json!("vpngw-00000000"), tunnel),
        order(gateway, &json!("vpnx")),
    ];
    let expected = [
        "none",
        "UnsupportedOperation.DeleteVpnConnInvalidState",
        "ResourceNotFound",
        "InvalidParameterValue.Malformed",
    ];
    assert_eq!(codes(&sdk.call(credentials, None, &calls).await), expected);
}

async fn check_roles(sdk: &Sdk, credentials: &Credentials) {
    let role = json!({"RoleArn": ARN, "RoleSessionName": "sdk", "DurationSeconds": 7200});
    let mut identity = role.clone();
    identity["ProviderId"] = json!("tke");
    identity["WebIdentityToken"] = json!("a token");
    let mut unsigned = call("sts", "AssumeRoleWithWebIdentity", &identity);
    unsigned["unsigned"] = json!(true);
    let calls = [call("sts", "AssumeRole", &role), unsigned];
    for granted in sdk.call(credentials, None, &calls).await {
        let given = &granted["Credentials"];
        let text = |key: &str| given[key].as_str().unwrap_or_else(|| panic!("{granted}")).to_owned();
        let temporary = Credentials { secret_id: text("TmpSecretId"), secret_key: text("TmpSecretKey") };
        let calls = [call("vpc", "DescribeVpnConnections", &json!({}))];
        assert_eq!(codes(&sdk.call(&temporary, Some(&text("Token")), &calls).await), ["none"]);
        assert_eq!(codes(&sdk.call(&temporary, None, &calls).await), ["AuthFailure.TokenFailure"]);
    }
}

async fn check_regions(sdk: &Sdk, credentials: &Credentials) {
    let calls = [call("region", "DescribeRegions", &json!({"Product": "vpc"}))];
    let answers = sdk.call(credentials, None, &calls).await;
    assert_eq!(answers[0]["RegionSet"][0]["Region"], EU, "{answers:?}");
}

fn call(service: &str, action: &str, parameters: &Value) -> Value {
    json!({"service": service, "action": action, "region": EU, "parameters": parameters})
}

impl Sdk {
    async fn describe(&self, credentials: &Credentials, parameters: &[Value]) -> Vec<Value> {
        let calls = parameters.iter().map(|parameters| call("vpc", "DescribeVpnConnections", parameters));
        self.call(credentials, None, &calls.collect::<Vec<_>>()).await
    }
}

#[tokio::test]
#[ignore = "needs the SDK; tests/run runs it"]
async fn daemon_sees_what_the_sdk_deletes() {
    let api = Api::start(Options { deletion: HOUR, ..frozen(&[(EU, 3)]) }).await;
    let row = api.control.rows(EU).expect("the region").remove(1);
    let id = row["VpnConnectionId"].as_str().expect("an id").to_owned();
    let sdk = Sdk::of(&api.address.to_string()).await;
    let daemon = Daemon::start(&api.config(&[EU])).await;
    daemon.until(|metrics| metrics.sum("tunnel_up", &[]) == 3.0).await;
    let call = json!({
        "service": "vpc",
        "action": "DeleteVpnConnection",
        "region": EU,
        "parameters": {"VpnGatewayId": row["VpnGatewayId"], "VpnConnectionId": id},
    });
    let answers = sdk.call(api.control.credentials(), None, &[call]).await;
    assert!(answers[0]["RequestId"].is_string(), "{answers:?}");

    let tunnel = ("vpn_connection_id", id.as_str());
    let deleting = [tunnel, ("state", "DELETING")];
    let metrics = daemon.until(|metrics| metrics.value("tunnel_state", &deleting) == Some(1.0)).await;
    assert_eq!(metrics.value("tunnel_up", &[tunnel]), Some(0.0));
    assert_eq!(metrics.value("tunnel_transitions_total", &[tunnel]), Some(1.0));
    api.control.advance(HOUR);
    daemon.until(|metrics| metrics.count("tunnel_info", &[tunnel]) == 0).await;
    assert_eq!(daemon.scrape().await.tunnels(&[]), Some(2.0));
}
