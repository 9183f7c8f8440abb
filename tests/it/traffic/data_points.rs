//! The published values are those of Cloud Monitor, in base units.

use std::collections::BTreeMap;

use serde_json::json;
use simulator::{Fault, FaultKind, Options};
use test_support::{
    Api, Daemon, Metrics, frozen,
    log::Log,
    scene::{FAULTY_TARGET, GUANGZHOU},
    with_gateways, with_timeout, with_traffic,
};

use super::{ACTION, patient, requests};

const PERIOD: u64 = 300;

/// The metrics of tunnels: the name, the API's name, and one unit of the API in base units.
const OF_TUNNELS: [(&str, &str, f64); 6] = [
    ("tunnel_receive_bytes_per_second", "InBandwidth", 125_000.0),
    ("tunnel_transmit_bytes_per_second", "OutBandwidth", 125_000.0),
    ("tunnel_receive_packets_per_second", "InPkg", 1.0),
    ("tunnel_transmit_packets_per_second", "OutPkg", 1.0),
    ("tunnel_packet_loss_ratio", "PkgDrop", 0.01),
    ("tunnel_latency_seconds", "Delay", 0.001),
];

/// The metrics of gateways, likewise.
const OF_GATEWAYS: [(&str, &str, f64); 3] = [
    ("gateway_receive_bytes_per_second", "InBandwidth", 125_000.0),
    ("gateway_transmit_bytes_per_second", "OutBandwidth", 125_000.0),
    ("gateway_bandwidth_usage_ratio", "VpnBandwidthUsageRate", 0.01),
];

/// The values of a metric, by region and id.
fn values(metrics: &Metrics, name: &str, id: &str) -> BTreeMap<(String, String), f64> {
    let values = metrics.all(name, &[]).map(|sample| {
        let label = |name: &str| sample.labels[name].clone();
        ((label("region"), label(id)), sample.value)
    });
    values.collect()
}

/// Asserts that the metrics have the API's values of these rows, and no others. Returns how many values there are.
fn assert_truth(api: &Api, metrics: &Metrics, table: &[(&str, &str, f64)], [kind, id]: [&str; 2]) -> usize {
    let mut count = 0;
    let timestamps = values(metrics, &format!("{kind}_traffic_timestamp_seconds"), id);
    for (name, metric, unit) in table {
        let published = values(metrics, name, id);
        for (row, timestamp) in &timestamps {
            let truth = |time: u64| {
                let value = api.control.data_point(&row.0, &row.1, metric, 300, time)?;
                Some(value * unit)
            };
            let newest = std::time::Duration::from_secs_f64(*timestamp).as_secs();
            assert_eq!(newest % PERIOD, 0);
            // A data point can become visible between two requests of a query.
            let candidates = [newest, newest - PERIOD].map(truth);
            let published = published.get(row).copied();
            let is_true = |candidate: &Option<f64>| match (candidate, published) {
                (Some(truth), Some(published)) => (truth - published).abs() <= truth * 1e-9,
                (None, None) => true,
                _ => false,
            };
            assert!(candidates.iter().any(is_true), "{name} of {row:?}: {published:?}, not {candidates:?}");
            count += usize::from(published.is_some());
        }
        assert!(published.keys().all(|row| timestamps.contains_key(row)), "{name}");
    }
    count
}

#[tokio::test]
async fn values_of_2000_tunnels_are_true() {
    let log = Log::capture();
    let regions: Vec<_> = (0..5).map(|number| format!("region-{number}")).collect();
    let world = Options {
        regions: regions.iter().map(|region| (region.clone(), 400)).collect(),
        gateway_problems: Some(vec![]),
        accounts: 5,
        ..Options::default()
    };
    let api = Api::start(world).await;
    // The rate limit is per account.
    let entry = |(region, own): (&String, &simulator::Account)| {
        let first = api.control.credentials();
        api.account(region, &[region])
            .replace("  regions", "  site: china\n  regions")
            .replace(&*first.secret_id, &own.credentials.secret_id)
            .replace(&*first.secret_key, &own.credentials.secret_key)
    };
    let accounts: Vec<_> = regions.iter().zip(api.control.accounts()).map(entry).collect();
    let accounts: Vec<_> = accounts.iter().map(String::as_str).collect();
    let config = with_gateways(&patient(&api.config_for(&accounts, "interval: 60s, timeout: 60s")), "1h");
    let daemon = Daemon::start(&with_traffic(&config, "interval: 5m")).await;
    // Each account has 400 tunnels, eight requests for each of six metrics, and 40 gateways, one request for each of three. Many
    // scrapes of so many tunnels would be slow.
    let all_requests = 5 * (6 * 8 + 3);
    with_timeout(api.control.until(|entries| requests(entries).count() == all_requests)).await;
    let metrics = daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 5.0).await;

    let tunnels = assert_truth(&api, &metrics, &OF_TUNNELS, ["tunnel", "vpn_connection_id"]);
    let gateways = assert_truth(&api, &metrics, &OF_GATEWAYS, ["gateway", "vpn_gateway_id"]);
    // Few tunnels are new, and without data; about a third has a health check.
    assert!((9000..12_000).contains(&tunnels), "{tunnels} values of tunnels");
    assert_eq!(gateways, 3 * 5 * 40);
    let journal = api.control.journal();
    assert_eq!(requests(&journal).count(), all_requests);
    assert!(requests(&journal).all(|entry| entry.error.is_none() && entry.ids.len() <= 50));
    let lines = log.lines(&["INFO", "traffic is queried from Cloud Monitor", "requests_per_query=51"]);
    assert_eq!(lines.len(), 5);
    // 51 requests, twelve times an hour, for 30 days.
    assert!(lines.iter().all(|line| line.contains("account_requests_per_month=440640")), "{lines:?}");
}

