//! `once` with the tunnels of a large company: each is printed once, in the right state.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use test_support::{
    Api, Metrics, Sample,
    binary::{Finished, WorkDir, assert_exit, run},
    frozen, with_gateways, with_traffic,
};

const EMPTY: &str = "ap-tokyo";
const ONE: &str = "ap-singapore";
const FULL_PAGE: &str = "ap-guangzhou";
const MANY: &str = "eu-frankfurt";
const REGIONS: [(&str, usize); 4] = [(EMPTY, 0), (ONE, 1), (FULL_PAGE, 100), (MANY, 2249)];

const STATES: &[&str] = &["PENDING", "AVAILABLE", "DELETING"];
const LINKS: &[&str] = &["AVAILABLE", "UNAVAILABLE"];

#[tokio::test]
async fn each_of_2350_tunnels_is_printed_once() {
    let api = Api::start(frozen(&REGIONS)).await;
    put_some_into_every_state(&api);
    let finished = once(&api, &REGIONS.map(|(name, _)| name)).await;
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let news = finished.stderr.lines().filter(|line| line.contains("unknown status value")).count();
    assert_eq!((news, finished.stderr.lines().count()), (3, 3), "{}", finished.stderr);

    let printed = Printed::read(&finished.stdout);
    for (name, tunnels) in REGIONS {
        let target = [("account", "main"), ("region", name)];
        assert_eq!(printed.metrics.value("up", &target), Some(1.0));
        assert_eq!(printed.metrics.tunnels(&target), Some(tunnels as f64));
        let rows = api.control.rows(name).expect("the region");
        assert_eq!(rows.len(), tunnels);
        for row in &rows {
            printed.assert_shows(name, row);
        }
    }
    assert_eq!(printed.ids.len(), 2350, "only the tunnels of the API are shown");
    assert_each_page_was_asked_for_once(&api);
}

#[tokio::test]
async fn failed_region_does_not_hide_others() {
    let api = Api::start(frozen(&[(ONE, 1), (FULL_PAGE, 100)])).await;
    let finished = once(&api, &[ONE, "ap-nowhere", FULL_PAGE]).await;
    assert_eq!(finished.code(), Some(1));
    let lines: Vec<_> =
        finished.stderr.lines().filter(|line| line.starts_with("main in ap-nowhere: ")).collect();
    assert!(matches!(lines[..], [line] if line.contains("UnsupportedRegion")), "{}", finished.stderr);

    let Printed { metrics, ids, .. } = Printed::read(&finished.stdout);
    assert_eq!(ids.len(), 101);
    let up = |name| metrics.value("up", &[("region", name)]);
    assert_eq!([ONE, "ap-nowhere", FULL_PAGE].map(up), [Some(1.0), Some(0.0), Some(1.0)]);
    assert_eq!(metrics.tunnels(&[("region", "ap-nowhere")]), None);
    let failures = [("region", "ap-nowhere"), ("reason", "unsupported_region")];
    assert_eq!(metrics.value("poll_failures_total", &failures), Some(1.0));
}

#[tokio::test]
async fn once_prints_nothing_about_its_own_process() {
    let api = Api::start(frozen(&[(ONE, 1)])).await;
    let finished = once(&api, &[ONE]).await;
    let Printed { metrics, .. } = Printed::read(&finished.stdout);
    assert_eq!((metrics.value("up", &[]), metrics.sum("api_requests_total", &[])), (Some(1.0), 1.0));
    let is_own = |sample: &&Sample| sample.name.contains("exporter_") || sample.name.starts_with("process_");
    assert_eq!(metrics.0.iter().find(is_own), None);
}

#[tokio::test]
async fn once_includes_gateways() {
    let api = Api::start(frozen(&[(FULL_PAGE, 100)])).await;
    let finished = once_with(&with_gateways(&config(&api, &[FULL_PAGE]), "5m")).await;
    assert_exit("once", &finished, 0, &[]);
    let Printed { metrics, .. } = Printed::read(&finished.stdout);
    assert_eq!(metrics.value("gateways_up", &[]), Some(1.0));
    let gateways = api.control.gateway_rows(FULL_PAGE).expect("the region");
    let customer_gateways = api.control.customer_gateway_rows(FULL_PAGE).expect("the region");
    assert_eq!(metrics.count("gateway_info", &[]), gateways.len());
    assert_eq!(metrics.count("customer_gateway_info", &[]), customer_gateways.len());
}

