//! The output of `tunnels list`, for people and for programs.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::{Fault, FaultKind, GatewayProblem};

use super::setup::{FRANKFURT, GUANGZHOU, LIST, Scene, TunnelIds};
use test_support::{
    Api,
    binary::{Finished, WorkDir, assert_exit, run},
    frozen,
};

async fn list(files: &WorkDir, flags: &[&str]) -> Finished {
    run(files.exporter(&[&["tunnels", "list"], flags].concat())).await
}

fn rows(finished: &Finished) -> Vec<Value> {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("no {field} in {row}"))
}

/// The ids of a JSON list in its order.
fn ids(finished: &Finished) -> Vec<String> {
    rows(finished).iter().map(|row| text(row, "vpn_connection_id").to_owned()).collect()
}

#[tokio::test]
async fn every_page_is_listed_once_in_order() {
    let api = Api::start(frozen(&[(GUANGZHOU, 247), (FRANKFURT, 3)])).await;
    let accounts = [api.account("first", &[GUANGZHOU, FRANKFURT]), api.account("second", &[FRANKFURT])];
    let accounts = accounts.each_ref().map(String::as_str);
    let files = WorkDir::with(api.config_for(&accounts, "timeout: 20s"));
    let finished = list(&files, &["--output", "json"]).await;
    assert_exit("all", &finished, 0, &[]);
    assert_eq!(finished.stderr, "");
    let place =
        |row: &Value| ["account", "region", "vpn_connection_id"].map(|field| text(row, field).to_owned());
    let listed: Vec<_> = rows(&finished).iter().map(place).collect();
    let mut expected = Vec::new();
    for (account, name) in [("first", GUANGZHOU), ("first", FRANKFURT), ("second", FRANKFURT)] {
        let ids = api.control.ids(name).expect("the region");
        expected.extend(ids.into_iter().map(|id| [account.to_owned(), name.to_owned(), id]));
    }
    expected.sort();
    assert_eq!(listed, expected);
    let table = list(&files, &[]).await;
    assert_eq!(table.stdout.lines().count(), 1 + 253);
}

#[tokio::test]
async fn piped_table_has_no_colours() {
    let scene = Scene::with(2).await;
    let tunnels = [scene.tunnel(0), scene.tunnel(1)];
    for (tunnel, name) in tunnels.iter().zip(["office", "a\u{9b}31m\n b"]) {
        scene.set(tunnel, "VpnConnectionName", name);
        scene.set(tunnel, "CreatedTime", "long ago");
        scene.set(tunnel, "IKEOptionsSpecification", json!({"RemoteAddress": "192.0.2.77"}));
        scene.set(tunnel, "EnableHealthCheck", name == "office");
        scene.set_peer(tunnel, "CustomerGatewayName", "to\u{202e}berlin");
        scene.set_peer(tunnel, "IpAddress", "192.0.2.78");
    }
    scene.set_gateway(&tunnels[0], "VpnGatewayName", "offices");
    scene.set(&tunnels[0], "HealthCheckStatus", "UNAVAILABLE");
    let mut command = scene.files.exporter(&["tunnels", "list"]);
    command.env("CLICOLOR_FORCE", "1").env("TERM", "xterm");
    let finished = run(command).await;
    assert_eq!((finished.code(), &*finished.stderr), (Some(0), ""));
    let head = "ACCOUNT  REGION        GATEWAY  ID             NAME      PEER       PEER ADDRESS  STATUS  STATE      NET STATUS  HEALTH       AGE\n";
    let ends = [
        "office    to berlin  192.0.2.78    down    AVAILABLE  AVAILABLE   UNAVAILABLE  -",
        "a\u{fffd}31m  b  to berlin  192.0.2.78    up      AVAILABLE  AVAILABLE   -            -",
    ];
    let line =
        |(tunnel, rest): (&TunnelIds, _)| format!("main     ap-guangzhou  offices  {}  {rest}\n", tunnel.id);
    let mut lines: Vec<_> = tunnels.iter().zip(ends).map(line).collect();
    lines.sort();
    let expected = head.to_owned() + &lines.concat();
    assert_eq!(finished.stdout, expected);
}

