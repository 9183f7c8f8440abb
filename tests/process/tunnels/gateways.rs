//! The output of `gateways list`, for people and for programs.

use serde_json::{Value, json};
use simulator::{Fault, FaultKind, GatewayProblem};

use super::setup::{FRANKFURT, GUANGZHOU, LIST, Scene};
use test_support::{
    Api,
    binary::{Finished, WorkDir, assert_exit, run},
    frozen, with_gateways,
};

const HEADER: &str = "ACCOUNT  REGION        ID";

async fn list(files: &WorkDir, flags: &[&str]) -> Finished {
    run(files.exporter(&[&["gateways", "list"], flags].concat())).await
}

fn rows(finished: &Finished) -> Vec<Value> {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// The line of a gateway in a table, from its name on.
#[track_caller]
fn line<'a>(finished: &'a Finished, id: &str) -> &'a str {
    let found = finished.stdout.lines().find_map(|line| line.split_once(&format!("{id}  ")));
    found.unwrap_or_else(|| panic!("no {id} in {finished:?}")).1
}

#[tokio::test]
async fn table_shows_state_expiry_and_tunnels() {
    let scene = Scene::with(9).await;
    let (first, second) = (scene.tunnel(0), scene.tunnel(8));
    scene.set(&first, "NetStatus", "UNAVAILABLE");
    scene.set(&first, "EnableHealthCheck", false);
    scene.set(&first, "NegotiationType", "active");
    for (tunnel, name) in [(&first, "a"), (&second, "b\u{202e}\u{1b}[31m")] {
        scene.set_gateway(tunnel, "VpnGatewayName", name);
        scene.set_gateway(tunnel, "Type", "IPSEC");
        scene.set_gateway(tunnel, "InternetMaxBandwidthOut", 200);
    }
    scene.set_gateway(&first, "InstanceChargeType", "POSTPAID_BY_HOUR");
    for (field, value) in [
        ("InstanceChargeType", "PREPAID"),
        ("RenewFlag", "NOTIFY_AND_AUTO_RENEW"),
        ("CreatedTime", "2020-03-04 05:06:07"),
        ("ExpiredTime", "2021-03-04 05:06:07"),
    ] {
        scene.set_gateway(&second, field, value);
    }
    let finished = list(&scene.files, &[]).await;
    assert_exit("both", &finished, 0, &[]);
    assert_eq!(finished.stderr, "");
    assert!(finished.stdout.starts_with(HEADER), "{}", finished.stdout);
    let words =
        |id: &str| line(&finished, id).split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    let (a, b): (Vec<_>, Vec<_>) = (words(&first.gateway), words(&second.gateway));
    assert_eq!(a, ["a", "IPSEC", "AVAILABLE", "-", "-", "200 Mbit/s", "7/8"]);
    let expiry = "2021-03-03 (expired, auto-renew)";
    assert_eq!(b, ["b \u{fffd}[31m", "IPSEC", "AVAILABLE", "-", expiry, "200 Mbit/s", "1/1"]);
}

#[tokio::test]
async fn broken_gateways_come_first() {
    let scene = Scene::with(17).await;
    let mut tunnels = [0, 10, 16].map(|place| scene.tunnel(place));
    tunnels.sort_by(|a, b| a.gateway.cmp(&b.gateway));
    let [_, isolated, blocked] = &tunnels;
    scene.set_problem(isolated, Some(GatewayProblem::Isolated));
    scene.set_problem(blocked, Some(GatewayProblem::AddressBlocked));
    let finished = list(&scene.files, &[]).await;
    assert_exit("all", &finished, 0, &[]);
    assert!(
        line(&finished, &isolated.gateway).contains("AVAILABLE  PROTECTIVELY_ISOLATED  "),
        "{finished:?}"
    );
    assert!(line(&finished, &blocked.gateway).contains("AVAILABLE  address blocked  "), "{finished:?}");
    let position = |id: &str| finished.stdout.find(id).expect("the gateway");
    let order = [1, 2, 0].map(|n| position(&tunnels[n].gateway));
    assert!(order.is_sorted(), "{}", finished.stdout);
    let rows = rows(&list(&scene.files, &["--output", "json"]).await);
    let statuses: Vec<_> = rows.iter().map(|row| row["status"].as_str().expect("a status")).collect();
    assert_eq!(statuses, ["available", "isolated", "address blocked"], "JSON is in the order of ids");
}

