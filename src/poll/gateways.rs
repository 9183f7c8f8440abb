//! Lists the VPN gateways and customer gateways of one target on their own schedule.
//!
//! Polls of tunnels do not wait for it: it starts after the target's first good listing, each action has its own rate limit,
//! and few targets list gateways at the same time. A change of its tunnels causes a listing at once: the alert about a tunnel
//! that goes down can name an isolated gateway, and a new tunnel has the name of its gateway.

use std::{collections::HashSet, marker::PhantomData, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    failure,
    listing::ListingReader,
    log,
    poller::{Assignment, known, refusal_pause},
    schedule::{Schedule, phase},
};
use crate::{
    domain::{filter::Filter, gateway::Gateway, reason::Reason, target::Target},
    snapshot::{
        Failure, Snapshots,
        gateways::{GatewaysSnapshot, Refreshed},
        record::Change,
    },
    tencent::{action::Service, error::ApiError, page::ListedRow},
};

/// The largest number of concurrent requests for one listing. It is small, so that requests for tunnels do not wait.
const CONCURRENT_REQUESTS: usize = 2;

/// How many targets list their gateways at the same time. With two listings each, they send at most half of the requests that
/// this process may send at the same time.
pub(super) const CONCURRENT_TARGETS: usize = 32;

/// Lists both kinds of gateways of a target once, at the same time. Each listing has the time limit of a poll. Returns the state
/// afterwards, and what changed.
pub async fn poll(
    assignment: &Assignment,
    target: &Target,
    before: &GatewaysSnapshot,
) -> (GatewaysSnapshot, Vec<Change<Gateway>>) {
    poll_some(assignment, target, before, [true; 2]).await
}

/// The same, but only the kinds that are due: gateways, customer gateways. The others stay as they were.
async fn poll_some(
    assignment: &Assignment,
    target: &Target,
    before: &GatewaysSnapshot,
    [gateways, customer_gateways]: [bool; 2],
) -> (GatewaysSnapshot, Vec<Change<Gateway>>) {
    let ((gateways, changes), (customer_gateways, _)) = tokio::join!(
        refresh(assignment, target, &before.gateways, gateways),
        refresh(assignment, target, &before.customer_gateways, customer_gateways),
    );
    let mut after = GatewaysSnapshot { gateways, customer_gateways, last_success: before.last_success };
    if after.is_up() == Some(true) {
        after.last_success = Some(Timestamp::now());
    }
    (after, changes)
}

async fn refresh<R: ListedRow>(
    assignment: &Assignment,
    target: &Target,
    before: &Refreshed<R>,
    is_due: bool,
) -> (Refreshed<R>, Vec<Change<R>>) {
    if !is_due {
        return (before.clone(), Vec::new());
    }
    let Assignment { account, settings } = assignment;
    let deadline = Instant::now() + settings.timeout;
    let filters = applicable::<R>(&settings.filters);
    let reader = ListingReader {
        account,
        region: &target.region,
        filters: &filters,
        deadline,
        tag_labels: &settings.tag_labels,
        concurrent_requests: CONCURRENT_REQUESTS,
        kind: PhantomData,
    };
    let known = known(before.listed.records().unwrap_or_default(), settings.stale_after);
    let result = timeout_at(deadline, reader.read(known)).await.unwrap_or(Err(ApiError::OutOfTime));
    match result {
        Ok(listing) => {
            log::unknown_values(target, &before.listed, &listing);
            before.succeeded(listing, Timestamp::now(), Instant::now())
        }
        Err(error) => {
            let route = account.route(Service::VPC, &target.region);
            let Failure { reason, message } =
                failure::of_poll(&error, settings.timeout, &route, R::PERMISSION);
            let failure = Failure { reason, message: format!("{}: {message}", R::ACTION) };
            (before.failed(failure), Vec::new())
        }
    }
}

/// The filters of an account that narrow the listing of these rows.
#[must_use]
pub fn applicable<R: ListedRow>(filters: &[Filter]) -> Vec<Filter> {
    filters.iter().filter(|filter| R::FILTERS.contains(&&*filter.name)).cloned().collect()
}

/// Lists the gateways of one target until it is dropped.
#[derive(Debug)]
pub(super) struct GatewayPoller {
    snapshots: Snapshots,
    assignment: watch::Receiver<Assignment>,
    target: Target,
    /// Limits how many targets list gateways at the same time.
    permits: Arc<Semaphore>,
    /// The failures of gateways and of customer gateways.
    failures: [Failures; 2],
}