#[tokio::test]
async fn json_has_every_field() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    scene.set(&tunnel, "VpnConnectionName", "a\n\"b\"");
    scene.set(&tunnel, "CreatedTime", "2022-07-22 14:05:07");
    scene.set(&tunnel, "IKEOptionsSpecification", json!({"RemoteAddress": "192.0.2.77"}));
    scene.set(&tunnel, "EnableHealthCheck", false);
    scene.set(&tunnel, "State", "NEW");
    scene.set_gateway(&tunnel, "VpnGatewayName", "a\n\u{202e}<b>");
    scene.set_gateway(&tunnel, "IsAddressBlocked", true);
    scene.set_peer(&tunnel, "CustomerGatewayName", "x".repeat(10_000));
    scene.set_peer(&tunnel, "IpAddress", "192.0.2.78");
    let expected = json!([{
        "account": "main",
        "region": GUANGZHOU,
        "vpn_gateway_id": tunnel.gateway,
        "vpn_gateway_name": "a\n\u{202e}<b>",
        "gateway_status": "address blocked",
        "customer_gateway_id": tunnel.customer_gateway,
        "customer_gateway_name": "x".repeat(128),
        "customer_gateway_ip_address": "192.0.2.78",
        "vpn_connection_id": tunnel.id,
        "vpn_connection_name": "a\n\"b\"",
        "remote_identity": "192.0.2.77",
        "status": "unknown",
        "state": "UNKNOWN",
        "net_status": "AVAILABLE",
        "health_check_status": null,
        "created_timestamp_seconds": 1_658_469_907,
    }]);
    assert_eq!(Value::from(rows(&list(&scene.files, &["--output", "json"]).await)), expected);
}

#[tokio::test]
async fn isolated_gateway_is_the_cause() {
    let scene = Scene::with(9).await;
    for place in 0..9 {
        scene.set(&scene.tunnel(place), "NegotiationType", "active");
    }
    scene.set_problem(&scene.tunnel(0), Some(GatewayProblem::Isolated));
    let table = list(&scene.files, &[]).await;
    assert_exit("the tunnels are listed", &table, 0, &[]);
    let lines_with = |words: &str| table.stdout.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines_with("  down (gateway isolated)  "), 8, "{}", table.stdout);
    assert_eq!(lines_with("  up "), 1, "the other gateway: {}", table.stdout);
    let rows = rows(&list(&scene.files, &["--down", "--output", "json"]).await);
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row["gateway_status"] == "isolated" && row["status"] == "down"));
}

#[tokio::test]
async fn tunnels_are_listed_without_gateways() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    for action in ["DescribeVpnGateways", "DescribeCustomerGateways"] {
        scene.forbid(action);
    }
    let finished = list(&scene.files, &["--output", "json"]).await;
    assert_exit(
        "json",
        &finished,
        0,
        &["gateways cannot be listed: DescribeVpnGateways: UnauthorizedOperation"],
    );
    for permission in ["vpc:DescribeVpnGateways", "vpc:DescribeCustomerGateways"] {
        assert!(finished.stderr.contains(permission), "{}", finished.stderr);
    }
    let row = &rows(&finished)[0];
    for key in ["vpn_gateway_name", "gateway_status", "customer_gateway_name", "customer_gateway_ip_address"]
    {
        assert_eq!(row[key], Value::Null, "{key}");
    }
    assert_eq!(row["customer_gateway_id"], *tunnel.customer_gateway);
    let table = list(&scene.files, &[]).await.stdout;
    let line = table.lines().nth(1).expect("a tunnel");
    assert!(line.contains(&format!("{}  -  ", tunnel.customer_gateway)), "the id and no address: {table}");
    assert!(line.contains(&tunnel.gateway), "{table}");
}

#[tokio::test]
async fn flags_filter_tunnels_and_idle_is_not_down() {
    let scene = Scene::with(12).await;
    let tunnels: Vec<_> = (0..12).map(|place| scene.tunnel(place)).collect();
    for tunnel in &tunnels {
        scene.set(tunnel, "NegotiationType", "active");
        scene.set(tunnel, "EnableHealthCheck", false);
    }
    let [down, idle, sick, pending, deleting] = [1, 2, 3, 4, 10].map(|place| &tunnels[place]);
    for tunnel in [down, idle, pending, deleting] {
        scene.set(tunnel, "NetStatus", "UNAVAILABLE");
    }
    scene.set(idle, "NegotiationType", "flowTrigger");
    scene.set(sick, "EnableHealthCheck", true);
    scene.set(sick, "HealthCheckStatus", "UNAVAILABLE");
    scene.set(pending, "State", "PENDING");
    scene.set(deleting, "State", "DELETING");
    let (first, second) = (&*tunnels[0].gateway, &*tunnels[10].gateway);
    let table: [(&[&str], &[usize]); 11] = [
        (&["--down"], &[1, 3]),
        (&["--status", "down"], &[1, 3]),
        (&["--status", "idle", "--status", "PENDING"], &[2, 4]),
        (&["--down", "--state", "PENDING"], &[]),
        (&["--state", "pending", "--state", "DELETING"], &[4, 10]),
        (&["--vpn-gateway-id", second], &[10, 11]),
        (&["--vpn-gateway-id", second, "--status", "deleting"], &[10]),
        (&["--vpn-gateway-id", first, "--vpn-gateway-id", second, "--state", "DELETING"], &[10]),
        (&["--vpn-gateway-id", "vpngw-00000000"], &[]),
        (&["--account", "main", "--region", GUANGZHOU, "--state", "PENDING"], &[4]),
        (&["--state", "UNKNOWN"], &[]),
    ];
    for (flags, places) in table {
        let listed = ids(&list(&scene.files, &[&["--output", "json"], flags].concat()).await);
        let mut expected: Vec<_> = places.iter().map(|place| tunnels[*place].id.clone()).collect();
        expected.sort();
        assert_eq!(listed, expected, "{flags:?}");
    }
    let idle = [&*idle.id, "idle"];
    let table = list(&scene.files, &[]).await.stdout;
    assert!(table.lines().any(|line| idle.iter().all(|word| line.contains(word))), "{table}");
}

