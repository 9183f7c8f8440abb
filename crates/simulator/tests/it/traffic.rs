//! The data of tunnels and gateways in Cloud Monitor, and how a test changes them.

use std::{collections::HashSet, time::Duration};

use serde_json::json;
use simulator::{GatewayProblem, NotFound, Options};

use crate::{
    client::RunningSimulator,
    listing::{EU, text},
    monitor::{NOON, gateway_ids, now, of, parameters, points, query},
};

const TUNNEL_METRICS: [&str; 6] = ["OutBandwidth", "InBandwidth", "OutPkg", "InPkg", "PkgDrop", "Delay"];
const GATEWAY_METRICS: [&str; 5] =
    ["OutBandwidth", "InBandwidth", "Outpkg", "Inpkg", "VpnBandwidthUsageRate"];
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A point of a minute.
fn point(api: &RunningSimulator, id: &str, metric: &str, timestamp: u64) -> Option<f64> {
    api.control.data_point(EU, id, metric, 60, timestamp)
}

fn ids(api: &RunningSimulator) -> Vec<String> {
    api.control.ids(EU).expect("the region")
}

/// The tunnels with or without a health check.
fn checked(api: &RunningSimulator, enabled: bool) -> Vec<String> {
    let rows = api.control.rows(EU).expect("the region");
    let wanted = rows.iter().filter(|row| row["EnableHealthCheck"] == enabled);
    wanted.map(|row| text(&row["VpnConnectionId"])).collect()
}

