//! Problems of gateways, and what they do to the tunnels.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use simulator::{Control, GatewayProblem, Options, PlannedProblem};

use crate::client::RunningSimulator;

const EU: &str = "eu-frankfurt";
const TOKYO: &str = "ap-tokyo";
const PROBLEMS: [GatewayProblem; 4] = [
    GatewayProblem::Isolated,
    GatewayProblem::AddressBlocked,
    GatewayProblem::Expiring,
    GatewayProblem::PendingError,
];

/// A frozen world whose gateways have these problems.
async fn with_problems(tunnels: &[(&str, usize)], problems: &[&str]) -> RunningSimulator {
    let problems = problems.iter().map(|problem| problem.parse().expect("a problem")).collect();
    let options = Options { frozen: true, gateway_problems: Some(problems), ..Options::default() };
    let regions = tunnels.iter().map(|(name, tunnels)| ((*name).to_owned(), *tunnels)).collect();
    RunningSimulator::start(Options { regions, ..options }).await
}

fn gateways(control: &Control, region: &str) -> Vec<Value> {
    control.gateway_rows(region).expect("the region")
}

fn tunnels(control: &Control) -> Vec<Value> {
    control.rows(EU).expect("the region")
}

fn id(row: &Value) -> &str {
    row["VpnGatewayId"].as_str().expect("an id")
}

/// The problem that a gateway's row shows.
fn problem(row: &Value) -> Option<GatewayProblem> {
    let shown = [
        row["RestrictState"] == "PROTECTIVELY_ISOLATED",
        row["IsAddressBlocked"] == true,
        row["InstanceChargeType"] == "PREPAID"
            && row["RenewFlag"] == "NOTIFY_AND_MANUAL_RENEW"
            && (1..10).contains(&days_left(row)),
        row["State"] == "PENDING_ERROR",
    ];
    let mut shown = PROBLEMS.into_iter().zip(shown).filter(|(_, shown)| *shown);
    let first = shown.next().map(|(problem, _)| problem);
    assert_eq!(shown.next(), None, "{row}");
    first
}

/// The days until `ExpiredTime`, rounded; 0 if it is no time.
fn days_left(row: &Value) -> i64 {
    let text = row["ExpiredTime"].as_str().expect("a time");
    let Ok(time) = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text) else { return 0 };
    let expires = jiff::tz::offset(8).to_timestamp(time).expect("a time").as_second();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
    (expires - i64::try_from(now).expect("a time") + 43_200).div_euclid(86_400)
}

#[tokio::test]
async fn each_problem_is_shown_until_it_ends() {
    let api = RunningSimulator::frozen(&[(EU, 30)]).await;
    let before = gateways(&api.control, EU);
    let second = id(&before[1]);
    for expected in PROBLEMS {
        api.control.set_gateway_problem(EU, second, Some(expected)).expect("the gateway");
        let page = api.client.call("DescribeVpnGateways", EU, json!({})).await;
        let shown: Vec<_> = page["VpnGatewaySet"].as_array().expect("rows").iter().map(problem).collect();
        assert_eq!(shown, [None, Some(expected), None]);
    }
    api.control.set_gateway_problem(EU, second, None).expect("the gateway");
    assert_eq!(gateways(&api.control, EU), before);
    api.control.set_gateway_problem(EU, "vpngw-00000000", None).expect_err("an unknown gateway");
}

#[tokio::test]
async fn isolated_or_blocked_gateway_takes_its_tunnels_down() {
    let api = RunningSimulator::frozen(&[(EU, 30)]).await;
    let before = tunnels(&api.control);
    let second = id(&before[10]);
    for stops in [GatewayProblem::Isolated, GatewayProblem::AddressBlocked] {
        api.control.set_gateway_problem(EU, second, Some(stops)).expect("the gateway");
        let mut expected = before.clone();
        for row in expected.iter_mut().filter(|row| row["VpnGatewayId"] == second) {
            row["NetStatus"] = json!("UNAVAILABLE");
            if row["EnableHealthCheck"] == true {
                row["HealthCheckStatus"] = json!("UNAVAILABLE");
            }
        }
        let page = api.client.describe(EU, json!({"Limit": 100})).await;
        assert_eq!(page["VpnConnectionSet"], json!(expected));
        assert_eq!(expected.iter().filter(|row| row["NetStatus"] == "UNAVAILABLE").count(), 10);
        api.control.set_gateway_problem(EU, second, None).expect("the gateway");
        assert_eq!(tunnels(&api.control), before, "they come back");
    }
    for harmless in [GatewayProblem::Expiring, GatewayProblem::PendingError] {
        api.control.set_gateway_problem(EU, second, Some(harmless)).expect("the gateway");
        assert_eq!(tunnels(&api.control), before);
    }
}

