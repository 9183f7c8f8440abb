//! The targets as rows of the table, and the warnings about failed ones.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;

use super::{
    relative_time::RelativeTime,
    summary::{FailedDiscovery, PollStatus, Summary},
    text::{counted, escape_invisible},
};
use crate::{
    domain::{display::number, reason::Reason},
    snapshot::{Failure, TargetSnapshot},
};

/// The number of targets that are always visible; further ones whose polls succeed are folded.
const MIN_VISIBLE_TARGETS: usize = 5;
/// The maximum number of targets on the page.
const MAX_TARGETS: usize = 300;
/// The maximum number of failed targets, accounts with failed region discovery, or broken gateways that a warning names.
pub(super) const MAX_NAMED: usize = 5;

/// The targets of a page.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    /// The number of all targets.
    pub(super) total: usize,
    /// The number of targets whose last poll failed.
    pub(super) failing: usize,
    /// Accounts whose region discovery fails; accounts without known regions first.
    pub(super) failed_discoveries: Vec<FailedDiscoveryRow<'a>>,
    /// The number of further accounts whose region discovery fails.
    pub(super) more_failed_discoveries: usize,
    /// Whether no target's first poll has finished.
    pub(super) all_waiting: bool,
    /// The visible rows, all failed targets among them.
    pub(super) shown: Vec<TargetRow<'a>>,
    /// The folded rows.
    pub(super) folded: Vec<TargetRow<'a>>,
    /// The number of targets without a row.
    pub(super) omitted: usize,
}

/// A target.
#[derive(Debug)]
pub(super) struct TargetRow<'a> {
    pub(super) poll_status: PollStatus,
    pub(super) account: Cow<'a, str>,
    pub(super) region: &'a str,
    pub(super) last_poll: Option<RelativeTime>,
    pub(super) next_poll: Option<RelativeTime>,
    /// When the last successful poll ended.
    pub(super) last_success: Option<RelativeTime>,
    pub(super) duration: String,
    /// The tunnels of the last successful poll; `None` before the first.
    tunnels: Option<usize>,
    pub(super) stale: bool,
    pub(super) polls: u64,
    pub(super) failures: u64,
    pub(super) error: Option<ErrorText<'a>>,
    /// What else cannot be listed, and why.
    pub(super) notes: Vec<Note<'a>>,
}

/// A listing of gateways or a query of traffic that failed. It is not a failure of the target.
#[derive(Debug)]
pub(super) struct Note<'a> {
    /// What failed: `gateways cannot be listed`.
    pub(super) problem: &'static str,
    pub(super) error: ErrorText<'a>,
}

/// An account whose region discovery fails.
#[derive(Debug)]
pub(super) struct FailedDiscoveryRow<'a> {
    pub(super) account: Cow<'a, str>,
    pub(super) error: ErrorText<'a>,
    /// A text about the regions that are still polled.
    pub(super) remaining_data: String,
}

/// The error of the last poll or region discovery.
#[derive(Debug)]
pub(super) struct ErrorText<'a> {
    /// A short description.
    pub(super) summary: &'static str,
    /// The message of the API or of the system.
    pub(super) detail: Cow<'a, str>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(summary: &Summary<'a>, now: Timestamp) -> Self {
        let total = summary.targets.len();
        let rows = summary.targets.iter().take(MAX_TARGETS);
        let mut shown: Vec<_> = rows.map(|(_, target)| TargetRow::of(target, now)).collect();
        let failed_or_waiting =
            shown.iter().position(|row| row.poll_status == PollStatus::Succeeded).unwrap_or(shown.len());
        let visible = if shown.len() <= MIN_VISIBLE_TARGETS + 2 {
            shown.len()
        } else {
            failed_or_waiting.max(MIN_VISIBLE_TARGETS)
        };
        let folded = shown.split_off(visible.min(shown.len()));
        Self {
            total,
            failing: summary.failing_targets(),
            failed_discoveries: summary
                .failed_discoveries
                .iter()
                .take(MAX_NAMED)
                .map(FailedDiscoveryRow::of)
                .collect(),
            more_failed_discoveries: summary.failed_discoveries.len().saturating_sub(MAX_NAMED),
            all_waiting: summary.count_targets(PollStatus::Waiting) == total,
            omitted: total - shown.len() - folded.len(),
            shown,
            folded,
        }
    }

    /// The failed targets that the warning names.
    pub(super) fn named(&self) -> impl Iterator<Item = &TargetRow<'a>> {
        self.shown.iter().filter(|row| row.poll_status == PollStatus::Failed).take(MAX_NAMED)
    }

    /// The number of failed targets that the warning does not name.
    pub(super) fn unnamed(&self) -> usize {
        self.failing.saturating_sub(MAX_NAMED)
    }

    /// The warning's first words: `Polls fail for 1 of 3 targets`.
    pub(super) fn warning(&self) -> String {
        format!("Polls fail for {} of {}", number(self.failing), counted(self.total, "target"))
    }
}

