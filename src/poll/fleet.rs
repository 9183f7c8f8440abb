//! The pollers of all targets. Each target has one for tunnels, one for gateways and one for traffic. They are started,
//! reassigned and stopped to match the plan.
//!
//! The caller adds the targets to the snapshot first, and removes them from it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::{
    sync::{Notify, Semaphore, watch},
    task::{AbortHandle, JoinError, JoinSet},
};

use super::{
    gateways::{self, GatewayPoller},
    poller::{Assignment, Poller},
    traffic::{self, TrafficPoller},
};
use crate::{
    domain::target::Target,
    snapshot::{Snapshots, TargetSnapshot},
};

/// The targets to poll, and how.
pub type Plan = BTreeMap<Target, Assignment>;

/// All pollers of this process.
#[derive(Debug)]
pub struct Fleet {
    snapshots: Snapshots,
    pollers: JoinSet<()>,
    handles: HashMap<Target, Handle>,
    /// Limits how many targets list gateways at the same time.
    gateway_permits: Arc<Semaphore>,
    traffic: Arc<traffic::Shared>,
}

#[derive(Debug)]
struct Handle {
    assignment: watch::Sender<Assignment>,
    /// The pollers of tunnels, gateways and traffic.
    pollers: [AbortHandle; 3],
}

impl Fleet {
    /// No pollers: [`Self::reconcile`] starts them.
    #[must_use]
    pub fn new(snapshots: Snapshots) -> Self {
        let gateway_permits = Arc::new(Semaphore::new(gateways::CONCURRENT_TARGETS));
        Self {
            snapshots,
            pollers: JoinSet::new(),
            handles: HashMap::new(),
            gateway_permits,
            traffic: Arc::default(),
        }
    }

    /// Starts and stops pollers to match the plan. A target that stays keeps its poller, and is polled at once if its
    /// assignment changed.
    pub fn reconcile(&mut self, plan: Plan) {
        self.handles.retain(|target, handle| {
            let stays = plan.contains_key(target);
            if !stays {
                handle.pollers.iter().for_each(AbortHandle::abort);
            }
            stays
        });
        for (target, assignment) in plan {
            match self.handles.get(&target) {
                Some(handle) => {
                    handle.assignment.send_if_modified(|present| {
                        let differs = *present != assignment;
                        *present = assignment;
                        differs
                    });
                }
                None => self.start(target, assignment),
            }
        }
    }

    fn start(&mut self, target: Target, assignment: Assignment) {
        let (assignment, receiver) = watch::channel(assignment);
        let list_gateways = Arc::new(Notify::new());
        let snapshots = || self.snapshots.clone();
        let permits = Arc::clone(&self.gateway_permits);
        let gateways = GatewayPoller::new(snapshots(), receiver.clone(), target.clone(), permits);
        let shared = Arc::clone(&self.traffic);
        let traffic = TrafficPoller::new(snapshots(), receiver.clone(), target.clone(), shared);
        let state = Arc::new(TargetSnapshot::new(target.clone()));
        let tunnels = Poller::new(snapshots(), receiver, state, Arc::clone(&list_gateways));
        let pollers = [
            self.pollers.spawn(tunnels.run()),
            self.pollers.spawn(gateways.run(list_gateways)),
            self.pollers.spawn(traffic.run()),
        ];
        self.handles.insert(target, Handle { assignment, pollers });
    }

    /// Waits until a poller ends by itself, which happens only if it panics.
    pub async fn failure(&mut self) -> JoinError {
        loop {
            match self.pollers.join_next().await {
                Some(Err(error)) if !error.is_cancelled() => return error,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Ends all polls.
    pub async fn stop(mut self) {
        self.pollers.shutdown().await;
    }
}
