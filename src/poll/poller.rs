//! One target's polls, one after another, and what becomes of its tunnels between them.

use std::{collections::HashSet, pin::pin, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    TargetApi, failure,
    listing::{Outcome, Reader},
    schedule::{Schedule, phase},
};
use crate::{
    domain::{Listing, Reason, Standing, StatusField, TagLabel},
    snapshot::{Failure, Poll, Snapshots, TargetSnapshot, tunnel_record::Change},
    tencent::{
        ApiError,
        vpn::{Filter, PERMISSION},
    },
};

/// The longest pause after refused credentials.
const MAX_REFUSAL_PAUSE: Duration = Duration::from_mins(10);

/// How one target is polled.
#[derive(Debug)]
pub struct Settings {
    /// The API, as it is called for this target.
    pub api: TargetApi,
    /// What narrows the listing.
    pub filters: Vec<Filter>,
    /// From one poll to the next.
    pub interval: Duration,
    /// For one poll, retries included.
    pub timeout: Duration,
    /// How long the last good tunnels stay published while polls fail.
    pub stale_after: Duration,
    /// Whether the region was found by a look-up, and not named: that it has no VPN is then nothing to warn of.
    pub discovered: bool,
    /// The tags to keep of each tunnel.
    pub tag_labels: Vec<TagLabel>,
}

/// Polls a target once: its state afterwards, and what the poll changed.
pub async fn poll(settings: &Settings, before: &TargetSnapshot) -> (TargetSnapshot, Vec<Change>) {
    let start = Instant::now();
    let deadline = start + settings.timeout;
    let stale_after = SignedDuration::try_from(settings.stale_after).unwrap_or(SignedDuration::MAX);
    let reader = Reader {
        api: &settings.api,
        filters: &settings.filters,
        tag_labels: &settings.tag_labels,
        deadline,
        doubt_limit: Timestamp::now().checked_sub(stale_after).unwrap_or(Timestamp::MIN),
    };
    // Also tunnels that are too old to be shown are looked for: their past goes on if they still live.
    let result = timeout_at(deadline, reader.read(before.listed().unwrap_or_default())).await;
    let ended = Timestamp::now();
    let duration = start.elapsed();
    settings.api.account.telemetry.poll_duration.observe(duration.as_secs_f64());
    let (mut after, changes) = match result {
        Ok(Ok(Outcome { listing, inconsistent })) => {
            log_new_values(before, &listing);
            let (mut after, changes) = before.succeeded(listing, ended, duration);
            after.inconsistencies += u64::from(inconsistent);
            (after, changes)
        }
        Err(_) | Ok(Err(ApiError::OutOfTime)) => {
            let failure = failure::deadline_passed(settings.timeout);
            (before.failed(failure, ended, duration), Vec::new())
        }
        Ok(Err(error)) => {
            let failure = failure::from_error(&error, &settings.api.route(), PERMISSION);
            (before.failed(failure, ended, duration), Vec::new())
        }
    };
    after.clock_offset = settings.api.clock_offset();
    (after, changes)
}

/// Polls one target until it is dropped.
#[derive(Debug)]
pub(super) struct Poller {
    snapshots: Snapshots,
    settings: watch::Receiver<Arc<Settings>>,
    state: Arc<TargetSnapshot>,
    /// When the last good poll ended, by a clock that nobody sets.
    last_success: Option<Instant>,
    /// How many polls in a row were refused for who we are, by the same settings and credentials.
    refusals: u32,
    /// Why polls failed since one succeeded.
    failures: HashSet<Reason>,
}

impl Poller {
    pub(super) fn new(
        snapshots: Snapshots,
        settings: watch::Receiver<Arc<Settings>>,
        state: Arc<TargetSnapshot>,
    ) -> Self {
        Self { snapshots, settings, state, last_success: None, refusals: 0, failures: HashSet::new() }
    }

