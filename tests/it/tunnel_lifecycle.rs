//! Tunnels are created, connected, lost, renamed and deleted, and the daemon shows each change.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use simulator::Options;
use test_support::{
    Api, Daemon, Metrics,
    binary::{WorkDir, assert_exit, run},
    frozen,
};

const GUANGZHOU: &str = "ap-guangzhou";
const HOUR: Duration = Duration::from_secs(3600);

/// A region of frozen tunnels whose deletion takes an hour.
async fn world(tunnels: usize) -> Api {
    Api::start(Options { deletion: HOUR, ..frozen(&[(GUANGZHOU, tunnels)]) }).await
}

/// The row of a tunnel that has a health check.
fn row_with_health_check(api: &Api) -> Value {
    let rows = api.control.rows(GUANGZHOU).expect("the region");
    rows.into_iter().find(|row| row["EnableHealthCheck"] == true).expect("some tunnel has one")
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().expect("a text").to_owned()
}

fn set(api: &Api, id: &str, field: &str, value: impl Into<Value>) {
    api.control.set(GUANGZHOU, id, field, value).expect("the tunnel");
}

/// The metrics of one tunnel's statuses.
#[derive(Debug, Clone, PartialEq)]
struct ShownStatus {
    status: Option<String>,
    api_statuses: [Option<String>; 3],
    up: Option<f64>,
    transitions: Option<f64>,
    last_transition: Option<f64>,
}

