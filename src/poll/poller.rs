//! Polls one target on its schedule, and keeps its tunnels between the polls.

use std::{collections::HashSet, marker::PhantomData, pin::pin, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    failure,
    listing::{CONCURRENT_REQUESTS, Known, ListingReader},
    log,
    schedule::{Schedule, phase},
};
use crate::{
    domain::{filter::Filter, reason::Reason, tag_label::TagLabel, traffic::TrafficSettings, tunnel::Tunnel},
    snapshot::{
        Snapshots, TargetSnapshot,
        record::{Change, Record},
    },
    tencent::{
        account::Account, action::Service, describe_vpn_connections::DescribeVpnConnections, error::ApiError,
        page::ListedRow,
    },
};

/// The longest pause after refused credentials.
const MAX_REFUSAL_PAUSE: Duration = Duration::from_mins(10);

/// How one target is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The filters of the listing.
    pub filters: Vec<Filter>,
    /// The time from one poll to the next.
    pub interval: Duration,
    /// The time limit for one poll, retries included.
    pub timeout: Duration,
    /// How long the last good tunnels stay published while polls fail.
    pub stale_after: Duration,
    /// Whether the region was discovered, and not configured by name. A discovered region without VPN is not an error.
    pub discovered: bool,
    /// The tags to keep of each tunnel and gateway.
    pub tag_labels: Vec<TagLabel>,
    /// The time from one listing of the target's gateways to the next. `None`: gateways are not listed.
    pub gateways_interval: Option<Duration>,
    /// Which traffic is queried. `None`: none.
    pub traffic: Option<TrafficSettings>,
}

/// What a poller works with: the account to call, and the settings.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The API as called for the target's account.
    pub account: Arc<Account>,
    /// How the target is polled.
    pub settings: Settings,
}

impl PartialEq for Assignment {
    /// Accounts are compared by their settings.
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && self.account.settings() == other.account.settings()
    }
}

/// Polls a target once. Returns its state afterwards, and what the poll changed.
pub async fn poll(assignment: &Assignment, before: &TargetSnapshot) -> (TargetSnapshot, Vec<Change<Tunnel>>) {
    let Assignment { account, settings } = assignment;
    let region = &before.target.region;
    let start = Instant::now();
    let deadline = start + settings.timeout;
    let reader = ListingReader {
        account,
        region,
        filters: &settings.filters,
        deadline,
        tag_labels: &settings.tag_labels,
        concurrent_requests: CONCURRENT_REQUESTS,
        kind: PhantomData,
    };
    // Stale tunnels are queried by id too: their history continues if they still exist.
    let known = known(before.listed_tunnels.records().unwrap_or_default(), settings.stale_after);
    let result = timeout_at(deadline, reader.read(known)).await.unwrap_or(Err(ApiError::OutOfTime));
    let ended = Timestamp::now();
    let duration = start.elapsed();
    account.telemetry().poll_duration.observe(duration.as_secs_f64());
    let (mut after, changes) = match result {
        Ok(listing) => {
            log::unknown_values(&before.target, &before.listed_tunnels, &listing);
            before.succeeded(listing, ended, duration)
        }
        Err(error) => {
            let route = account.route(Service::VPC, region);
            let failure = failure::of_poll(&error, settings.timeout, &route, Tunnel::PERMISSION);
            (before.failed(failure, ended, duration), Vec::new())
        }
    };
    after.clock_offset = account.clock_offset::<DescribeVpnConnections<'_>>(region);
    (after, changes)
}

/// The rows of the last listing. A row can be in doubt for at most `stale_after`.
pub(super) fn known<R: ListedRow>(listed: &[Arc<Record<R>>], stale_after: Duration) -> Known<'_, R> {
    let stale_after = SignedDuration::try_from(stale_after).unwrap_or(SignedDuration::MAX);
    let limit = Timestamp::now().checked_sub(stale_after).unwrap_or(Timestamp::MIN);
    let is_in_doubt_too_long =
        |record: &&Arc<Record<R>>| record.in_doubt_since.is_some_and(|since| since <= limit);
    Known {
        rows: listed.iter().map(|record| &record.row).collect(),
        in_doubt_too_long: listed.iter().filter(is_in_doubt_too_long).map(|record| record.row.id()).collect(),
    }
}

/// Polls one target until it is dropped.
#[derive(Debug)]
pub(super) struct Poller {
    snapshots: Snapshots,
    assignment: watch::Receiver<Assignment>,
    state: Arc<TargetSnapshot>,
    /// When the last good poll ended, by the monotonic clock.
    last_success: Option<Instant>,
    /// How many polls in a row were refused with the same settings and the same generation of credentials.
    refusals: u32,
    /// The reasons of all failures since the last success.
    failures: HashSet<Reason>,
    /// Starts a listing of the target's gateways: after the first good listing of tunnels, and when tunnels changed.
    list_gateways: Arc<Notify>,
}

