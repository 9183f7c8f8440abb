//! The pollers of all targets: started, told of new settings, and ended, as plans come in.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinError, JoinSet},
};

use super::{Settings, poller::Poller};
use crate::{
    domain::Target,
    snapshot::{Snapshots, TargetSnapshot},
};

/// Which targets are to be polled, and how. Settings that are the very same as before change nothing.
pub type Plan = BTreeMap<Target, Arc<Settings>>;

/// All pollers of this process.
#[derive(Debug)]
pub struct Fleet {
    snapshots: Snapshots,
    pollers: JoinSet<()>,
    posts: HashMap<Target, Post>,
}

#[derive(Debug)]
struct Post {
    settings: watch::Sender<Arc<Settings>>,
    poller: AbortHandle,
}

impl Fleet {
    /// No pollers yet.
    #[must_use]
    pub fn new(snapshots: Snapshots) -> Self {
        Self { snapshots, pollers: JoinSet::new(), posts: HashMap::new() }
    }

    /// Makes the pollers be those of the plan. Targets that stay keep what is known of them, and are polled at once if their
    /// settings are new; targets that go leave the snapshot at once.
    pub fn follow(&mut self, plan: Plan) {
        self.posts.retain(|target, post| {
            let stays = plan.contains_key(target);
            if !stays {
                post.poller.abort();
                self.snapshots.remove(target);
            }
            stays
        });
        for (target, settings) in plan {
            match self.posts.get(&target) {
                Some(post) => {
                    post.settings.send_if_modified(|present| {
                        let new = !Arc::ptr_eq(present, &settings);
                        *present = settings;
                        new
                    });
                }
                None => self.start(target, settings),
            }
        }
    }

    fn start(&mut self, target: Target, settings: Arc<Settings>) {
        let (settings, receiver) = watch::channel(settings);
        let state = Arc::new(TargetSnapshot::new(target.clone()));
        self.snapshots.add(Arc::clone(&state));
        let poller = Poller::new(self.snapshots.clone(), receiver, state);
        let poller = self.pollers.spawn(poller.run());
        self.posts.insert(target, Post { settings, poller });
    }

    /// Waits for a poller that ended by itself, which only a panic makes it do.
    pub async fn failure(&mut self) -> JoinError {
        loop {
            match self.pollers.join_next().await {
                Some(Err(error)) if !error.is_cancelled() => return error,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Ends all polls, wherever they are.
    pub async fn stop(mut self) {
        self.pollers.shutdown().await;
    }
}
