//! The targets as rows of the table, and the warnings about failed ones.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;

use super::{
    relative_time::RelativeTime,
    summary::{FailedDiscovery, PollStatus, Summary},
    text::{counted, legible, number},
};
use crate::{
    domain::reason::Reason,
    snapshot::{Failure, TargetSnapshot},
};

/// How many targets are always visible; further ones whose polls succeed are folded.
const AT_ONCE: usize = 5;
/// The most targets on the page.
const AT_MOST: usize = 300;
/// The most failed targets, or accounts without region discovery, that a warning names.
const NAMED: usize = 5;

/// The targets of a page.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    /// The number of all targets.
    pub(super) total: usize,
    pub(super) blind: usize,
    /// Accounts whose region discovery fails, those without a known region first.
    pub(super) failed_discoveries: Vec<FailedDiscoveryRow<'a>>,
    /// The number of further ones.
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
}

/// An account whose region discovery fails.
#[derive(Debug)]
pub(super) struct FailedDiscoveryRow<'a> {
    pub(super) account: Cow<'a, str>,
    pub(super) error: ErrorText<'a>,
    /// Which regions are still polled.
    pub(super) remains: String,
}

/// Why the last poll or region discovery failed.
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
        let rows = summary.targets.iter().take(AT_MOST);
        let mut shown: Vec<_> = rows.map(|(_, target)| TargetRow::of(target, now)).collect();
        let answering =
            shown.iter().position(|row| row.poll_status == PollStatus::Succeeded).unwrap_or(shown.len());
        let at_once = if shown.len() <= AT_ONCE + 2 { shown.len() } else { answering.max(AT_ONCE) };
        let folded = shown.split_off(at_once.min(shown.len()));
        Self {
            total,
            blind: summary.blind(),
            failed_discoveries: summary
                .failed_discoveries
                .iter()
                .take(NAMED)
                .map(FailedDiscoveryRow::of)
                .collect(),
            more_failed_discoveries: summary.failed_discoveries.len().saturating_sub(NAMED),
            all_waiting: summary.count_targets(PollStatus::Waiting) == total,
            omitted: total - shown.len() - folded.len(),
            shown,
            folded,
        }
    }

    /// The failed targets that the warning names.
    pub(super) fn named(&self) -> impl Iterator<Item = &TargetRow<'a>> {
        self.shown.iter().filter(|row| row.poll_status == PollStatus::Failed).take(NAMED)
    }

    /// The number of failed targets that it does not name.
    pub(super) fn unnamed(&self) -> usize {
        self.blind.saturating_sub(NAMED)
    }

    /// The warning's first words: `Blind in 1 of 3 targets`.
    pub(super) fn blindness(&self) -> String {
        format!("Blind in {} of {}", number(self.blind), counted(self.total, "target"))
    }
}

impl<'a> TargetRow<'a> {
    pub(super) fn of(target: &'a TargetSnapshot, now: Timestamp) -> Self {
        let moment = |time: Timestamp| RelativeTime::new(time, now);
        Self {
            poll_status: PollStatus::of(target),
            account: legible(target.target.account.as_str()),
            region: target.target.region.as_str(),
            last_poll: target.last_poll.as_ref().map(|poll| moment(poll.ended)),
            // A poll that is due is in progress.
            next_poll: target.next_poll.map(|time| moment(time.max(now))),
            last_success: target.last_success.map(moment),
            duration: target.last_poll.as_ref().map_or(String::new(), |poll| duration(poll.duration)),
            tunnels: target.listed_tunnels.records().map(<[_]>::len),
            stale: target.is_stale(),
            polls: target.polls,
            failures: target.failures.iter().sum(),
            error: target.failure().map(ErrorText::of),
        }
    }

    /// The outcome of its last poll, in a word or two.
    pub(super) fn word(&self) -> &'static str {
        match (self.poll_status, self.stale) {
            (PollStatus::Failed, true) => "Blind, stale",
            (PollStatus::Failed, false) => "Blind",
            (PollStatus::Waiting, _) => "Waiting",
            (PollStatus::Succeeded, _) => "Answered",
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
            PollStatus::Failed => "blind",
            PollStatus::Waiting => "waiting",
            PollStatus::Succeeded => "clear",
        }
    }

    /// The number of tunnels of its last successful poll, as text.
    pub(super) fn tunnel_count(&self) -> String {
        self.tunnels.map_or("–".to_owned(), number)
    }

    /// What the page shows of a failed target's tunnels.
    pub(super) fn remains(&self) -> String {
        match self.tunnels {
            None => "none of its tunnels was ever seen".to_owned(),
            Some(0) => "it had no tunnels".to_owned(),
            Some(count) if self.stale => {
                format!("its {} are too old to be shown", counted(count, "tunnel"))
            }
            Some(count) => format!("its {} are shown as they last were", counted(count, "tunnel")),
        }
    }
}

impl<'a> FailedDiscoveryRow<'a> {
    fn of(discovery: &FailedDiscovery<'a>) -> Self {
        let remains = match discovery.regions {
            0 => "none is known, and nothing of the account is watched".to_owned(),
            count => format!("{} known before, and kept", counted(count, "region")),
        };
        Self {
            account: legible(discovery.account.as_str()),
            error: ErrorText::of(discovery.failure),
            remains,
        }
    }
}

impl<'a> ErrorText<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self { summary: describe(failure.reason), detail: legible(&failure.message) }
    }
}

fn describe(reason: Reason) -> &'static str {
    match reason {
        Reason::Timeout => "no answer in time",
        Reason::Connection => "no connection",
        Reason::Throttled => "the API asks for fewer requests",
        Reason::ServerError => "the API failed",
        Reason::MalformedResponse => "a response that is not the API's",
        Reason::Auth => "the credentials are refused",
        Reason::Unauthorized => "the permission is missing",
        Reason::ClockSkew => "the clocks are too far apart",
        Reason::Credentials => "there are no credentials",
        Reason::UnsupportedRegion => "the region has no such product",
        Reason::Refused => "the request is refused",
    }
}

fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}