#[tokio::test]
async fn tunnel_without_data_has_no_traffic() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let id = |row: &serde_json::Value, field: &str| row[field].as_str().expect("an id").to_owned();
    let tunnel = id(&api.control.rows(GUANGZHOU).expect("the region")[0], "VpnConnectionId");
    let gateway = id(&api.control.gateway_rows(GUANGZHOU).expect("the region")[0], "VpnGatewayId");
    for id in [&tunnel, &gateway] {
        api.control.set_without_data(GUANGZHOU, id, true).expect("it exists");
    }
    let config = with_traffic(&with_gateways(&api.config(&[GUANGZHOU]), "1h"), "interval: 5m");
    let metrics = Daemon::start(&config).await.until(|metrics| metrics.sum("traffic_up", &[]) == 1.0).await;
    assert_eq!(metrics.count("tunnel_traffic_timestamp_seconds", &[]), 2);
    for (name, ..) in OF_TUNNELS.iter().chain(&OF_GATEWAYS) {
        for label in [("vpn_connection_id", &*tunnel), ("vpn_gateway_id", &gateway)] {
            let has_label = label.0 == "vpn_connection_id" || name.starts_with("gateway");
            assert!(!has_label || metrics.count(name, &[label]) == 0, "{name}");
        }
    }
}

/// Makes the response have one data point, with this age in seconds.
fn fault_with_age(age: i64) -> Fault {
    let data = json!([{
        "Dimensions": [{"Name": "vpnConnId", "Value": "ID"}],
        "Timestamps": [jiff::Timestamp::now().as_second() - age],
        "Values": [1]
    }]);
    let kind = FaultKind::Replace { pointer: "/Response/DataPoints".to_owned(), value: data };
    Fault { action: Some(ACTION.to_owned()), ..Fault::new(kind) }
}

/// Starts a daemon with one tunnel, whose data points have this age at the start.
async fn with_age(age: i64) -> (Api, Daemon) {
    let api = Api::start(frozen(&[(GUANGZHOU, 1)])).await;
    let rows = api.control.rows(GUANGZHOU).expect("the region");
    let id = rows[0]["VpnConnectionId"].as_str().expect("an id");
    let mut fault = fault_with_age(age);
    if let FaultKind::Replace { value, .. } = &mut fault.kind {
        value[0]["Dimensions"][0]["Value"] = json!(id);
    }
    api.control.set_faults(vec![fault]).expect("a fault");
    let daemon = Daemon::start(&with_traffic(&api.config(&[GUANGZHOU]), "interval: 1m")).await;
    (api, daemon)
}

fn has_traffic(metrics: &Metrics) -> bool {
    metrics.count("tunnel_receive_packets_per_second", &FAULTY_TARGET) == 1
}

#[tokio::test]
async fn old_and_future_data_points_are_ignored() {
    for age in [481, -900] {
        let (_api, daemon) = with_age(age).await;
        let metrics = daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 1.0).await;
        assert!(!has_traffic(&metrics), "{metrics}");
        assert_eq!(metrics.count("tunnel_traffic_timestamp_seconds", &[]), 0);
    }
}

/// No query ends between the two: a data point disappears by its age alone.
#[tokio::test]
async fn data_point_disappears_when_it_is_old() {
    let (api, daemon) = with_age(465).await;
    daemon.until(has_traffic).await;
    let queries = requests(&api.control.journal()).count();
    let metrics = daemon.until(|metrics| !has_traffic(metrics)).await;
    assert_eq!(requests(&api.control.journal()).count(), queries);
    assert_eq!(metrics.sum("traffic_up", &[]), 1.0);
}

#[tokio::test]
async fn ages_are_measured_by_the_apis_clock() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let skew = Fault::new(FaultKind::ClockSkew { seconds: 7200 });
    api.control.set_faults(vec![skew]).expect("a fault");
    let daemon = Daemon::start(&with_traffic(&api.config(&[GUANGZHOU]), "interval: 1m")).await;
    let metrics = daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 1.0).await;
    let now = jiff::Timestamp::now().as_second() as f64;
    let times: Vec<_> = metrics.all("tunnel_traffic_timestamp_seconds", &[]).collect();
    assert_eq!(times.len(), 3, "{metrics}");
    assert!(times.iter().all(|sample| sample.value > now + 6000.0), "{times:?}");
}
