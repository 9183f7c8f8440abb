//! A row and its history, and the changes from one listing of a target to the next. It works for any kind of row.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::domain::{listing::Listing, row::Row, status::UNKNOWN};

/// A row as last listed, and the changes of its statuses since the exporter started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<R: Row> {
    /// The row.
    pub row: R,
    /// A row is in doubt when a response has a row without a usable id that may be this row. This is the time of the last
    /// listing that showed its id; `None` if the row is not in doubt.
    pub in_doubt_since: Option<Timestamp>,
    /// The history of each status, in the order of [`Row::STATUS_FIELDS`].
    histories: Box<[History]>,
}

/// The changes of one status of one row since the exporter started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// The last known value, kept while the status is `UNKNOWN`.
    last_known: Option<&'static str>,
    /// How often it changed from one known value to another.
    pub transitions: u64,
    /// When the last of these changes was seen.
    pub last_transition: Option<Timestamp>,
}

/// A difference between two listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<R: Row> {
    /// A new row.
    Appeared(Arc<Record<R>>),
    /// A row with other statuses than before.
    Changed {
        /// The row with its new statuses.
        record: Arc<Record<R>>,
        /// Each status that changed: its name, its old and its new value.
        statuses: Vec<(&'static str, &'static str, &'static str)>,
    },
    /// A removed row, as last listed.
    Disappeared(Arc<Record<R>>),
}

impl<R: Row> Record<R> {
    /// The history of a status, which is one of [`Row::STATUS_FIELDS`].
    #[must_use]
    pub fn history(&self, field: &str) -> History {
        let mut histories = R::STATUS_FIELDS.iter().zip(&self.histories);
        histories.find(|(name, _)| **name == field).map(|(_, history)| *history).unwrap_or_default()
    }

    /// The histories of the statuses that apply, with their names.
    pub fn histories(&self) -> impl Iterator<Item = (&'static str, History)> {
        let all = R::STATUS_FIELDS.iter().copied().zip(self.histories.iter().copied());
        all.filter(|(field, _)| self.row.status(field).is_some())
    }

    /// When a status last changed; `None` if no change was seen.
    #[must_use]
    pub fn last_transition(&self) -> Option<Timestamp> {
        self.histories.iter().filter_map(|history| history.last_transition).max()
    }

    fn new(old: Option<&Self>, row: R, in_doubt_since: Option<Timestamp>, now: Timestamp) -> Self {
        let history = |field: &&'static str| {
            let before = old.map_or_else(History::default, |old| old.history(field));
            before.after(row.status(field), now)
        };
        let histories = R::STATUS_FIELDS.iter().map(history).collect();
        Self { row, in_doubt_since, histories }
    }
}

impl History {
    /// The history after a new value; `None` if the status does not apply.
    fn after(self, value: Option<&'static str>, now: Timestamp) -> Self {
        match (self.last_known, value) {
            // After a health check was turned off and on, its first value is no transition.
            (_, None) => Self { last_known: None, ..self },
            (_, Some(UNKNOWN)) => self,
            (Some(before), Some(after)) if before != after => {
                Self { last_known: value, transitions: self.transitions + 1, last_transition: Some(now) }
            }
            _ => Self { last_known: value, ..self },
        }
    }
}

/// Orders a listing by id, joins each row with its history, and finds the changes. A record that did not change is kept
/// as the same allocation, so that the renderer can compare records by their addresses.
pub(super) fn compare<R: Row>(
    before: Option<&[Arc<Record<R>>]>,
    listing: Listing<R>,
    now: Timestamp,
    last_listing: Timestamp,
) -> (Vec<Arc<Record<R>>>, Vec<Change<R>>) {
    let mut before_by_id: BTreeMap<&R::Id, &Arc<Record<R>>> =
        before.unwrap_or_default().iter().map(|record| (record.row.id(), record)).collect();
    let mut changes = Vec::new();
    let mut listed = Vec::with_capacity(listing.rows.len());
    for row in listing.rows {
        let is_in_doubt = listing.in_doubt.contains(row.id());
        let old = before_by_id.remove(row.id());
        let record = match old {
            Some(old) if old.row == row && old.in_doubt_since.is_some() == is_in_doubt => Arc::clone(old),
            _ => {
                let since = old.and_then(|old| old.in_doubt_since).unwrap_or(last_listing);
                Arc::new(Record::new(old.map(Arc::as_ref), row, is_in_doubt.then_some(since), now))
            }
        };
        match old {
            Some(old) => changes.extend(changed(old, &record)),
            None => changes.push(Change::Appeared(Arc::clone(&record))),
        }
        listed.push(record);
    }
    changes.extend(before_by_id.into_values().cloned().map(Change::Disappeared));
    if before.is_none() {
        changes.clear();
    }
    listed.sort_unstable_by(|a, b| a.row.id().cmp(b.row.id()));
    (listed, changes)
}

fn changed<R: Row>(old: &Record<R>, new: &Arc<Record<R>>) -> Option<Change<R>> {
    let statuses: Vec<_> = R::STATUS_FIELDS
        .iter()
        .filter_map(|field| Some((*field, old.row.status(field)?, new.row.status(field)?)))
        .filter(|(_, before, after)| before != after)
        .collect();
    (!statuses.is_empty()).then(|| Change::Changed { record: Arc::clone(new), statuses })
}
