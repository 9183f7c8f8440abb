//! Queries the traffic of one target's tunnels and gateways on its own schedule.
//!
//! Polls of tunnels and listings of gateways do not wait for queries of traffic: the first query follows the first listings,
//! the action has its own rate limit, and at most `CONCURRENT_TARGETS` targets query traffic at the same time.

pub mod query;

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep_until},
};

use self::query::{Query, QueryError, api_time};
use super::{
    log,
    poller::{Assignment, Settings, refusal_pause},
};
use crate::{
    domain::{
        reason::Reason,
        target::{AccountName, Target},
        traffic::{Period, TrafficSettings},
    },
    snapshot::{Snapshot, Snapshots, TargetSnapshot, traffic::TrafficSnapshot},
    tencent::{account::Account, get_monitor_data::FREE_REQUESTS},
};

/// How many targets query traffic at the same time. They then send at most a quarter of the requests that this process may send
/// at the same time.
const CONCURRENT_TARGETS: usize = 16;

/// A query ends this long before the next one is due.
const REST: Duration = Duration::from_secs(2);

/// What the pollers of traffic of all targets share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Limits how many targets query traffic at the same time.
    permits: Semaphore,
    /// The accounts whose traffic needs more requests than are free. The log has one warning about each.
    expensive_accounts: Mutex<HashSet<AccountName>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { permits: Semaphore::new(CONCURRENT_TARGETS), expensive_accounts: Mutex::default() }
    }
}

impl Shared {
    /// Logs the estimate of a target's requests before its first query, and a warning about an account that has become expensive.
    fn log_estimate(
        &self,
        snapshot: &Snapshot,
        state: &TargetSnapshot,
        settings: &TrafficSettings,
        is_first: bool,
    ) {
        let account = &state.target.account;
        let requests = log::traffic_estimate(snapshot, state, settings, is_first);
        let mut expensive = self.expensive_accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if requests > FREE_REQUESTS && expensive.insert(account.clone()) {
            log::expensive_traffic(account, requests);
        }
    }
}

/// Queries the traffic of one target until it is dropped.
#[derive(Debug)]
pub(super) struct TrafficPoller {
    snapshots: Snapshots,
    assignment: watch::Receiver<Assignment>,
    target: Target,
    shared: Arc<Shared>,
    state: Arc<TrafficSnapshot>,
    /// The correction of the local clock that the last query used, in seconds.
    clock_offset: i64,
    /// The metric of tunnels with which the next query begins.
    first_metric: usize,
    /// How many queries in a row were refused with the same settings and the same generation of credentials.
    refusals: u32,
    /// The reasons of all failures since the last success.
    failures: HashSet<Reason>,
}