    /// Runs until the settings sender is dropped.
    pub(super) async fn run(mut self) {
        let start = Instant::now();
        while self.settings.has_changed().is_ok() {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            let before = Arc::clone(&self.state);
            let Some((after, changes)) = self.meanwhile(&settings, poll(&settings, &before)).await else {
                self.refusals = 0;
                continue;
            };
            self.accept(&before, after, &changes, settings.discovered);
            let pause = refusal_pause(settings.interval, self.refusals);
            let schedule = Schedule::new(start, settings.interval, phase(&self.state.target));
            let next = schedule.next(Instant::now() + pause.saturating_sub(settings.interval));
            self.publish(next);
            let wait = self.meanwhile(&settings, due(&settings, next, self.refusals > 0));
            if wait.await != Some(Wake::Schedule) {
                self.refusals = 0;
            }
        }
    }

    /// Waits for an event, and lets the tunnels go if they become stale meanwhile. `None`: other settings came before it.
    async fn meanwhile<T>(&mut self, settings: &Settings, event: impl Future<Output = T>) -> Option<T> {
        let mut event = pin!(event);
        loop {
            let expiry = self.expiry(settings.stale_after);
            tokio::select! {
                output = &mut event => return Some(output),
                _ = self.settings.changed() => return None,
                () = sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => {
                    self.expire(settings.stale_after);
                }
            }
        }
    }

    /// Takes in what a poll came to.
    fn accept(
        &mut self,
        before: &TargetSnapshot,
        after: TargetSnapshot,
        changes: &[Change],
        discovered: bool,
    ) {
        let failure = after.failure();
        let refused = failure.is_some_and(|failure| failure.reason.is_refusal_of_identity());
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        // Tunnels that went while the poll was under way do not come back by its failure.
        let went = self.state.is_stale() && failure.is_some();
        let is_new = failure.is_some_and(|failure| self.failures.insert(failure.reason));
        if failure.is_none() {
            self.last_success = Some(Instant::now());
            self.failures.clear();
        }
        self.state = Arc::new(if went { after.expired() } else { after });
        log(before, &self.state, changes, is_new && !(discovered && self.state.is_without_vpn()));
    }

    /// Publishes the state together with the moment of the next poll.
    fn publish(&mut self, next: Instant) {
        let wait = SignedDuration::try_from(next - Instant::now()).unwrap_or(SignedDuration::MAX);
        Arc::make_mut(&mut self.state).next_poll = Timestamp::now().checked_add(wait).ok();
        self.snapshots.publish(Arc::clone(&self.state));
    }

    /// When the tunnels become stale: only while polls fail, and only if there are tunnels to let go.
    fn expiry(&self, stale_after: Duration) -> Option<Instant> {
        let failing = self.state.failure().is_some();
        let due = self.last_success? + stale_after;
        (failing && !self.state.is_stale()).then_some(due)
    }

    fn expire(&mut self, stale_after: Duration) {
        tracing::warn!(
            account = %self.state.target.account, region = %self.state.target.region,
            tunnels = self.state.tunnels().len(), stale_after = %humantime::format_duration(stale_after),
            "tunnels are no longer shown: no poll succeeded for too long"
        );
        self.state = Arc::new(self.state.expired());
        self.snapshots.publish(Arc::clone(&self.state));
    }
}

/// Why the next poll is wanted.
#[derive(Debug, PartialEq)]
enum Wake {
    Schedule,
    Credentials,
}

/// Waits until the next poll is wanted: after a refusal also as soon as there are other credentials than were refused.
async fn due(settings: &Settings, next: Instant, refused: bool) -> Wake {
    tokio::select! {
        () = sleep_until(next) => Wake::Schedule,
        () = settings.api.credentials_changed(), if refused => Wake::Credentials,
    }
}

/// How long after a poll the next one is due: twice as long after each refusal in a row, up to ten minutes; nothing without
/// one, where the interval is all that counts.
fn refusal_pause(interval: Duration, refusals: u32) -> Duration {
    match refusals.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            interval.saturating_mul(factor).min(MAX_REFUSAL_PAUSE)
        }
    }
}

