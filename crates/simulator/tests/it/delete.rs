//! `DeleteVpnConnection` as the document specifies it. The causes of its errors are inferred from their names.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{GatewayState, NotFound, Options};

use crate::client::RunningSimulator;

const EU: &str = "eu-frankfurt";

/// The identifiers of a tunnel's gateway and of the tunnel.
type Ids = (String, String);

async fn delete(api: &RunningSimulator, (gateway, tunnel): &Ids) -> Value {
    let parameters = json!({"VpnGatewayId": gateway, "VpnConnectionId": tunnel});
    api.client.request("DeleteVpnConnection", EU, &parameters).send().await.response()
}

async fn code(api: &RunningSimulator, ids: &Ids) -> String {
    let response = delete(api, ids).await;
    response["Error"]["Code"].as_str().unwrap_or_else(|| panic!("no refusal: {response}")).to_owned()
}

fn ids(api: &RunningSimulator) -> Vec<Ids> {
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let rows = api.control.rows(EU).expect("the region");
    rows.iter().map(|row| (text(&row["VpnGatewayId"]), text(&row["VpnConnectionId"]))).collect()
}

#[tokio::test]
async fn deleted_tunnel_is_deleting_before_it_disappears() {
    let options = Options { regions: vec![(EU.to_owned(), 3)], frozen: true, ..Options::default() };
    let api = RunningSimulator::start(Options { deletion: Duration::from_secs(60), ..options }).await;
    let before = ids(&api);
    let response = delete(&api, &before[1]).await;
    assert!(response["RequestId"].is_string() && response.as_object().is_some_and(|all| all.len() == 1));
    let page = api.client.describe(EU, json!({})).await;
    let states: Vec<_> =
        page["VpnConnectionSet"].as_array().expect("rows").iter().map(|row| &row["State"]).collect();
    assert_eq!(states, ["AVAILABLE", "DELETING", "AVAILABLE"]);
    assert_eq!(code(&api, &before[1]).await, "UnsupportedOperation.DeleteVpnConnInvalidState");

    api.control.advance(Duration::from_secs(61));
    assert_eq!(ids(&api), [before[0].clone(), before[2].clone()]);
    assert_eq!(api.client.describe(EU, json!({})).await["TotalCount"], 2);
    assert_eq!(code(&api, &before[1]).await, "ResourceNotFound");
    let journal = api.control.journal();
    assert_eq!((&*journal[0].action, &journal[0].ids), ("DeleteVpnConnection", &vec![before[1].1.clone()]));
}

#[tokio::test]
async fn both_identifiers_are_required_and_well_formed() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let (gateway, tunnel) = ids(&api).remove(0);
    let table = [
        (json!({"VpnConnectionId": tunnel}), "MissingParameter"),
        (json!({"VpnGatewayId": gateway}), "MissingParameter"),
        (json!({"VpnGatewayId": "", "VpnConnectionId": tunnel}), "MissingParameter"),
        (json!({"VpnGatewayId": 5, "VpnConnectionId": tunnel}), "InvalidParameter"),
        (json!({"VpnGatewayId": tunnel, "VpnConnectionId": tunnel}), "InvalidParameterValue.Malformed"),
        (json!({"VpnGatewayId": gateway, "VpnConnectionId": "vpnx-1"}), "InvalidParameterValue.Malformed"),
        (json!({"VpnGatewayId": gateway, "VpnConnectionId": tunnel, "Force": true}), "UnknownParameter"),
    ];
    for (parameters, code) in table {
        let response = api.client.request("DeleteVpnConnection", EU, &parameters).send().await;
        assert_eq!(response.response()["Error"]["Code"], code, "{parameters}");
    }
    assert_eq!(ids(&api).len(), 1);
}

#[tokio::test]
async fn unknown_gateway_or_tunnel_is_not_found() {
    let api = RunningSimulator::frozen(&[(EU, 9)]).await;
    let all = ids(&api);
    let (first, last) = (&all[0], &all[8]);
    assert_ne!(first.0, last.0, "nine tunnels are on two gateways");
    assert_eq!(code(&api, &("vpngw-00000000".to_owned(), first.1.clone())).await, "ResourceNotFound");
    assert_eq!(code(&api, &(first.0.clone(), "vpnx-00000000".to_owned())).await, "ResourceNotFound");
    let crossed = (first.0.clone(), last.1.clone());
    assert_eq!(code(&api, &crossed).await, "UnsupportedOperation.RecordNotExists");
    let elsewhere = api.control.set_gateway(EU, "vpngw-00000000", GatewayState::Busy);
    assert_eq!(elsewhere, Err(NotFound::Gateway("vpngw-00000000".to_owned())));
}

#[tokio::test]
async fn gateway_or_tunnel_state_can_prevent_deletion() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let (control, eu) = (&api.control, EU);
    let tunnel = ids(&api).remove(0);
    for (state, expected) in [
        (GatewayState::Unavailable, "UnsupportedOperation.InvalidState"),
        (GatewayState::Busy, "UnsupportedOperation.MutexOperationTaskRunning"),
    ] {
        control.set_gateway(eu, &tunnel.0, state).expect("the gateway");
        assert_eq!(code(&api, &tunnel).await, expected);
    }
    control.set_gateway(eu, &tunnel.0, GatewayState::Available).expect("the gateway");
    control.set(eu, &tunnel.1, "State", "PENDING").expect("the tunnel");
    assert_eq!(code(&api, &tunnel).await, "UnsupportedOperation.DeleteVpnConnInvalidState");
    control.restore(eu, &tunnel.1).expect("the tunnel");
    control.set(eu, &tunnel.1, "State", "AVAILABLE").expect("the tunnel");
    assert_eq!(delete(&api, &tunnel).await["Error"], Value::Null);
    let rows = control.rows(eu).expect("the region");
    assert_eq!(rows[0]["State"], "DELETING", "a deletion overrides a state that was set before");
}