impl Poller {
    pub(super) fn new(
        snapshots: Snapshots,
        assignment: watch::Receiver<Assignment>,
        state: Arc<TargetSnapshot>,
        list_gateways: Arc<Notify>,
    ) -> Self {
        Self {
            snapshots,
            assignment,
            state,
            last_success: None,
            refusals: 0,
            failures: HashSet::new(),
            list_gateways,
        }
    }

    /// Polls until the sender of assignments is dropped. A new assignment ends the poll or the wait, and is used at once.
    pub(super) async fn run(mut self) {
        let start = Instant::now();
        while self.assignment.has_changed().is_ok() {
            let assignment = self.assignment.borrow_and_update().clone();
            let Assignment { account, settings } = &assignment;
            let credentials = account.credentials_generation();
            let before = Arc::clone(&self.state);
            let poll = poll(&assignment, &before);
            let Some((after, changes)) = self.until_new_assignment(settings.stale_after, poll).await else {
                self.refusals = 0;
                continue;
            };
            self.apply(&before, after, &changes, settings.discovered);
            let pause = refusal_pause(settings.interval, self.refusals);
            let schedule = Schedule::new(start, settings.interval, phase(&self.state.target));
            // The schedule itself waits for up to one interval, so only the rest of the pause is added.
            let next = schedule.next(Instant::now() + pause.saturating_sub(settings.interval));
            self.publish(next);
            let is_first = before.last_success.is_none() && self.state.last_success.is_some();
            if is_first || !changes.is_empty() {
                self.list_gateways.notify_one();
            }
            let is_refused = self.refusals > 0;
            // True: the credentials are new. False: the next poll is due.
            let wait = async {
                tokio::select! {
                    () = sleep_until(next) => false,
                    () = account.credentials_changed(credentials), if is_refused => true,
                }
            };
            if self.until_new_assignment(settings.stale_after, wait).await != Some(false) {
                self.refusals = 0;
            }
        }
    }

    /// Waits for a future, and hides the tunnels if they become stale during the wait. `None`: a new assignment came first.
    async fn until_new_assignment<T>(
        &mut self,
        stale_after: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        loop {
            let expiry = self.expiry(stale_after);
            tokio::select! {
                output = &mut future => return Some(output),
                _ = self.assignment.changed() => return None,
                () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {
                    self.expire(stale_after);
                }
            }
        }
    }

    /// Applies the result of a poll.
    fn apply(
        &mut self,
        before: &TargetSnapshot,
        after: TargetSnapshot,
        changes: &[Change<Tunnel>],
        discovered: bool,
    ) {
        let failure = after.failure();
        let refused = failure.is_some_and(|failure| failure.reason.is_refusal_of_identity());
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        // Tunnels that became stale during the poll do not come back when it fails.
        let became_stale = self.state.is_stale() && failure.is_some();
        let is_new = failure.is_some_and(|failure| self.failures.insert(failure.reason));
        if failure.is_none() {
            self.last_success = Some(Instant::now());
            self.failures.clear();
        }
        self.state = Arc::new(if became_stale { after.expired() } else { after });
        log::poll(before, &self.state, changes, is_new && !(discovered && self.state.is_without_vpn()));
    }

    /// Publishes the state and the time of the next poll.
    fn publish(&mut self, next: Instant) {
        let wait = SignedDuration::try_from(next - Instant::now()).unwrap_or(SignedDuration::MAX);
        Arc::make_mut(&mut self.state).next_poll = Timestamp::now().checked_add(wait).ok();
        self.snapshots.publish(Arc::clone(&self.state));
    }

    /// When the tunnels become stale. `None`: the last poll succeeded, or no tunnels are shown.
    fn expiry(&self, stale_after: Duration) -> Option<Instant> {
        let is_failing = self.state.failure().is_some();
        let expiry = self.last_success? + stale_after;
        (is_failing && !self.state.is_stale()).then_some(expiry)
    }

    fn expire(&mut self, stale_after: Duration) {
        tracing::warn!(
            account = %self.state.target.account, region = %self.state.target.region,
            tunnels = self.state.tunnels().len(), stale_after = %humantime::format_duration(stale_after),
            "tunnels are stale and no longer published"
        );
        self.state = Arc::new(self.state.expired());
        self.snapshots.publish(Arc::clone(&self.state));
    }
}

/// The shortest pause after a poll. The first refusal changes nothing. After the second the pause is one interval, and it
/// doubles with each further one, up to ten minutes.
pub(super) fn refusal_pause(interval: Duration, refusals: u32) -> Duration {
    match refusals.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            interval.saturating_mul(factor).min(MAX_REFUSAL_PAUSE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_polls_wait_at_most_ten_minutes() {
        let minute = Duration::from_mins(1);
        let pauses: Vec<u64> = (0..8).map(|refusals| refusal_pause(minute, refusals).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 60, 120, 240, 480, 600, 600]);
        assert_eq!(refusal_pause(minute, u32::MAX), MAX_REFUSAL_PAUSE);
    }
}
