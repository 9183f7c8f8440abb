//! Tunnels as polls of the simulated API give them, and the daemon's parts that work on them.

use std::{collections::BTreeMap, sync::Arc};

use tencentcloud_vpn_exporter::{
    config::Config,
    domain::shard::Shard,
    metrics::Renderer,
    poll::poller::{Assignment, poll},
    snapshot::{Snapshot, Snapshots, TargetSnapshot},
    telemetry::{BuildInfo, Telemetry},
    tencent::transport::Authorities,
    wiring::{Context, Wiring},
};

use super::process::Api;

/// Our own metrics, in a registry of their own.
pub fn telemetry() -> Telemetry {
    Telemetry::new(&BuildInfo { version: "0", revision: "0", rustc: "0" }).expect("metrics")
}

pub fn renderer() -> Renderer {
    Renderer::new(&telemetry(), Vec::new()).expect("a renderer")
}

/// The only target of an API: how it is polled, and what is known of it.
#[derive(Debug)]
pub struct Watched {
    pub state: TargetSnapshot,
    pub assignment: Assignment,
    pub telemetry: Telemetry,
}

impl Watched {
    /// Before the first poll.
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

    /// Polls once: how many tunnels changed.
    pub async fn poll(&mut self) -> usize {
        let (state, changes) = poll(&self.assignment, &self.state).await;
        assert_eq!(state.failure(), None);
        self.state = state;
        changes.len()
    }

    /// How many requests failed, whether or not they were tried again.
    pub fn failed_requests(&self) -> f64 {
        let families = self.telemetry.registry().gather();
        let failures = families.iter().filter(|family| family.name().ends_with("api_request_failures_total"));
        failures
            .flat_map(prometheus::proto::MetricFamily::get_metric)
            .map(|metric| metric.get_counter().get_value())
            .sum()
    }
}

/// What one poll shows of so many tunnels, all of them up.
pub async fn polled(tunnels: usize) -> TargetSnapshot {
    let api = Api::start(tunnels, 1, &["--frozen"]);
    let mut watched = Watched::new(&api);
    watched.poll().await;
    assert_eq!(watched.state.tunnels().len(), tunnels);
    watched.state
}

pub fn snapshot(states: impl IntoIterator<Item = TargetSnapshot>) -> Snapshot {
    let snapshots = Snapshots::default();
    states.into_iter().for_each(|state| snapshots.add(Arc::new(state)));
    snapshots.current()
}