#[tokio::test]
async fn denied_gateways_do_not_fail_once() {
    let api = Api::start(frozen(&[(ONE, 1)])).await;
    let account = &api.control.accounts()[0].number;
    api.control.forbid(account, "DescribeCustomerGateways").expect("an account");
    let finished = once_with(&with_gateways(&config(&api, &[ONE]), "5m")).await;
    assert_exit("once", &finished, 0, &["vpc:DescribeCustomerGateways", "deploy/cam-policy.json"]);
    let Printed { metrics, .. } = Printed::read(&finished.stdout);
    assert_eq!((metrics.value("gateways_up", &[]), metrics.value("up", &[])), (Some(0.0), Some(1.0)));
    assert_eq!(metrics.count("gateway_info", &[]), 1);
}

#[tokio::test]
async fn once_includes_traffic() {
    let api = Api::start(frozen(&[(ONE, 1), (EMPTY, 0)])).await;
    let config = with_traffic(&with_gateways(&config(&api, &[ONE, EMPTY]), "5m"), "interval: 5m");
    let finished = once_with(&config).await;
    assert_exit("once", &finished, 0, &[]);
    let Printed { metrics, .. } = Printed::read(&finished.stdout);
    assert_eq!((metrics.sum("traffic_up", &[]), metrics.count("traffic_up", &[])), (1.0, 1));
    assert_eq!(metrics.count("tunnel_receive_bytes_per_second", &[]), 1);
    assert_eq!(metrics.count("gateway_bandwidth_usage_ratio", &[]), 1);
    let account = &api.control.accounts()[0].number;
    api.control.forbid(account, "GetMonitorData").expect("an account");
    let finished = once_with(&config).await;
    assert_exit("once", &finished, 0, &["monitor:GetMonitorData", "deploy/cam-policy-traffic.json"]);
    let Printed { metrics, .. } = Printed::read(&finished.stdout);
    assert_eq!((metrics.sum("traffic_up", &[]), metrics.sum("up", &[])), (0.0, 2.0));
}

fn config(api: &Api, regions: &[&str]) -> String {
    api.config_with_poll(regions, "timeout: 25s")
}

async fn once(api: &Api, regions: &[&str]) -> Finished {
    once_with(&config(api, regions)).await
}

async fn once_with(config: &str) -> Finished {
    let place = WorkDir::with(config);
    run(place.exporter(&["once", "--log.level", "warn"])).await
}

/// Sets tunnels of the largest region to each combination of the three statuses.
fn put_some_into_every_state(api: &Api) {
    let place = MANY;
    let ids = api.control.ids(place).expect("the region");
    let mut free = ids.iter().skip(95).step_by(7);
    let states = [json!("PENDING"), json!("AVAILABLE"), json!("DELETING"), json!("NEW"), Value::Null];
    let links = [json!("AVAILABLE"), json!("UNAVAILABLE"), json!("NEW"), json!(""), Value::Null];
    for state in &states {
        for net_status in &links {
            for (checked, health) in links.iter().map(|health| (true, health)).chain([(false, &links[0])]) {
                let id = free.next().expect("enough tunnels");
                let fields = [
                    ("State", state),
                    ("NetStatus", net_status),
                    ("EnableHealthCheck", &json!(checked)),
                    ("HealthCheckStatus", health),
                ];
                for (field, value) in fields {
                    api.control.set(place, id, field, value.clone()).expect("the tunnel");
                }
            }
        }
    }
}

#[track_caller]
fn assert_each_page_was_asked_for_once(api: &Api) {
    let mut asked: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for entry in api.control.journal() {
        assert_eq!((entry.action.as_str(), &entry.error), ("DescribeVpnConnections", &None));
        assert_eq!(entry.limit, Some(100));
        asked.entry(entry.region).or_default().push(entry.offset.expect("a page"));
    }
    for offsets in asked.values_mut() {
        offsets.sort_unstable();
    }
    let expected = [(EMPTY, 1), (ONE, 1), (FULL_PAGE, 1), (MANY, 23)]
        .map(|(name, pages)| (name.to_owned(), (0..pages).map(|page| page * 100).collect()));
    assert_eq!(asked, BTreeMap::from(expected));
}