/// Says of each status once that it came with a value that is new to us, and which.
fn log_new_values(before: &TargetSnapshot, listing: &Listing) {
    for field in StatusField::ALL.into_iter().filter(|&field| before.unknown_values[field as usize] == 0) {
        if let Some(new) = listing.unknown_values.iter().find(|new| new.field == field) {
            tracing::warn!(
                account = %before.target.account, region = %before.target.region, field = field.as_str(),
                value = %new.value, "a value that is new to this exporter; it reads UNKNOWN"
            );
        }
    }
}

/// Logs once what a poll changed. A failure is logged if it is of a new kind since the last success. `App` logs that a
/// discovered region has no VPN.
fn log(before: &TargetSnapshot, after: &TargetSnapshot, changes: &[Change], new_failure: bool) {
    let (account, region) = (&after.target.account, &after.target.region);
    match (before.failure(), after.failure()) {
        (_, Some(now)) if new_failure => log_failure(after, now),
        (_, Some(now)) => tracing::debug!(
            %account, %region, reason = now.reason.as_str(), error = %now.message, "poll failed again"
        ),
        (Some(_), None) => tracing::info!(%account, %region, "polls succeed again"),
        (None, None) => {}
    }
    if let Some(Poll { failure: None, duration, .. }) = &after.last_poll {
        tracing::debug!(%account, %region, tunnels = after.tunnels().len(), ?duration, "polled");
    }
    if after.inconsistencies > before.inconsistencies {
        tracing::debug!(%account, %region, "pages disagreed with each other; the listing was read again");
    }
    if before.rows_without_id == 0 && after.rows_without_id > 0 {
        tracing::warn!(%account, %region, "rows without a usable id are skipped; a tunnel that may be such a row reads UNKNOWN");
    }
    if before.listed().is_none() && after.listed().is_some() {
        log_first_listing(after);
    }
    for change in changes {
        log_change(after, change);
    }
}

fn log_failure(state: &TargetSnapshot, failure: &Failure) {
    let what = match state.tunnels() {
        [] => "poll failed",
        _ => "poll failed; the last good tunnels stay until they are stale",
    };
    tracing::warn!(
        account = %state.target.account, region = %state.target.region,
        reason = failure.reason.as_str(), error = %failure.message, "{what}"
    );
}

fn log_first_listing(state: &TargetSnapshot) {
    let tunnels = || state.tunnels().iter().map(|record| Standing::of(&record.tunnel));
    let count = |standing| tunnels().filter(|own| *own == standing).count();
    tracing::info!(
        account = %state.target.account, region = %state.target.region, tunnels = state.tunnels().len(),
        up = count(Standing::Up), down = count(Standing::Down), unknown = count(Standing::Unknown), idle = count(Standing::Idle),
        "first listing"
    );
}

fn log_change(state: &TargetSnapshot, change: &Change) {
    let (record, what, statuses) = match change {
        Change::Appeared(record) => (record, "appeared", String::new()),
        Change::Disappeared(record) => (record, "disappeared", String::new()),
        Change::Changed { record, statuses } => {
            let each = statuses.iter().map(|(field, from, to)| format!("{} {from} -> {to}", field.as_str()));
            (record, "changed", format!(": {}", each.collect::<Vec<_>>().join(", ")))
        }
    };
    let tunnel = &record.tunnel;
    tracing::info!(
        account = %state.target.account, region = %state.target.region,
        vpn_gateway_id = &*tunnel.vpn_gateway_id, vpn_connection_id = %tunnel.id, name = &*tunnel.name,
        "tunnel {what}{statuses}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_slow_polls_down_to_one_in_ten_minutes() {
        let minute = Duration::from_mins(1);
        let pauses: Vec<u64> = (0..8).map(|refusals| refusal_pause(minute, refusals).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 60, 120, 240, 480, 600, 600]);
        assert_eq!(refusal_pause(minute, u32::MAX), MAX_REFUSAL_PAUSE);
    }
}