impl<'a> TargetRow<'a> {
    pub(super) fn of(target: &'a TargetSnapshot, now: Timestamp) -> Self {
        let relative = |time: Timestamp| RelativeTime::new(time, now);
        Self {
            poll_status: PollStatus::of(target),
            account: escape_invisible(target.target.account.as_str()),
            region: target.target.region.as_str(),
            last_poll: target.last_poll.as_ref().map(|poll| relative(poll.ended)),
            // If the next poll is overdue, it is running now.
            next_poll: target.next_poll.map(|time| relative(time.max(now))),
            last_success: target.last_success.map(relative),
            duration: target.last_poll.as_ref().map_or(String::new(), |poll| duration(poll.duration)),
            tunnels: target.listed_tunnels.records().map(<[_]>::len),
            stale: target.is_stale(),
            polls: target.polls,
            failures: target.failures.iter().sum(),
            error: target.failure().map(ErrorText::of),
            notes: notes(target),
        }
    }

    /// The outcome of its last poll, in a word.
    pub(super) fn word(&self) -> &'static str {
        match self.poll_status {
            PollStatus::Failed => "Failing",
            PollStatus::Waiting => "Waiting",
            PollStatus::Succeeded => "Working",
        }
    }

    pub(super) fn shape(&self) -> &'static str {
        match self.poll_status {
            PollStatus::Failed => "✕",
            PollStatus::Waiting => "◌",
            PollStatus::Succeeded => "●",
        }
    }

    pub(super) fn slug(&self) -> &'static str {
        match self.poll_status {
            PollStatus::Failed => "failing",
            PollStatus::Waiting => "waiting",
            PollStatus::Succeeded => "working",
        }
    }

    /// The number of tunnels of its last successful poll, as text.
    pub(super) fn tunnel_count(&self) -> String {
        self.tunnels.map_or("–".to_owned(), number)
    }

    /// A text about the tunnels of a failed target.
    pub(super) fn remaining_data(&self) -> String {
        match self.tunnels {
            None => "its tunnels are not known".to_owned(),
            Some(0) => "it had no tunnels".to_owned(),
            Some(count) if self.stale => {
                format!("its {} are hidden, because their status is too old", counted(count, "tunnel"))
            }
            Some(count) => format!("its {} are shown with their last known status", counted(count, "tunnel")),
        }
    }
}

fn notes(target: &TargetSnapshot) -> Vec<Note<'_>> {
    let (gateways, traffic) = (target.gateways.as_deref(), target.traffic.as_deref());
    let failures = [
        ("gateways cannot be listed", gateways.and_then(|gateways| gateways.gateways.failure())),
        (
            "customer gateways cannot be listed",
            gateways.and_then(|gateways| gateways.customer_gateways.failure()),
        ),
        ("traffic cannot be queried", traffic.and_then(|traffic| traffic.failure())),
    ];
    let note = |(problem, failure)| Some(Note { problem, error: ErrorText::of(failure?) });
    failures.into_iter().filter_map(note).collect()
}

impl<'a> FailedDiscoveryRow<'a> {
    fn of(discovery: &FailedDiscovery<'a>) -> Self {
        let remaining_data = match discovery.regions {
            0 => "no region is known, so no tunnel of this account is polled".to_owned(),
            count => format!("the {} of the last discovery are kept", counted(count, "region")),
        };
        Self {
            account: escape_invisible(discovery.account.as_str()),
            error: ErrorText::of(discovery.failure),
            remaining_data,
        }
    }
}

impl<'a> ErrorText<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self { summary: describe(failure.reason), detail: escape_invisible(&failure.message) }
    }
}

fn describe(reason: Reason) -> &'static str {
    match reason {
        Reason::Timeout => "no response in time",
        Reason::Connection => "no connection",
        Reason::Throttled => "the API throttles requests",
        Reason::ServerError => "the API failed",
        Reason::MalformedResponse => "malformed response",
        Reason::Auth => "the credentials are refused",
        Reason::Unauthorized => "the permission is missing",
        Reason::ClockSkew => "clock difference too large",
        Reason::Credentials => "there are no credentials",
        Reason::UnsupportedRegion => "the region has no VPN",
        Reason::Refused => "the request is refused",
    }
}

fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}