/// The failures of one kind of listing since its last success.
#[derive(Debug, Default)]
struct Failures {
    reasons: HashSet<Reason>,
    /// How many listings in a row were refused with the same settings and the same generation of credentials.
    refusals: u32,
    /// After refusals: when the next listing may start.
    not_before: Option<Instant>,
}

impl Failures {
    /// Adds the result of a listing that started at this time. Returns whether it failed for a new reason.
    fn add(&mut self, failure: Option<&Failure>, start: Instant, interval: Duration) -> bool {
        let Some(failure) = failure else {
            *self = Self::default();
            return false;
        };
        self.refusals = if failure.reason.is_refusal_of_identity() { self.refusals + 1 } else { 0 };
        self.not_before = Some(start + refusal_pause(interval, self.refusals));
        self.reasons.insert(failure.reason)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|not_before| not_before <= now)
    }

    /// Forgets the refusals: the settings or the credentials are new.
    fn retry(&mut self) {
        (self.refusals, self.not_before) = (0, None);
    }
}

impl GatewayPoller {
    pub(super) fn new(
        snapshots: Snapshots,
        assignment: watch::Receiver<Assignment>,
        target: Target,
        permits: Arc<Semaphore>,
    ) -> Self {
        Self { snapshots, assignment, target, permits, failures: Default::default() }
    }

    /// Lists gateways from the first notification on, at regular times and after each further notification. Runs until the sender
    /// of assignments is dropped.
    pub(super) async fn run(mut self, notifications: Arc<Notify>) {
        let schedule_start = Instant::now();
        let mut state = Arc::default();
        self.publish(&state);
        notifications.notified().await;
        while self.assignment.has_changed().is_ok() {
            let assignment = self.assignment.borrow_and_update().clone();
            let Some(interval) = assignment.settings.gateways_interval else {
                (state, self.failures) = Default::default();
                self.publish(&state);
                let _ = self.assignment.changed().await;
                continue;
            };
            let generation = assignment.account.credentials_generation();
            let start = Instant::now();
            let due = self.failures.each_ref().map(|failures| failures.is_due(start));
            let poll = async {
                let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
                poll_some(&assignment, &self.target, &state, due).await
            };
            let (after, changes) = tokio::select! {
                polled = poll => polled,
                _ = self.assignment.changed() => {
                    self.failures.iter_mut().for_each(Failures::retry);
                    continue;
                }
            };
            let is_new_failure = self.add_failures(&after, due, start, interval);
            log::gateways(&self.target, &state, &after, &changes, is_new_failure);
            state = Arc::new(after);
            Arc::make_mut(&mut state).expire(Instant::now(), assignment.settings.stale_after);
            self.publish(&state);
            let next = Schedule::new(schedule_start, interval, phase(&self.target)).next(Instant::now());
            self.wait(&assignment, generation, next, &notifications, &mut state).await;
        }
    }

    /// Waits until the next listing is due, and hides rows that become stale. It ends early with a notification, with a new
    /// assignment, and with new credentials after a refusal.
    async fn wait(
        &mut self,
        assignment: &Assignment,
        generation: u64,
        next: Instant,
        notifications: &Notify,
        state: &mut Arc<GatewaysSnapshot>,
    ) {
        let is_refused = self.failures.iter().any(|failures| failures.refusals > 0);
        let stale_after = assignment.settings.stale_after;
        loop {
            let expiry = state.next_expiry(stale_after);
            tokio::select! {
                () = sleep_until(next) => return,
                () = notifications.notified() => return,
                () = assignment.account.credentials_changed(generation), if is_refused => break,
                _ = self.assignment.changed() => break,
                () = sleep_until(expiry.unwrap_or(next)), if expiry.is_some() => {
                    Arc::make_mut(state).expire(Instant::now(), stale_after);
                    self.publish(state);
                }
            }
        }
        self.failures.iter_mut().for_each(Failures::retry);
    }

    /// Adds the results of the listings that were due. Returns whether one failed for a new reason.
    fn add_failures(
        &mut self,
        state: &GatewaysSnapshot,
        due: [bool; 2],
        start: Instant,
        interval: Duration,
    ) -> bool {
        let results = [state.gateways.failure(), state.customer_gateways.failure()];
        let listed = self.failures.iter_mut().zip(results).zip(due).filter(|(_, due)| *due);
        listed.fold(false, |is_new, ((failures, result), _)| failures.add(result, start, interval) || is_new)
    }

    /// Publishes the state, or none if gateways are disabled.
    fn publish(&self, state: &Arc<GatewaysSnapshot>) {
        let is_enabled = self.assignment.borrow().settings.gateways_interval.is_some();
        self.snapshots.publish_gateways(&self.target, is_enabled.then(|| Arc::clone(state)));
    }
}
