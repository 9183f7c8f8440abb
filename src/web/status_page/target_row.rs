//! The targets, as rows of a table: who answers, who does not, and why.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;

use super::{
    moment::Moment,
    summary::{Sight, Summary},
    text::{counted, legible, number},
};
use crate::{
    domain::{reason::Reason, target::AccountName},
    snapshot::{FailedLookUp, Failure, TargetSnapshot},
};

/// How many targets are shown at once; of those that answer, the others wait behind a line that unfolds.
const AT_ONCE: usize = 5;
/// How many targets are shown at all: a page is to be read, not to be weighed.
const AT_MOST: usize = 300;
/// How many blind targets, or accounts whose regions cannot be looked up, a warning names.
const NAMED: usize = 5;

/// The targets of a page.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    /// How many targets there are.
    pub(super) total: usize,
    pub(super) blind: usize,
    /// Accounts whose regions cannot be looked up, those of which nothing is known first.
    pub(super) look_ups: Vec<LookUpRow<'a>>,
    /// How many more of them there are.
    pub(super) more_look_ups: usize,
    /// Whether no poll of any target has ended.
    pub(super) all_waiting: bool,
    /// The rows that are always shown: every blind one among them.
    pub(super) shown: Vec<TargetRow<'a>>,
    /// The rows that unfold.
    pub(super) folded: Vec<TargetRow<'a>>,
    /// How many targets have no row.
    pub(super) omitted: usize,
}

/// A target.
#[derive(Debug)]
pub(super) struct TargetRow<'a> {
    pub(super) sight: Sight,
    pub(super) account: Cow<'a, str>,
    pub(super) region: &'a str,
    pub(super) last_poll: Option<Moment>,
    pub(super) next_poll: Option<Moment>,
    /// When the last good poll ended.
    pub(super) last_success: Option<Moment>,
    pub(super) duration: String,
    /// What the last good listing had; `None` before there was one.
    tunnels: Option<usize>,
    pub(super) stale: bool,
    pub(super) polls: u64,
    pub(super) failures: u64,
    pub(super) error: Option<ErrorWords<'a>>,
}

/// An account whose regions cannot be looked up.
#[derive(Debug)]
pub(super) struct LookUpRow<'a> {
    pub(super) account: Cow<'a, str>,
    pub(super) error: ErrorWords<'a>,
    /// What is polled all the same.
    pub(super) remains: String,
}

/// Why the last poll, or look-up, failed.
#[derive(Debug)]
pub(super) struct ErrorWords<'a> {
    /// In our words.
    pub(super) summary: &'static str,
    /// In the words of the API or of the system.
    pub(super) detail: Cow<'a, str>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(summary: &Summary<'a>, now: Timestamp) -> Self {
        let total = summary.targets.len();
        let rows = summary.targets.iter().take(AT_MOST);
        let mut shown: Vec<_> = rows.map(|(_, target)| TargetRow::of(target, now)).collect();
        let answering = shown.iter().position(|row| row.sight == Sight::Clear).unwrap_or(shown.len());
        let at_once = if shown.len() <= AT_ONCE + 2 { shown.len() } else { answering.max(AT_ONCE) };
        let folded = shown.split_off(at_once.min(shown.len()));
        Self {
            total,
            blind: summary.blind(),
            look_ups: summary.look_ups.iter().take(NAMED).map(LookUpRow::of).collect(),
            more_look_ups: summary.look_ups.len().saturating_sub(NAMED),
            all_waiting: summary.sighted(Sight::Waiting) == total,
            omitted: total - shown.len() - folded.len(),
            shown,
            folded,
        }
    }

    /// The blind targets that the warning names.
    pub(super) fn named(&self) -> impl Iterator<Item = &TargetRow<'a>> {
        self.shown.iter().filter(|row| row.sight == Sight::Blind).take(NAMED)
    }

    /// How many blind targets it does not name.
    pub(super) fn unnamed(&self) -> usize {
        self.blind.saturating_sub(NAMED)
    }

    /// How blind: `Blind in 1 of 3 targets`.
    pub(super) fn blindness(&self) -> String {
        format!("Blind in {} of {}", number(self.blind), counted(self.total, "target"))
    }
}

impl<'a> TargetRow<'a> {
    pub(super) fn of(target: &'a TargetSnapshot, now: Timestamp) -> Self {
        let moment = |time: Timestamp| Moment::of(time, now);
        Self {
            sight: Sight::of(target),
            account: legible(target.target.account.as_str()),
            region: target.target.region.as_str(),
            last_poll: target.last_poll.as_ref().map(|poll| moment(poll.ended)),
            // A poll that is due is under way.
            next_poll: target.next_poll.map(|time| moment(time.max(now))),
            last_success: target.last_success.map(moment),
            duration: target.last_poll.as_ref().map_or(String::new(), |poll| duration(poll.duration)),
            tunnels: target.listed().map(<[_]>::len),
            stale: target.is_stale(),
            polls: target.polls,
            failures: target.failures.iter().sum(),
            error: target.failure().map(ErrorWords::of),
        }
    }

    /// Whether it can be seen into, in a word or two.
    pub(super) fn word(&self) -> &'static str {
        match (self.sight, self.stale) {
            (Sight::Blind, true) => "Blind, stale",
            (Sight::Blind, false) => "Blind",
            (Sight::Waiting, _) => "Waiting",
            (Sight::Clear, _) => "Answered",
        }
    }

    pub(super) fn shape(&self) -> &'static str {
        match self.sight {
            Sight::Blind => "✕",
            Sight::Waiting => "◌",
            Sight::Clear => "●",
        }
    }

    pub(super) fn slug(&self) -> &'static str {
        match self.sight {
            Sight::Blind => "blind",
            Sight::Waiting => "waiting",
            Sight::Clear => "clear",
        }
    }

    /// How many tunnels its last good listing had.
    pub(super) fn tunnel_count(&self) -> String {
        self.tunnels.map_or("–".to_owned(), number)
    }

    /// What is shown of a blind target's tunnels.
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

impl<'a> LookUpRow<'a> {
    fn of(&(account, look_up): &(&'a AccountName, &'a FailedLookUp)) -> Self {
        let remains = match look_up.regions {
            0 => "none is known, and nothing of the account is watched".to_owned(),
            count => format!("{} known before, and kept", counted(count, "region")),
        };
        Self { account: legible(account.as_str()), error: ErrorWords::of(&look_up.failure), remains }
    }
}

impl<'a> ErrorWords<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self { summary: in_words(failure.reason), detail: legible(&failure.message) }
    }
}

fn in_words(reason: Reason) -> &'static str {
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
