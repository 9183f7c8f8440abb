//! `DescribeVpnConnections` as the document specifies it.

use serde_json::{Value, json};

use crate::client::RunningSimulator;

const EU: &str = "eu-frankfurt";

fn ids(response: &Value) -> Vec<&str> {
    let rows = response["VpnConnectionSet"].as_array().expect("a list of rows");
    rows.iter().map(|row| row["VpnConnectionId"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn pages_cover_the_region_in_order() {
    let api =
        RunningSimulator::frozen(&[("ap-guangzhou", 0), ("ap-tokyo", 1), ("ap-singapore", 100), (EU, 2249)])
            .await;
    for (name, tunnels) in [("ap-guangzhou", 0), ("ap-tokyo", 1), ("ap-singapore", 100), (EU, 2249)] {
        let mut seen = Vec::new();
        for offset in (0..=tunnels).step_by(100) {
            let page = api.client.describe(name, json!({"Offset": offset, "Limit": 100})).await;
            assert_eq!(page["TotalCount"], tunnels);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
        }
        assert_eq!(seen, api.control.ids(name).expect("the region"), "{name}");
    }
}

#[tokio::test]
async fn page_has_20_rows_by_default() {
    let api = RunningSimulator::frozen(&[(EU, 30)]).await;
    let all = api.control.ids(EU).expect("the region");
    let table = [
        (json!({}), &all[..20]),
        (json!({"Limit": 5}), &all[..5]),
        (json!({"Limit": "5", "Offset": "0"}), &all[..5]),
        (json!({"Limit": 100, "Offset": 25}), &all[25..]),
        (json!({"Offset": 30}), &[]),
        (json!({"Offset": null, "Limit": null}), &all[..20]),
    ];
    for (parameters, expected) in table {
        let page = api.client.describe(EU, parameters.clone()).await;
        assert_eq!(ids(&page), expected, "{parameters}");
        assert_eq!(page["TotalCount"], 30);
    }
}

#[tokio::test]
async fn row_has_all_fields_of_the_documented_example() {
    let api = RunningSimulator::frozen(&[(EU, 100)]).await;
    let example = json!({
        "VpcId": "", "VpnConnectionId": "", "VpnConnectionName": "", "VpnGatewayId": "", "CustomerGatewayId": "",
        "PreShareKey": "", "VpnProto": "", "EncryptProto": "", "RouteType": "",
        "IKEOptionsSpecification": {
            "PropoAuthenAlgorithm": "", "PropoEncryAlgorithm": "", "ExchangeMode": "", "LocalIdentity": "",
            "RemoteIdentity": "", "LocalAddress": "", "RemoteAddress": "", "LocalFqdnName": "",
            "RemoteFqdnName": "", "DhGroupName": "", "IKESaLifetimeSeconds": 0, "IKEVersion": "",
        },
        "IPSECOptionsSpecification": {
            "EncryptAlgorithm": "", "IntegrityAlgorith": "", "PfsDhGroup": "", "IPSECSaLifetimeSeconds": 0,
            "IPSECSaLifetimeTraffic": 0,
        },
        "CreatedTime": "", "SecurityPolicyDatabaseSet": [{"LocalCidrBlock": "", "RemoteCidrBlock": [""]}],
        "State": "", "NetStatus": "", "NegotiationType": "", "DpdEnable": 0, "DpdTimeout": "", "DpdAction": "",
        "EnableHealthCheck": false, "HealthCheckLocalIp": "", "HealthCheckRemoteIp": "", "HealthCheckStatus": "",
        "TagSet": [],
    });
    let page = api.client.describe(EU, json!({"Limit": 100})).await;
    let rows = page["VpnConnectionSet"].as_array().expect("rows");
    for row in rows {
        assert_same_shape(&example, row);
        let key = row["PreShareKey"].as_str().expect("a key");
        assert!(
            key.ends_with(row["VpnConnectionId"].as_str().expect("an id")),
            "{key} does not end with the tunnel's id"
        );
        assert_eq!(row["EnableHealthCheck"], row["HealthCheckStatus"] != "");
        assert_eq!(row["EnableHealthCheck"], row.get("HealthCheckConfig").is_some());
    }
    for field in ["HealthCheckConfig", "BgpConfig"] {
        let with = rows.iter().filter(|row| row.get(field).is_some()).count();
        assert!((1..100).contains(&with), "{with} of 100 rows have {field}");
    }
}

/// Asserts that the row has every field of the example, with a value of the same type.
fn assert_same_shape(example: &Value, row: &Value) {
    match (example, row) {
        (Value::Object(example), Value::Object(row)) => {
            for (field, value) in example {
                assert_same_shape(value, row.get(field).unwrap_or_else(|| panic!("{field} is missing")));
            }
        }
        (Value::Array(example), Value::Array(row)) => {
            if let Some(example) = example.first() {
                for row in row {
                    assert_same_shape(example, row);
                }
            }
        }
        _ => assert_eq!(std::mem::discriminant(example), std::mem::discriminant(row), "{example} and {row}"),
    }
}

#[tokio::test]
async fn ids_select_tunnels_and_must_exist() {
    let api = RunningSimulator::frozen(&[(EU, 30)]).await;
    let all = api.control.ids(EU).expect("the region");
    let page = api.client.describe(EU, json!({"VpnConnectionIds": [all[7], all[3]]})).await;
    assert_eq!((ids(&page), &page["TotalCount"]), (vec![&*all[3], &*all[7]], &json!(2)));

    let response = api.client.describe(EU, json!({"VpnConnectionIds": [all[7], "vpnx-00000000"]})).await;
    assert_eq!(response["Error"]["Code"], "ResourceNotFound");
    assert!(response["Error"]["Message"].as_str().is_some_and(|text| text.contains("vpnx-00000000")));
    assert_eq!(
        api.client.refusal(EU, json!({"VpnConnectionIds": ["7"]})).await,
        "InvalidParameterValue.Malformed"
    );
    let many = vec![&all[0]; 101];
    let code = api.client.refusal(EU, json!({"VpnConnectionIds": many})).await;
    assert_eq!(code, "InvalidParameterValue.LimitExceeded");
}

#[tokio::test]
async fn each_filter_matches_its_field() {
    let api = RunningSimulator::frozen(&[(EU, 30)]).await;
    let rows = api.control.rows(EU).expect("the region");
    let table = [
        ("vpc-id", "VpcId"),
        ("vpn-gateway-id", "VpnGatewayId"),
        ("customer-gateway-id", "CustomerGatewayId"),
        ("vpn-connection-name", "VpnConnectionName"),
        ("vpn-connection-id", "VpnConnectionId"),
    ];
    for (name, field) in table {
        let values = [&rows[4][field], &rows[20][field]];
        let filters = json!([{"Name": name, "Values": values}]);
        let page = api.client.describe(EU, json!({"Filters": filters, "Limit": 100})).await;
        let expected: Vec<_> = rows.iter().filter(|row| values.contains(&&row[field])).cloned().collect();
        assert_eq!(page["VpnConnectionSet"], json!(expected), "{name}");
        assert_eq!(page["TotalCount"], expected.len(), "{name}");
    }
    let none = json!([
        {"Name": "vpn-connection-id", "Values": [rows[0]["VpnConnectionId"]]},
        {"Name": "vpn-gateway-id", "Values": [rows[29]["VpnGatewayId"]]},
    ]);
    assert_eq!(api.client.describe(EU, json!({"Filters": none})).await["TotalCount"], 0, "filters add up");
}

#[tokio::test]
async fn documented_limits_and_rules_are_enforced() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let filter = json!({"Name": "vpc-id", "Values": ["a", "b", "c", "d", "e"]});
    let table = [
        (json!({"Limit": 101}), "InvalidParameterValue.LimitExceeded"),
        (json!({"Offset": -1}), "InvalidParameterValue"),
        (json!({"Limit": "many"}), "InvalidParameter"),
        (json!({"Filters": vec![&filter; 11]}), "InvalidParameterValue.LimitExceeded"),
        (
            json!({"Filters": [{"Name": "vpc-id", "Values": ["a", "b", "c", "d", "e", "f"]}]}),
            "InvalidParameterValue.LimitExceeded",
        ),
        (json!({"Filters": [{"Name": "state", "Values": ["a"]}]}), "InvalidParameter.FilterInvalidKey"),
        (json!({"Filters": [filter], "VpnConnectionIds": ["vpnx-00000000"]}), "InvalidParameter.Coexist"),
        (json!({"Limits": 5}), "UnknownParameter"),
    ];
    for (parameters, code) in table {
        assert_eq!(api.client.refusal(EU, parameters.clone()).await, code, "{parameters}");
    }
    let most = api.client.describe(EU, json!({"Filters": vec![&filter; 10], "Limit": 100})).await;
    assert_eq!(most["TotalCount"], 0, "{most}");
}