impl ShownStatus {
    fn of(metrics: &Metrics, id: &str) -> Self {
        let own = [("vpn_connection_id", id)];
        let present = |metric: &str, label: &str| {
            let present = metrics.all(metric, &own).filter(|sample| sample.value == 1.0);
            let mut values: Vec<_> = present.map(|sample| sample.labels[label].clone()).collect();
            assert!(values.len() <= 1, "{metric} of {id} is {values:?}");
            values.pop()
        };
        Self {
            status: present("tunnel_status", "status"),
            api_statuses: [
                present("tunnel_state", "state"),
                present("tunnel_net_status", "status"),
                present("tunnel_health_check_status", "status"),
            ],
            up: metrics.value("tunnel_up", &own),
            transitions: metrics.value("tunnel_transitions_total", &own),
            last_transition: metrics.value("tunnel_last_transition_timestamp_seconds", &own),
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs_f64()
}

/// A change of a tunnel, and its metrics afterwards.
struct Event {
    happens: fn(&Api, &str),
    api_statuses: [&'static str; 3],
    status: &'static str,
    up: Option<f64>,
    transitions: f64,
}

const EVENTS: [Event; 7] = [
    Event {
        happens: |_, _| {},
        api_statuses: ["PENDING", "UNAVAILABLE", "UNAVAILABLE"],
        status: "pending",
        up: Some(0.0),
        transitions: 0.0,
    },
    Event {
        happens: |api, id| set(api, id, "State", "AVAILABLE"),
        api_statuses: ["AVAILABLE", "UNAVAILABLE", "UNAVAILABLE"],
        status: "down",
        up: Some(0.0),
        transitions: 1.0,
    },
    Event {
        happens: |api, id| set(api, id, "NetStatus", "AVAILABLE"),
        api_statuses: ["AVAILABLE", "AVAILABLE", "UNAVAILABLE"],
        status: "down",
        up: Some(0.0),
        transitions: 1.0,
    },
    Event {
        happens: |api, id| set(api, id, "HealthCheckStatus", "AVAILABLE"),
        api_statuses: ["AVAILABLE", "AVAILABLE", "AVAILABLE"],
        status: "up",
        up: Some(1.0),
        transitions: 2.0,
    },
    Event {
        happens: |api, id| set(api, id, "State", "UPDATING"),
        api_statuses: ["UNKNOWN", "AVAILABLE", "AVAILABLE"],
        status: "unknown",
        up: None,
        transitions: 2.0,
    },
    Event {
        happens: |api, id| set(api, id, "HealthCheckStatus", "UNAVAILABLE"),
        api_statuses: ["UNKNOWN", "AVAILABLE", "UNAVAILABLE"],
        status: "down",
        up: Some(0.0),
        transitions: 3.0,
    },
    Event {
        // From here on the simulator controls the tunnel: it is up until it is deleted.
        happens: |api, id| api.control.restore(GUANGZHOU, id).expect("the tunnel"),
        api_statuses: ["AVAILABLE", "AVAILABLE", "AVAILABLE"],
        status: "up",
        up: Some(1.0),
        transitions: 4.0,
    },
];

const DELETING: Event = Event {
    happens: |_, _| {},
    api_statuses: ["DELETING", "UNAVAILABLE", "UNAVAILABLE"],
    status: "deleting",
    up: Some(0.0),
    transitions: 5.0,
};

/// Waits until the metrics show the event. The time of a new transition is recent; an earlier one is unchanged.
async fn assert_seen(daemon: &Daemon, id: &str, event: &Event, since: f64, before: &mut Option<ShownStatus>) {
    let api_statuses = event.api_statuses.map(|status| Some(status.to_owned()));
    let metrics = daemon.until(|metrics| ShownStatus::of(metrics, id).api_statuses == api_statuses).await;
    let seen = ShownStatus::of(&metrics, id);
    assert_eq!(
        (seen.status.as_deref(), seen.up, seen.transitions),
        (Some(event.status), event.up, Some(event.transitions))
    );
    let last = seen.last_transition;
    match before {
        Some(before) if before.transitions == seen.transitions => assert_eq!(last, before.last_transition),
        None => assert_eq!(last, None),
        Some(_) => assert!(last.is_some_and(|last| since <= last && last <= now()), "{last:?}"),
    }
    *before = Some(seen);
}

/// Asserts that the tunnel has no series, now and after the next polls.
async fn assert_gone(daemon: &Daemon, id: &str) {
    let mentions = |metrics: &Metrics| {
        metrics.0.iter().filter(|sample| sample.labels.values().any(|value| value.contains(id))).count()
    };
    let metrics = daemon.until(|metrics| mentions(metrics) == 0).await;
    let polls = metrics.sum("polls_total", &[]);
    let later = daemon.until(|metrics| metrics.sum("polls_total", &[]) >= polls + 3.0).await;
    assert_eq!(mentions(&later), 0, "it stays deleted");
}

#[tokio::test]
async fn tunnel_is_followed_from_creation_to_deletion() {
    let api = world(9).await;
    let row = row_with_health_check(&api);
    let id = text(&row, "VpnConnectionId");
    for (field, status) in ["State", "NetStatus", "HealthCheckStatus"].into_iter().zip(EVENTS[0].api_statuses)
    {
        set(&api, &id, field, status);
    }
    let config = api.config(&[GUANGZHOU]);
    let daemon = Daemon::start(&config).await;
    let mut before = None;
    for event in &EVENTS {
        let since = now();
        (event.happens)(&api, &id);
        assert_seen(&daemon, &id, event, since, &mut before).await;
    }

    let since = now();
    let words = ["tunnels", "delete", "--yes", "--no-wait", "--account", "main", "--region", GUANGZHOU];
    let ids = ["--vpn-gateway-id", &text(&row, "VpnGatewayId"), "--vpn-connection-id", &id];
    let files = WorkDir::with(&config);
    assert_exit("delete", &run(files.exporter(&[&words[..], &ids].concat())).await, 0, &[]);
    assert_seen(&daemon, &id, &DELETING, since, &mut before).await;

    api.control.advance(HOUR);
    assert_gone(&daemon, &id).await;
    let metrics = daemon.scrape().await;
    assert_eq!(metrics.tunnels(&[]), Some(8.0));
    assert_eq!(metrics.sum("tunnel_up", &[]), 8.0, "the other tunnels are unchanged");
    assert_eq!(metrics.sum("tunnel_transitions_total", &[]), 0.0);
}

/// All samples of a tunnel.
fn series(metrics: &Metrics, id: &str) -> BTreeMap<(String, BTreeMap<String, String>), f64> {
    let own = metrics.0.iter().filter(|s| s.labels.get("vpn_connection_id").is_some_and(|own| own == id));
    own.map(|sample| ((sample.name.clone(), sample.labels.clone()), sample.value)).collect()
}

#[tokio::test]
async fn rename_changes_only_the_info() {
    let api = world(9).await;
    let row = row_with_health_check(&api);
    let (id, old_name) = (text(&row, "VpnConnectionId"), text(&row, "VpnConnectionName"));
    let daemon = Daemon::start(&api.config(&[GUANGZHOU])).await;
    daemon.until(|metrics| metrics.sum("tunnel_up", &[]) == 9.0).await;
    set(&api, &id, "NetStatus", "UNAVAILABLE");
    let before = daemon.until(|metrics| metrics.sum("tunnel_up", &[]) == 8.0).await;

    set(&api, &id, "VpnConnectionName", "another name");
    let named =
        |metrics: &Metrics, name: &str| metrics.count("tunnel_info", &[("vpn_connection_name", name)]);
    let after = daemon.until(|metrics| named(metrics, "another name") == 1).await;
    let mut expected = series(&before, &id);
    let info = expected.extract_if(.., |(name, _), _| name.ends_with("_tunnel_info")).next();
    let ((name, mut labels), value) = info.expect("the tunnel's info");
    assert_eq!(
        labels.insert("vpn_connection_name".to_owned(), "another name".to_owned()),
        Some(old_name.clone())
    );
    expected.insert((name, labels), value);
    assert_eq!(series(&after, &id), expected);
    let ghost = after.0.iter().find(|sample| sample.labels.values().any(|value| *value == old_name));
    assert_eq!(ghost, None);
}

#[tokio::test]
async fn recreated_tunnel_with_the_same_name_is_new() {
    let api = world(3).await;
    let place = GUANGZHOU;
    let row = api.control.rows(place).expect("the region").remove(0);
    let (old, name) = (text(&row, "VpnConnectionId"), text(&row, "VpnConnectionName"));
    let daemon = Daemon::start(&api.config(&[GUANGZHOU])).await;
    daemon.until(|metrics| metrics.sum("tunnel_up", &[]) == 3.0).await;
    set(&api, &old, "NetStatus", "UNAVAILABLE");
    daemon.until(|metrics| metrics.sum("tunnel_transitions_total", &[]) == 1.0).await;

    api.control.remove(place, &old).expect("the tunnel");
    let new = api.control.add(place).expect("the region");
    set(&api, &new, "VpnConnectionName", name.as_str());
    let of_name = [("vpn_connection_name", name.as_str())];
    let is_new = |metrics: &Metrics| {
        let ids: Vec<_> =
            metrics.all("tunnel_info", &of_name).map(|s| s.labels["vpn_connection_id"].clone()).collect();
        ids == [new.clone()]
    };
    let seen = ShownStatus::of(&daemon.until(is_new).await, &new);
    assert_eq!(seen.up, Some(1.0));
    assert_eq!((seen.transitions, seen.last_transition), (Some(0.0), None), "it has no history");
    assert_gone(&daemon, &old).await;
}