impl TrafficPoller {
    pub(super) fn new(
        snapshots: Snapshots,
        assignment: watch::Receiver<Assignment>,
        target: Target,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            snapshots,
            assignment,
            target,
            shared,
            state: Arc::default(),
            clock_offset: 0,
            first_metric: 0,
            refusals: 0,
            failures: HashSet::new(),
        }
    }

    /// Queries traffic after the first listings of tunnels and gateways, and then once in each interval. Runs until the sender of
    /// assignments is dropped. New settings of traffic start with an empty state.
    pub(super) async fn run(mut self) {
        let mut before = None;
        while self.assignment.has_changed().is_ok() {
            let assignment = self.assignment.borrow_and_update().clone();
            let traffic = assignment.settings.traffic.clone();
            let settings_changed = traffic != before;
            if settings_changed {
                (self.state, self.failures) = Default::default();
            }
            self.refusals = 0;
            self.publish();
            match &traffic {
                Some(settings) => self.run_with(&assignment, settings, settings_changed).await,
                None => drop(self.assignment.changed().await),
            }
            before = traffic;
        }
    }

    /// Queries traffic at regular times, until there is a new assignment. `are_new`: whether these settings have not been used yet.
    async fn run_with(
        &mut self,
        Assignment { account, settings: target_settings }: &Assignment,
        settings: &TrafficSettings,
        mut are_new: bool,
    ) {
        let (period, interval) = (settings.period, settings.period.duration());
        let (target, shared) = (self.target.clone(), Arc::clone(&self.shared));
        let mut snapshots = self.snapshots.subscribe();
        // A new assignment can change the listings: the next ones are waited for.
        let polls = snapshots.borrow().targets.get(&target).map_or(0, |state| state.polls);
        loop {
            let generation = account.credentials_generation();
            let start = async {
                until_listed(&mut snapshots, &target, target_settings, polls).await;
                let permit = shared.permits.acquire().await.expect("the semaphore is never closed");
                (permit, until_listed(&mut snapshots, &target, target_settings, polls).await)
            };
            let Some((permit, state)) = self.until_new_assignment(period, start).await else { return };
            let start = Instant::now();
            shared.log_estimate(&snapshots.borrow(), &state, settings, std::mem::take(&mut are_new));
            if !self.query(account, settings, &state).await {
                return;
            }
            drop(permit);
            // The rate limit spreads the requests of the targets of an account, so that all of them can start at the same time.
            let next = start + interval.max(refusal_pause(interval, self.refusals));
            let is_refused = self.refusals > 0;
            // True: the credentials are new. False: the next query is due.
            let wait = async {
                tokio::select! {
                    () = sleep_until(next) => false,
                    () = account.credentials_changed(generation), if is_refused => true,
                }
            };
            match self.until_new_assignment(period, wait).await {
                Some(true) => self.refusals = 0,
                Some(false) => {}
                None => return,
            }
        }
    }

    /// Queries traffic once, and publishes the data points of each metric as soon as they are received. False: a new assignment
    /// ended the query.
    async fn query(&mut self, account: &Account, settings: &TrafficSettings, state: &TargetSnapshot) -> bool {
        self.clock_offset = state.clock_offset;
        let (period, first_metric) = (settings.period, self.first_metric);
        let time_limit = period.duration() - REST;
        let Some(mut query) = Query::new(account, settings, state, time_limit, first_metric) else {
            self.end(self.state.without_instances(), false);
            return true;
        };
        loop {
            let Some(has_more) = self.until_new_assignment(period, query.next()).await else { return false };
            self.state = Arc::new(self.state.with(query.received()));
            self.drop_old(period);
            if !has_more {
                break;
            }
            self.publish();
        }
        self.first_metric = query.completed_of_some().map_or(0, |completed| first_metric + completed);
        let result = query.result();
        let is_refused = matches!(result, Err(QueryError { is_refusal: true, .. }));
        let result = result.map_err(|error| error.failure);
        self.end(self.state.ended(result, Timestamp::now()), is_refused);
        true
    }

    /// Logs and publishes the state after a query.
    fn end(&mut self, after: TrafficSnapshot, is_refused: bool) {
        self.refusals = if is_refused { self.refusals + 1 } else { 0 };
        let is_new_failure = after.failure().is_some_and(|failure| self.failures.insert(failure.reason));
        if after.failure().is_none() {
            self.failures.clear();
        }
        log::traffic(&self.target, &self.state, &after, is_new_failure);
        self.state = Arc::new(after);
        self.publish();
    }

    /// Waits for a future, and drops data points that become too old during the wait. `None`: a new assignment came first.
    async fn until_new_assignment<T>(
        &mut self,
        period: Period,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        loop {
            let expiry = self.state.next_expiry(period.max_age()).map(|expiry| self.instant_of(expiry));
            tokio::select! {
                output = &mut future => return Some(output),
                _ = self.assignment.changed() => return None,
                () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {
                    self.drop_old(period);
                    self.publish();
                }
            }
        }
    }

    fn drop_old(&mut self, period: Period) {
        Arc::make_mut(&mut self.state).drop_old(api_time(self.clock_offset), period.max_age());
    }

    /// The time of the monotonic clock at which the API's clock has this time, in Unix seconds.
    fn instant_of(&self, time: i64) -> Instant {
        let seconds = time.saturating_sub(api_time(self.clock_offset).as_second());
        Instant::now() + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    /// Publishes the state, or none if traffic is disabled.
    fn publish(&self) {
        let is_enabled = self.assignment.borrow().settings.traffic.is_some();
        self.snapshots.publish_traffic(&self.target, is_enabled.then(|| Arc::clone(&self.state)));
    }
}

/// Waits for the first good listing of a target's tunnels, for a poll after this many others, and, if gateways are listed, for the
/// end of their first listing, good or not. Returns the present state.
async fn until_listed(
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
    target: &Target,
    settings: &Settings,
    polls: u64,
) -> Arc<TargetSnapshot> {
    let is_listed = |state: &&Arc<TargetSnapshot>| {
        let gateways_up = state.gateways.as_ref().and_then(|gateways| gateways.is_up());
        let is_polled = state.last_success.is_some() && state.polls > polls;
        is_polled && (settings.gateways_interval.is_none() || gateways_up.is_some())
    };
    let listed = |snapshot: &Snapshot| snapshot.targets.get(target).filter(is_listed).cloned();
    let snapshot = snapshots.wait_for(|snapshot| listed(snapshot).is_some()).await;
    listed(&snapshot.expect("the fleet has a sender")).expect("this was the condition")
}