#[tokio::test]
async fn json_has_every_field() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    for (field, value) in [
        ("VpnGatewayName", json!("a\n\u{202e}<b>")),
        ("Type", json!("CCN")),
        ("State", json!("PENDING_ERROR")),
        ("RestrictState", json!("PROTECTIVELY_ISOLATED")),
        ("IsAddressBlocked", json!(true)),
        ("PublicIpAddress", json!("192.0.2.77")),
        ("VpcId", json!("")),
        ("NetworkInstanceId", json!("ccn-1")),
        ("InstanceChargeType", json!("PREPAID")),
        ("RenewFlag", json!("x".repeat(10_000))),
        ("CreatedTime", json!("2021-07-22 14:05:07")),
        ("ExpiredTime", json!("2022-07-22 14:05:07")),
        ("InternetMaxBandwidthOut", json!(5)),
    ] {
        scene.set_gateway(&tunnel, field, value);
    }
    let expected = json!([{
        "account": "main",
        "region": GUANGZHOU,
        "vpn_gateway_id": tunnel.gateway,
        "vpn_gateway_name": "a\n\u{202e}<b>",
        "type": "CCN",
        "status": "isolated",
        "state": "PENDING_ERROR",
        "restrict_state": "PROTECTIVELY_ISOLATED",
        "address_blocked": true,
        "public_ip_address": "192.0.2.77",
        "vpc_id": "",
        "network_instance_id": "ccn-1",
        "charge_type": "PREPAID",
        "renew_flag": "x".repeat(128),
        "expiry_timestamp_seconds": 1_658_469_907,
        "bandwidth_bytes_per_second": 625_000,
        "tunnels": 1,
        "tunnels_up": 1,
    }]);
    assert_eq!(Value::from(rows(&list(&scene.files, &["--output", "json"]).await)), expected);
}

#[tokio::test]
async fn missing_permission_fails_the_command() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    scene.forbid(LIST);
    let without_tunnels = list(&scene.files, &[]).await;
    assert_exit("tunnels", &without_tunnels, 1, &["main in ap-guangzhou: UnauthorizedOperation"]);
    assert!(line(&without_tunnels, &tunnel.gateway).ends_with(" -"), "{without_tunnels:?}");
    scene.forbid("DescribeVpnGateways");
    let without_gateways = list(&scene.files, &[]).await;
    let message =
        "main in ap-guangzhou: gateways cannot be listed: DescribeVpnGateways: UnauthorizedOperation";
    assert_exit("gateways", &without_gateways, 1, &[message, "vpc:DescribeVpnGateways"]);
    assert_eq!(without_gateways.stdout, "", "a table without rows is not printed");
}

#[tokio::test]
async fn missing_permission_for_peers_does_not_matter() {
    let scene = Scene::with(1).await;
    scene.forbid("DescribeCustomerGateways");
    let finished = list(&scene.files, &[]).await;
    assert_exit("customer gateways", &finished, 0, &["vpc:DescribeCustomerGateways"]);
}

#[tokio::test]
async fn failed_target_does_not_hide_others() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2), (FRANKFURT, 2)])).await;
    let fault = Fault { region: Some(FRANKFURT.to_owned()), ..Fault::new(FaultKind::Reset) };
    api.control.set_faults(vec![fault]).expect("a fault");
    let config = api.config_with_poll(&[FRANKFURT, GUANGZHOU], "timeout: 500ms");
    let files = WorkDir::with(with_gateways(&config, "5m"));
    let finished = list(&files, &[]).await;
    assert_exit("one of two", &finished, 1, &["main in eu-frankfurt: "]);
    assert_eq!(finished.stdout.lines().count(), 2, "{}", finished.stdout);
    let healthy = list(&files, &["--account", "main", "--region", GUANGZHOU]).await;
    assert_exit("the other region did not fail", &healthy, 0, &[]);
    let unknown = list(&files, &["--region", "ap-tokyo"]).await;
    assert_exit("an unconfigured region", &unknown, 64, &["--region: ap-tokyo is not configured"]);
}

#[tokio::test]
async fn disabled_gateways_are_a_usage_error() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let files = WorkDir::with(api.config_with_poll(&[GUANGZHOU], "timeout: 20s"));
    let finished = list(&files, &[]).await;
    assert_exit("disabled", &finished, 64, &["gateways.enabled is false", "set it to true"]);
    assert_eq!((&*finished.stdout, api.control.journal().len()), ("", 0));
}