/// The printed metrics, and the samples of each tunnel.
struct Printed {
    metrics: Metrics,
    ids: BTreeSet<String>,
    /// By the metric, without its prefix, and the tunnel's id.
    samples: BTreeMap<(String, String), Vec<Sample>>,
}

impl Printed {
    fn read(text: &str) -> Self {
        let metrics = Metrics::parse(text);
        let mut samples: BTreeMap<_, Vec<Sample>> = BTreeMap::new();
        for sample in &metrics.0 {
            if let Some(id) = sample.labels.get("vpn_connection_id") {
                let name = sample.name.strip_prefix("tencentcloud_vpn_tunnel_").expect("a tunnel's metric");
                samples.entry((name.to_owned(), id.clone())).or_default().push(sample.clone());
            }
        }
        let ids = samples.keys().map(|(_, id)| id.clone()).collect();
        Self { metrics, ids, samples }
    }

    /// Compares the printed statuses of a tunnel with its row.
    #[track_caller]
    fn assert_shows(&self, region: &str, row: &Value) {
        let id = row["VpnConnectionId"].as_str().expect("an id");
        let read = |field: &str, known: &[&'static str]| {
            known.iter().copied().find(|known| row[field] == *known).unwrap_or("UNKNOWN")
        };
        let state = read("State", STATES);
        let net_status = read("NetStatus", LINKS);
        let checked = row["EnableHealthCheck"] == true;
        let health = checked.then(|| read("HealthCheckStatus", LINKS));
        self.assert_only(id, "state", "state", STATES, Some(state));
        self.assert_only(id, "net_status", "status", LINKS, Some(net_status));
        self.assert_only(id, "health_check_status", "status", LINKS, health);
        assert_eq!(self.values(id, "health_check_enabled"), [f64::from(checked)], "{id}");
        let statuses = [Some(state), Some(net_status), health].map(|status| status.unwrap_or("AVAILABLE"));
        let up: &[f64] = match statuses {
            _ if statuses.iter().any(|status| !["AVAILABLE", "UNKNOWN"].contains(status)) => &[0.0],
            _ if statuses.contains(&"UNKNOWN") => &[],
            _ => &[1.0],
        };
        assert_eq!(self.values(id, "up"), up, "{id}: {statuses:?}");
        let info = &self.samples[&("info".to_owned(), id.to_owned())];
        assert_eq!(info.len(), 1, "{id}");
        for (label, text) in [
            ("region", region),
            ("vpn_gateway_id", row["VpnGatewayId"].as_str().expect("an id")),
            ("vpn_connection_name", row["VpnConnectionName"].as_str().expect("a name")),
        ] {
            assert_eq!(info[0].labels[label], text, "{id}");
        }
    }

    /// Asserts that this one of the known values and `UNKNOWN` is 1 and the others are 0, or that there are none.
    #[track_caller]
    fn assert_only(&self, id: &str, metric: &str, label: &str, known: &[&str], present: Option<&str>) {
        let printed = self.samples.get(&(metric.to_owned(), id.to_owned())).into_iter().flatten();
        let printed = printed.map(|sample| (sample.labels[label].as_str(), sample.value));
        let values = known.iter().copied().chain(["UNKNOWN"]).filter(|_| present.is_some());
        let expected = values.map(|value| (value, f64::from(Some(value) == present)));
        let [printed, expected] = [printed.collect(), expected.collect()].map(|mut values: Vec<_>| {
            values.sort_unstable_by_key(|(value, _)| *value);
            values
        });
        assert_eq!(printed, expected, "{metric} of {id}");
    }

    fn values(&self, id: &str, metric: &str) -> Vec<f64> {
        let samples = self.samples.get(&(metric.to_owned(), id.to_owned()));
        samples.into_iter().flatten().map(|sample| sample.value).collect()
    }
}