#[tokio::test]
async fn responses_have_the_true_data_points() {
    for (namespace, metrics) in [("QCE/VPNX", &TUNNEL_METRICS[..]), ("QCE/VPNGW", &GATEWAY_METRICS)] {
        // A simulator of its own, because both together make more requests than the limit of a second.
        let api = RunningSimulator::frozen(&[(EU, 20)]).await;
        let ids = if namespace == "QCE/VPNX" { ids(&api) } else { gateway_ids(&api, EU) };
        for metric in metrics {
            for period in [60, 300] {
                let mut parameters = of(namespace, metric, &ids);
                parameters["Period"] = period.into();
                let response = query(&api, EU, &parameters).await;
                for (id, points) in ids.iter().zip(points(&response)) {
                    for (timestamp, value) in points {
                        assert_eq!(timestamp % u64::from(period), 0);
                        let truth = api.control.data_point(EU, id, metric, period, timestamp);
                        assert_eq!(Some(value), truth, "{metric} of {id} at {timestamp}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn points_appear_one_to_three_minutes_late() {
    let api = RunningSimulator::frozen(&[(EU, 50)]).await;
    let before = now();
    let response = query(&api, EU, &parameters(&ids(&api))).await;
    let after = now();
    let mut newest = HashSet::new();
    for points in points(&response) {
        let timestamps: Vec<_> = points.iter().map(|(timestamp, _)| *timestamp).collect();
        assert!(timestamps.windows(2).all(|pair| pair[1] - pair[0] == 60), "{timestamps:?}");
        let last_end = timestamps.last().expect("points") + 60;
        assert!(last_end + 60 <= after, "{} s late", after - last_end);
        assert!(last_end + 180 + 60 > before, "{} s late", before - last_end);
        newest.insert(last_end);
    }
    assert!(newest.len() > 1, "the delays differ");
    let mut future = parameters(&ids(&api)[..1]);
    future["StartTime"] = crate::monitor::time(now()).into();
    future["EndTime"] = crate::monitor::time(now() + HOUR).into();
    assert!(points(&query(&api, EU, &future).await)[0].is_empty(), "there are no points of the future");
}

#[tokio::test]
async fn traffic_follows_the_day_and_never_stops() {
    let api = RunningSimulator::frozen(&[(EU, 40)]).await;
    let mut noons = HashSet::new();
    for id in ids(&api) {
        for metric in &TUNNEL_METRICS[..4] {
            let at = |timestamp| point(&api, &id, metric, timestamp).expect("a point");
            let day: Vec<_> = (NOON..NOON + DAY).step_by(1800).map(at).collect();
            assert!(day.iter().all(|value| *value > 0.0), "{metric} of {id}: {day:?}");
            let (afternoon, night) = (at(NOON + 4 * HOUR), at(NOON + 16 * HOUR));
            assert!(afternoon > 2.0 * night && afternoon < 3.0 * night, "{metric}: {afternoon}, {night}");
            let change = at(NOON + 60) / at(NOON);
            assert!((0.8..1.2).contains(&change) || at(NOON) < 0.1, "{change}");
        }
        noons.insert(point(&api, &id, "OutPkg", NOON).expect("a point").to_bits());
    }
    assert!(noons.len() == 40, "tunnels differ");
}

#[tokio::test]
async fn gateway_carries_the_sum_of_its_tunnels() {
    let api = RunningSimulator::frozen(&[(EU, 27)]).await;
    for row in api.control.gateway_rows(EU).expect("the region") {
        let id = text(&row["VpnGatewayId"]);
        let rows = api.control.rows(EU).expect("the region");
        let tunnels = rows.iter().filter(|row| row["VpnGatewayId"] == *id);
        let tunnels: Vec<_> = tunnels.map(|row| text(&row["VpnConnectionId"])).collect();
        for (metric, of_tunnels) in GATEWAY_METRICS.iter().zip(TUNNEL_METRICS).take(4) {
            for period in [60, 300] {
                let at = |id: &str, metric: &str| api.control.data_point(EU, id, metric, period, NOON);
                let sum: f64 = tunnels.iter().map(|id| at(id, of_tunnels).expect("a point")).sum();
                let sent = at(&id, metric).expect("a point");
                assert!((sent - sum).abs() < 0.01, "{metric}: {sent} is not {sum}");
            }
        }
        let limit = row["InternetMaxBandwidthOut"].as_f64().expect("a number");
        let (usage, sent) =
            (point(&api, &id, "VpnBandwidthUsageRate", NOON), point(&api, &id, "OutBandwidth", NOON));
        let expected = 100.0 * sent.expect("a point") / limit;
        assert!((usage.expect("a point") - expected).abs() < 0.01, "{usage:?} is not {expected}");
        api.control.set_gateway_field(EU, &id, "InternetMaxBandwidthOut", 2.0 * limit).expect("the gateway");
        let half = point(&api, &id, "VpnBandwidthUsageRate", NOON).expect("a point");
        assert!((half - expected / 2.0).abs() < 0.01, "{half} is not half of {expected}");
    }
}

#[tokio::test]
async fn demo_gateways_are_neither_idle_nor_full() {
    // Times before the start have the status at the start: one tunnel is pending, and one is idle.
    let past = NOON - 3000 * DAY;
    for frozen in [true, false] {
        let options = Options { frozen, gateway_problems: Some(vec![]), ..Options::default() };
        let api = RunningSimulator::start(options).await;
        let mut busiest: f64 = 0.0;
        for (region, _) in Options::default().regions {
            for id in gateway_ids(&api, &region) {
                for timestamp in (past..past + DAY).step_by(300) {
                    let usage = api.control.data_point(&region, &id, "VpnBandwidthUsageRate", 60, timestamp);
                    let usage = usage.expect("a point");
                    assert!((10.0..95.0).contains(&usage), "{id} uses {usage} % at {timestamp}");
                    busiest = busiest.max(usage);
                }
            }
        }
        assert!(busiest > 80.0, "the busiest gateway uses {busiest} %");
    }
}

#[tokio::test]
async fn disconnected_tunnel_carries_nothing_and_loses_everything() {
    let api = RunningSimulator::frozen(&[(EU, 20)]).await;
    let (with, without) = (checked(&api, true).remove(0), checked(&api, false).remove(0));
    for id in [&with, &without] {
        api.control.set(EU, id, "NetStatus", "UNAVAILABLE").expect("the tunnel");
        for metric in &TUNNEL_METRICS[..4] {
            assert_eq!(point(&api, id, metric, NOON), Some(0.0), "{metric}");
        }
    }
    let health = |id: &str| ["PkgDrop", "Delay"].map(|metric| point(&api, id, metric, NOON));
    assert_eq!(health(&with), [Some(100.0), None]);
    assert_eq!(health(&without), [None, None]);
    api.control.restore(EU, &with).expect("the tunnel");
    assert!(point(&api, &with, "OutBandwidth", NOON) > Some(0.0));
}

#[tokio::test]
async fn only_health_checks_measure_loss_and_delay() {
    let api = RunningSimulator::frozen(&[(EU, 50)]).await;
    for id in checked(&api, true) {
        for timestamp in (NOON..NOON + HOUR).step_by(60) {
            let [loss, delay] = ["PkgDrop", "Delay"].map(|metric| point(&api, &id, metric, timestamp));
            assert!((0.0..1.0).contains(&loss.expect("a point")), "{loss:?}");
            assert!((1.0..250.0).contains(&delay.expect("a point")), "{delay:?}");
        }
        api.control.set(EU, &id, "HealthCheckStatus", "UNAVAILABLE").expect("the tunnel");
        let loss = point(&api, &id, "PkgDrop", NOON).expect("a point");
        assert!((30.0..100.0).contains(&loss), "{loss}");
        assert!(point(&api, &id, "OutBandwidth", NOON) > Some(0.0), "it still carries traffic");
    }
    let unchecked = checked(&api, false);
    for metric in ["PkgDrop", "Delay"] {
        let response = query(&api, EU, &of("QCE/VPNX", metric, &unchecked)).await;
        assert!(points(&response).iter().all(Vec::is_empty), "{response}");
    }
    api.control.set(EU, &unchecked[0], "EnableHealthCheck", true).expect("the tunnel");
    assert!(point(&api, &unchecked[0], "Delay", NOON).is_some(), "a changed row counts");
}

#[tokio::test]
async fn tunnels_of_a_stopped_gateway_carry_nothing() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    let (gateway, tunnel) = (gateway_ids(&api, EU).remove(0), ids(&api).remove(0));
    for (problem, stops) in [
        (Some(GatewayProblem::Isolated), true),
        (Some(GatewayProblem::AddressBlocked), true),
        (Some(GatewayProblem::Expiring), false),
        (None, false),
    ] {
        api.control.set_gateway_problem(EU, &gateway, problem).expect("the gateway");
        let sent = [&gateway, &tunnel].map(|id| point(&api, id, "OutBandwidth", NOON).expect("a point"));
        assert_eq!(sent.map(|sent| sent == 0.0), [stops; 2], "{problem:?}");
        assert_eq!(point(&api, &gateway, "VpnBandwidthUsageRate", NOON) == Some(0.0), stops);
    }
}

#[tokio::test]
async fn pending_and_new_tunnels_have_no_data() {
    let api = RunningSimulator::frozen(&[(EU, 2)]).await;
    let pending = ids(&api).remove(0);
    api.control.set(EU, &pending, "State", "PENDING").expect("the tunnel");
    let new = api.control.add(EU).expect("the region");
    let response = query(&api, EU, &parameters(&[&pending, &new])).await;
    assert_eq!(points(&response), [vec![], vec![]]);
    let later = now() / 60 * 60 + 120;
    assert!(point(&api, &new, "OutBandwidth", later).is_some(), "later it has data");
    api.control.advance(Duration::from_secs(600));
    let response = query(&api, EU, &parameters(&[&new])).await;
    let since = points(&response)[0].len();
    assert!((1..10).contains(&since), "{since} points of the last ten minutes");
    api.control.remove(EU, &new).expect("the tunnel");
    assert_eq!(point(&api, &new, "OutBandwidth", later), None, "a removed tunnel has no data");
}

#[tokio::test]
async fn data_can_be_switched_off() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    let (gateway, tunnel) = (gateway_ids(&api, EU).remove(0), ids(&api).remove(0));
    let total = point(&api, &gateway, "OutBandwidth", NOON);
    for (id, namespace) in [(&tunnel, "QCE/VPNX"), (&gateway, "QCE/VPNGW")] {
        let bandwidth = || point(&api, id, "InBandwidth", NOON);
        let usual = bandwidth();
        api.control.set_without_data(EU, id, true).expect("the instance");
        assert_eq!(bandwidth(), None);
        let response = query(&api, EU, &of(namespace, "InBandwidth", &[id])).await;
        assert_eq!(points(&response), [vec![]]);
        if *id == tunnel {
            assert_eq!(point(&api, &gateway, "OutBandwidth", NOON), total, "it still carries traffic");
        }
        api.control.set_without_data(EU, id, false).expect("the instance");
        assert_eq!((bandwidth(), usual.is_some()), (usual, true));
    }
    let set = |id: &str| api.control.set_without_data(EU, id, true);
    assert_eq!(set("vpnx-00000000"), Err(NotFound::Tunnel("vpnx-00000000".to_owned())));
    assert_eq!(set("vpngw-00000000"), Err(NotFound::Gateway("vpngw-00000000".to_owned())));
    let region = "eu-atlantis".to_owned();
    assert_eq!(api.control.set_without_data(&region, &tunnel, true), Err(NotFound::Region(region)));
}

#[tokio::test]
async fn traffic_of_a_tunnel_can_be_multiplied() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let (gateway, tunnel) = (gateway_ids(&api, EU).remove(0), ids(&api).remove(0));
    let values = || {
        let tunnel = TUNNEL_METRICS.map(|metric| point(&api, &tunnel, metric, NOON));
        (tunnel, point(&api, &gateway, "VpnBandwidthUsageRate", NOON).expect("a point"))
    };
    let usual = values();
    for share in [0.0, 0.5, 3.0] {
        api.control.set_traffic(EU, &tunnel, Some(share)).expect("the tunnel");
        let changed = values();
        for (before, after) in usual.0.iter().zip(changed.0).take(4) {
            let expected = share * before.expect("a point");
            assert!((after.expect("a point") - expected).abs() < 0.01, "{after:?} is not {expected}");
        }
        assert_eq!(changed.0[4..], usual.0[4..], "loss and delay do not change");
        assert!((changed.1 - share * usual.1).abs() < 0.1, "{} is not {}", changed.1, share * usual.1);
        assert_eq!(api.control.rows(EU).expect("the region")[0]["NetStatus"], "AVAILABLE");
    }
    for odd in [Some(1.0), Some(f64::NAN), None] {
        api.control.set_traffic(EU, &tunnel, odd).expect("the tunnel");
        assert_eq!(values(), usual);
    }
    api.control.set_traffic(EU, &tunnel, Some(-1.0)).expect("the tunnel");
    assert_eq!(values().0[0], Some(0.0));
    assert_eq!(api.control.set_traffic(EU, &gateway, None), Err(NotFound::Tunnel(gateway.clone())));
}

#[tokio::test]
async fn truth_exists_only_for_whole_periods() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let (gateway, tunnel) = (gateway_ids(&api, EU).remove(0), ids(&api).remove(0));
    let truth = |id: &str, metric, period, at| api.control.data_point(EU, id, metric, period, at).is_some();
    assert!(truth(&tunnel, "OutPkg", 60, NOON) && truth(&gateway, "Outpkg", 300, NOON));
    assert!(truth(&tunnel, "OutPkg", 60, now() / 60 * 60 + DAY), "also in the future");
    assert!(truth(&tunnel, "OutPkg", 60, u64::MAX / 60 * 60), "also far away");
    for (id, metric, period, at) in [
        (&*tunnel, "OutPkg", 60, NOON + 1),
        (&tunnel, "OutPkg", 300, NOON + 60),
        (&tunnel, "OutPkg", 0, NOON),
        (&tunnel, "OutPkg", 3600, NOON),
        (&tunnel, "Outpkg", 60, NOON),
        (&gateway, "OutPkg", 60, NOON),
        ("vpnx-00000000", "OutPkg", 60, NOON),
    ] {
        assert!(!truth(id, metric, period, at), "{metric} of {id}, {period} s, {at}");
    }
    assert_eq!(api.control.data_point("eu-atlantis", &tunnel, "OutPkg", 60, NOON), None);
    let json = json!({"region": EU, "id": tunnel, "share": 0});
    let mut request = api.client.request("", EU, &json);
    request.path = "/_traffic".to_owned();
    assert_eq!(request.send().await.status, 200);
    assert_eq!(point(&api, &tunnel, "OutPkg", NOON), Some(0.0), "the path changes the same tunnel");
}
