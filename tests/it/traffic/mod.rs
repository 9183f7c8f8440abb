//! Queries of traffic: what they publish, and that tunnels and gateways do not depend on them.

mod data_points;
mod faults;
mod queries;

use simulator::Entry;
use test_support::{
    Api, Metrics, Sample, frozen,
    scene::{FRANKFURT, GUANGZHOU, Scene, Target},
    with_gateways, with_traffic,
};

const ACTION: &str = "GetMonitorData";

/// The configuration of a scene with traffic: five requests for each query of a few tunnels and a gateway. Gateways are listed with
/// the same interval as tunnels. No request times out on a busy machine, so that tests can count requests.
fn config(api: &Api) -> String {
    let config = Scene::config(api, "interval: 250ms, timeout: 3s, stale_after: 1h");
    with_traffic(&with_gateways(&patient(&config), "250ms"), "interval: 5m, metrics: [bandwidth]")
}

/// The same configuration with long time limits.
fn patient(config: &str) -> String {
    config.replace("request_timeout: 2s", "request_timeout: 50s").replace("timeout: 3s", "timeout: 50s")
}

/// A scene whose traffic was queried, and its metrics.
async fn healthy() -> (Scene, Metrics) {
    healthy_with(config).await
}

/// The same with this configuration.
async fn healthy_with(config: fn(&Api) -> String) -> (Scene, Metrics) {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), config).await;
    let metrics = scene.daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 3.0).await;
    (scene, metrics)
}

fn is_traffic(sample: &Sample) -> bool {
    let parts = ["_receive_", "_transmit_", "_packet_loss_", "_latency_", "_usage_", "_traffic_"];
    parts.iter().any(|part| sample.name.contains(part))
}

/// The samples of traffic of a target's tunnels and gateways.
fn traffic(metrics: &Metrics, target: Target) -> Vec<&Sample> {
    samples(metrics, target, is_traffic)
}

/// The other samples of a target's tunnels and gateways.
fn others(metrics: &Metrics, target: Target) -> Vec<&Sample> {
    samples(metrics, target, |sample| !is_traffic(sample))
}

fn samples(metrics: &Metrics, target: Target, is_chosen: fn(&Sample) -> bool) -> Vec<&Sample> {
    let is_of_row = |name: &str| {
        ["tunnel", "gateway", "customer_gateway"]
            .iter()
            .any(|kind| name.starts_with(&format!("tencentcloud_vpn_{kind}_")))
    };
    let is_of_target = |sample: &&Sample| {
        target.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
    };
    let mut samples: Vec<_> = metrics
        .0
        .iter()
        .filter(|sample| is_of_row(&sample.name) && is_chosen(sample))
        .filter(is_of_target)
        .collect();
    samples.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    samples
}

/// The requests to Cloud Monitor.
fn requests(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.action == ACTION)
}
