//! Changes by a test are visible in the next response.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{NotFound, Options, PRE_SHARE_KEY_MARK, Simulator, StartError};

use crate::client::RunningSimulator;

const EU: &str = "eu-frankfurt";

async fn states(api: &RunningSimulator) -> Vec<Value> {
    let page = api.client.describe(EU, json!({"Limit": 100})).await;
    let rows = page["VpnConnectionSet"].as_array().expect("rows").clone();
    rows.iter().map(|row| json!([row["State"], row["NetStatus"], row["HealthCheckStatus"]])).collect()
}

#[tokio::test]
async fn journal_lists_requests_in_order() {
    let api = RunningSimulator::frozen(&[(EU, 5), ("ap-tokyo", 0)]).await;
    let filter = json!([{"Name": "vpc-id", "Values": ["vpc-00000000"]}]);
    api.client.describe(EU, json!({"Offset": 2, "Limit": 1})).await;
    api.client.describe("ap-tokyo", json!({"Filters": filter})).await;
    api.client.describe(EU, json!({"Limit": 101})).await;
    let journal = api.control.journal();
    let logged: Vec<_> =
        journal.iter().map(|e| (&*e.region, e.offset, e.limit, e.error.as_deref())).collect();
    let expected = [
        (EU, Some(2), Some(1), None),
        ("ap-tokyo", Some(0), Some(20), None),
        (EU, None, None, Some("InvalidParameterValue.LimitExceeded")),
    ];
    assert_eq!(logged, expected);
    assert_eq!(journal[1].filters, [("vpc-id".to_owned(), vec!["vpc-00000000".to_owned()])]);
    assert_eq!(journal[0].action, "DescribeVpnConnections");
    assert_eq!(journal[0].secret_id, api.client.credentials.secret_id);
    api.control.clear_journal();
    assert!(api.control.journal().is_empty());
}

#[tokio::test]
async fn test_can_wait_for_journal_entries() {
    let api = RunningSimulator::frozen(&[(EU, 5)]).await;
    let control = api.control.clone();
    let waiting = tokio::spawn(async move { control.until(|journal| journal.len() == 2).await });
    api.client.describe(EU, json!({})).await;
    api.client.describe(EU, json!({})).await;
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn tunnels_can_be_added_changed_and_removed() {
    let api = RunningSimulator::frozen(&[(EU, 3)]).await;
    let (control, eu) = (&api.control, EU);
    let added = control.add(eu).expect("the region");
    let ids = control.ids(eu).expect("the region");
    assert_eq!((ids.len(), &ids[3]), (4, &added));

    control.remove(eu, &ids[0]).expect("the first tunnel");
    control.set(eu, &ids[1], "State", "UPDATING").expect("the second tunnel");
    control.set(eu, &ids[1], "VpnConnectionName", "renamed").expect("the second tunnel");
    control.omit(eu, &ids[1], "PreShareKey").expect("the second tunnel");
    let page = api.client.describe(EU, json!({})).await;
    let rows = page["VpnConnectionSet"].as_array().expect("rows");
    assert_eq!((rows.len(), &rows[0]["State"], rows[0].get("PreShareKey")), (3, &json!("UPDATING"), None));
    let by_name = json!({"Filters": [{"Name": "vpn-connection-name", "Values": ["renamed"]}]});
    assert_eq!(api.client.describe(EU, by_name).await["TotalCount"], 1);

    control.restore(eu, &ids[1]).expect("the second tunnel");
    let page = api.client.describe(EU, json!({})).await;
    assert_eq!(page["VpnConnectionSet"][0]["State"], "AVAILABLE");
    let key = page["VpnConnectionSet"][0]["PreShareKey"].as_str().expect("a key").to_owned();
    assert_eq!(key, format!("{PRE_SHARE_KEY_MARK}{}", ids[1]));
}

#[tokio::test]
async fn unknown_tunnel_or_region_cannot_be_changed() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let atlantis = "eu-atlantis";
    assert_eq!(api.control.add(atlantis), Err(NotFound::Region("eu-atlantis".to_owned())));
    assert_eq!(api.control.rows(atlantis), Err(NotFound::Region("eu-atlantis".to_owned())));
    let gone = Err(NotFound::Tunnel("vpnx-00000000".to_owned()));
    assert_eq!(api.control.remove(EU, "vpnx-00000000"), gone);
    assert_eq!(api.control.set(EU, "vpnx-00000000", "State", "PENDING"), gone);
}

#[tokio::test]
async fn advanced_time_changes_the_demo() {
    let regions = vec![(EU.to_owned(), 24)];
    let api = RunningSimulator::start(Options { regions, ..Options::default() }).await;
    let before = states(&api).await;
    api.control.advance(Duration::from_secs(45));
    let after = states(&api).await;
    assert_ne!(before, after);
    assert!(before.iter().any(|row| row[0] == "PENDING"), "{before:?}");
    assert!(after.iter().any(|row| row[0] == "DELETING"), "{after:?}");
    api.control.advance(Duration::from_secs(100));
    assert_eq!(states(&api).await.len(), 23);
}

#[tokio::test]
async fn used_address_and_invalid_options_are_refused() {
    let address = "127.0.0.1:0".parse().expect("an address");
    let first = Simulator::bind(Options::default(), address).await.expect("a simulator");
    let taken = first.local_addr();
    let error = Simulator::bind(Options::default(), taken).await.expect_err("the address is in use");
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    let none = Options { regions: vec![], ..Options::default() };
    let error = Simulator::bind(none, address).await.expect_err("there is no region");
    assert_eq!(error.to_string(), "regions: none is given; name at least one, such as ap-guangzhou");
}

#[tokio::test]
async fn same_seed_has_the_same_credentials() {
    let [one, again, other] = [1, 1, 2].map(|seed| Options { seed, ..Options::default() });
    let (one, again, other) = (
        RunningSimulator::start(one).await,
        RunningSimulator::start(again).await,
        RunningSimulator::start(other).await,
    );
    assert_eq!(one.client.credentials, again.client.credentials);
    assert_ne!(one.client.credentials, other.client.credentials);
    let id = &one.client.credentials.secret_id;
    assert!(id.starts_with("AKID") && id.len() == 36, "{id}");
    assert!(!format!("{:?}", one.control).contains(&one.client.credentials.secret_key));
}

#[tokio::test]
async fn simulator_stops_on_request() {
    let address = "127.0.0.1:0".parse().expect("an address");
    let simulator = Simulator::bind(Options::default(), address).await.expect("a simulator");
    let address = simulator.local_addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(simulator.run(async { drop(stopped.await) }));
    drop(stop);
    tokio::time::timeout(Duration::from_secs(10), task).await.expect("in time").expect("no panic");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
