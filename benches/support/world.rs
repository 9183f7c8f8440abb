//! Tunnels from polls of the simulated API, and the parts of the daemon that process them.

use std::{collections::BTreeMap, sync::Arc};

use prometheus::core::Collector;
use tencentcloud_vpn_exporter::{
    config::Config,
    domain::shard::Shard,
    metrics::renderer::Renderer,
    poll::poller::{Assignment, poll},
    snapshot::{Snapshot, Snapshots, TargetSnapshot},
    telemetry::{BuildInfo, Telemetry},
    tencent::transport::Authorities,
    wiring::{Context, Wiring},
};

use super::process::Api;

/// The exporter's own metrics.
pub fn telemetry() -> Telemetry {
    Telemetry::new(&BuildInfo { version: "0", revision: "0", rustc: "0" }).expect("metrics")
}

pub fn renderer() -> Renderer {
    Renderer::new(telemetry(), &[], true).expect("a renderer")
}

/// The only target of an API, with its settings and its state.
#[derive(Debug)]
pub struct PolledTarget {
    pub state: TargetSnapshot,
    pub assignment: Assignment,
    pub telemetry: Telemetry,
}

impl PolledTarget {
    /// The target before its first poll.
    pub fn new(api: &Api) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yml");
        std::fs::write(&file, api.config(1, "60s")).expect("the configuration can be written");
        let config = Config::load(Some(&file), &BTreeMap::new()).expect("a valid configuration").config;
        let telemetry = telemetry();
        let context =
            Context { variables: BTreeMap::new(), telemetry: telemetry.clone(), shard: Shard::SOLE };
        let wiring = Wiring::new(config, context, Authorities::of_system()).expect("a client");
        let (target, assignment) = wiring.plan().pop_first().expect("a target");
        Self { state: TargetSnapshot::new(target), assignment, telemetry }
    }

    /// Polls once. Returns the number of changed tunnels.
    pub async fn poll(&mut self) -> usize {
        let (state, changes) = poll(&self.assignment, &self.state).await;
        assert_eq!(state.failure(), None);
        self.state = state;
        changes.len()
    }

    /// The number of failed requests, including those that were retried.
    pub fn failed_requests(&self) -> f64 {
        let families = self.telemetry.collect();
        let failures = families.iter().filter(|family| family.name().ends_with("api_request_failures_total"));
        failures
            .flat_map(prometheus::proto::MetricFamily::get_metric)
            .map(|metric| metric.get_counter().get_value())
            .sum()
    }
}

/// The state after one poll of this many tunnels, which are all up.
pub async fn polled(tunnels: usize) -> TargetSnapshot {
    let api = Api::start(tunnels, 1, &["--frozen"]);
    let mut polled = PolledTarget::new(&api);
    polled.poll().await;
    assert_eq!(polled.state.tunnels().len(), tunnels);
    polled.state
}

pub fn snapshot(states: impl IntoIterator<Item = TargetSnapshot>) -> Arc<Snapshot> {
    let snapshots = Snapshots::default();
    states.into_iter().for_each(|state| snapshots.add(Arc::new(state)));
    snapshots.current()
}