#[tokio::test]
async fn failed_target_does_not_hide_others() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2), (FRANKFURT, 2)])).await;
    let refusal = FaultKind::Error { code: "UnauthorizedOperation".to_owned() };
    let fault = Fault { region: Some(FRANKFURT.to_owned()), ..Fault::new(refusal) };
    api.control.set_faults(vec![fault]).expect("a fault");
    let files = WorkDir::with(api.config_with_poll(&[FRANKFURT, GUANGZHOU], "timeout: 20s"));
    let finished = list(&files, &["--output", "json"]).await;
    let mut expected = api.control.ids(GUANGZHOU).expect("the region");
    expected.sort();
    assert_eq!(ids(&finished), expected);
    assert_exit("json", &finished, 1, &["main in eu-frankfurt: UnauthorizedOperation"]);
    let table = list(&files, &[]).await;
    assert_exit("table", &table, 1, &["main in eu-frankfurt: UnauthorizedOperation"]);
    assert_eq!(table.stdout.lines().count(), 1 + 2, "{}", table.stdout);
    let healthy = list(&files, &["--region", GUANGZHOU]).await;
    assert_exit("the other account did not fail", &healthy, 0, &[]);
}

#[tokio::test]
async fn unconfigured_account_or_region_is_refused() {
    let api = Api::start(frozen(&[(GUANGZHOU, 1), (FRANKFURT, 1)])).await;
    let accounts = [api.account("first", &[GUANGZHOU]), api.account("second", &[FRANKFURT])];
    let files = WorkDir::with(api.config_for(&accounts.each_ref().map(String::as_str), "timeout: 20s"));
    let table: [(&[&str], i32, &str); 4] = [
        (&["--account", "third"], 64, "--account: third is not configured; name an account that is\n"),
        (
            &["--region", "ap-tokyo"],
            64,
            "--region: ap-tokyo is not configured; name a region of these accounts\n",
        ),
        (
            &["--account", "first", "--region", FRANKFURT],
            64,
            "--region: eu-frankfurt is not configured; name a region of these accounts\n",
        ),
        (&["--account", "second", "--region", FRANKFURT], 0, ""),
    ];
    for (flags, status, message) in table {
        let finished = list(&files, flags).await;
        assert_eq!((finished.code(), &*finished.stderr), (Some(status), message), "{flags:?}");
    }
    assert_eq!(api.control.journal().len(), 1, "only configured targets are requested");
}

#[tokio::test]
async fn failed_discovery_does_not_hide_other_accounts() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2)])).await;
    let number = &api.control.accounts()[0].number;
    api.control.forbid(number, "DescribeRegions").expect("the account");
    let accounts =
        [api.account("everywhere", &["x"]).replace("[x]", "all"), api.account("here", &[GUANGZHOU])];
    let files = WorkDir::with(api.config_for(&accounts.each_ref().map(String::as_str), "timeout: 20s"));
    let message = "everywhere: region discovery failed: UnauthorizedOperation";
    for flags in [&[][..], &["--region", GUANGZHOU]] {
        let finished = list(&files, flags).await;
        assert_exit("one account of two", &finished, 1, &[message]);
        assert_eq!(finished.stdout.lines().count(), 1 + 2, "{}", finished.stdout);
    }
    for flags in [&["--account", "everywhere"][..], &["--account", "everywhere", "--region", GUANGZHOU]] {
        let finished = list(&files, flags).await;
        assert_exit("the account itself", &finished, 1, &[message]);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    }
    let requests: BTreeSet<_> = api.control.journal().into_iter().map(|entry| entry.action).collect();
    assert_eq!(requests, BTreeSet::from([LIST.to_owned(), "DescribeRegions".to_owned()]));
}