#[tokio::test]
async fn deleting_tunnel_of_isolated_gateway_stays_deleting() {
    let api = RunningSimulator::frozen(&[(EU, 3)]).await;
    let rows = tunnels(&api.control);
    let ids = json!({"VpnGatewayId": id(&rows[0]), "VpnConnectionId": rows[0]["VpnConnectionId"]});
    api.client.call("DeleteVpnConnection", EU, ids).await;
    let before = tunnels(&api.control);
    api.control.set_gateway_problem(EU, id(&rows[0]), Some(GatewayProblem::Isolated)).expect("the gateway");
    let after = tunnels(&api.control);
    assert_eq!((&after[0], &after[0]["State"]), (&before[0], &json!("DELETING")));
    assert_eq!(after[1]["NetStatus"], "UNAVAILABLE");
}

#[tokio::test]
async fn failed_gateway_prevents_deletion() {
    let api = RunningSimulator::frozen(&[(EU, 3)]).await;
    let rows = tunnels(&api.control);
    let failed = Some(GatewayProblem::PendingError);
    api.control.set_gateway_problem(EU, id(&rows[0]), failed).expect("the gateway");
    let ids = json!({"VpnGatewayId": id(&rows[0]), "VpnConnectionId": rows[0]["VpnConnectionId"]});
    let response = api.client.call("DeleteVpnConnection", EU, ids).await;
    assert_eq!(response["Error"]["Code"], "UnsupportedOperation.InvalidState");
}

#[tokio::test]
async fn planned_problem_begins_at_its_time() {
    let api = with_problems(&[(EU, 13)], &["isolated@1h"]).await;
    let up = tunnels(&api.control);
    assert_eq!(gateways(&api.control, EU).iter().filter_map(problem).count(), 0);
    api.control.advance(Duration::from_hours(1));
    let shown: Vec<_> = gateways(&api.control, EU).iter().map(problem).collect();
    assert_eq!(shown, [None, Some(GatewayProblem::Isolated)], "the gateway with the fewest tunnels");
    let after = tunnels(&api.control);
    assert_eq!(after[..10], up[..10]);
    assert!(after[10..].iter().all(|row| row["NetStatus"] == "UNAVAILABLE"));

    let last = gateways(&api.control, EU).remove(1);
    api.control.set_gateway_problem(EU, id(&last), None).expect("the gateway");
    assert_eq!(tunnels(&api.control), up);
}

#[tokio::test]
async fn each_planned_problem_has_its_own_gateway() {
    let problems = ["isolated", "address_blocked", "expiring", "pending_error"];
    let api = with_problems(&[(EU, 22), (TOKYO, 15)], &problems).await;
    let shown = |region| gateways(&api.control, region).iter().map(problem).collect::<Vec<_>>();
    let [isolated, blocked, expiring, failed] = PROBLEMS.map(Some);
    assert_eq!((shown(EU), shown(TOKYO)), (vec![failed, None, isolated], vec![expiring, blocked]));
}

#[tokio::test]
async fn frozen_world_has_only_requested_problems() {
    let api = RunningSimulator::frozen(&[(EU, 30)]).await;
    api.control.advance(Duration::from_hours(1));
    assert_eq!(gateways(&api.control, EU).iter().filter_map(problem).count(), 0);
}

#[tokio::test]
async fn demo_has_an_isolated_and_an_expiring_gateway() {
    let api = RunningSimulator::start(Options::default()).await;
    let shown = || {
        let regions = ["ap-guangzhou", "ap-singapore", EU];
        let mut shown: Vec<_> = regions.iter().flat_map(|region| gateways(&api.control, region)).collect();
        shown.retain(|row| problem(row).is_some());
        shown
    };
    let isolated = |row: &Value| problem(row) == Some(GatewayProblem::Isolated);
    let expiring = shown();
    let left: Vec<_> = expiring.iter().filter(|row| !isolated(row)).map(days_left).collect();
    assert_eq!(left, [5]);
    for _ in 0..2 {
        api.control.advance(Duration::from_hours(1));
        assert_eq!((shown().len(), shown().iter().filter(|row| isolated(row)).count()), (2, 1));
    }
}

#[tokio::test]
async fn very_small_demo_isolates_no_gateway() {
    for (tunnels, isolated) in [(0, 0), (1, 0), (6, 1), (10, 0), (30, 1)] {
        let options = Options { regions: vec![(EU.to_owned(), tunnels)], ..Options::default() };
        let api = RunningSimulator::start(options).await;
        api.control.advance(Duration::from_hours(1));
        let shown: Vec<_> = gateways(&api.control, EU).iter().filter_map(problem).collect();
        let count = |wanted| shown.iter().filter(|problem| **problem == wanted).count();
        let expected = (isolated, usize::from(tunnels > 0));
        assert_eq!((count(GatewayProblem::Isolated), count(GatewayProblem::Expiring)), expected, "{tunnels}");
    }
}

#[test]
fn problem_is_written_as_its_name() {
    let names = json!(PROBLEMS);
    assert_eq!(names, json!(["isolated", "address_blocked", "expiring", "pending_error"]));
    let late: PlannedProblem = "isolated@20s".parse().expect("a problem");
    assert_eq!(late, PlannedProblem { problem: GatewayProblem::Isolated, from: Duration::from_secs(20) });
}
