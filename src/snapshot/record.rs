//! A row and its history, and the changes from one listing of a target to the next. It works for any kind of row.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::domain::{listing::Listing, row::Row, status::Status};

/// A row as last listed, and the changes of its status since the exporter started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<R: Row> {
    /// The row.
    pub row: R,
    /// A row is in doubt when a response has a row without a usable id that may be this row. This is the time of the last
    /// listing that showed its id; `None` if the row is not in doubt.
    pub in_doubt_since: Option<Timestamp>,
    /// The history of its status.
    pub history: History<R::Status>,
}

/// The changes of a row's status since the exporter started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History<S> {
    /// The last known value, kept while the status is unknown. `None` before the first.
    last_known: Option<S>,
    /// How often it changed from one known value to another.
    pub transitions: u64,
    /// When the last of these changes was seen; `None` before the first.
    pub last_transition: Option<Timestamp>,
}

/// A difference between two listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<R: Row> {
    /// A new row.
    Appeared(Arc<Record<R>>),
    /// A row with another status than before; either may be unknown.
    Changed {
        /// The row with its new status.
        record: Arc<Record<R>>,
        /// Its old status.
        before: R::Status,
    },
    /// A removed row, as last listed.
    Disappeared(Arc<Record<R>>),
}

impl<R: Row> Record<R> {
    fn new(old: Option<&Self>, row: R, in_doubt_since: Option<Timestamp>, now: Timestamp) -> Self {
        let before = old.map(|old| old.history).unwrap_or_default();
        let history = before.after(row.status(), now);
        Self { row, in_doubt_since, history }
    }
}

impl<S> Default for History<S> {
    fn default() -> Self {
        Self { last_known: None, transitions: 0, last_transition: None }
    }
}

impl<S: Status> History<S> {
    /// The history after another listing showed this status.
    fn after(self, status: S, now: Timestamp) -> Self {
        match self.last_known {
            _ if status == S::UNKNOWN => self,
            Some(before) if before != status => Self {
                last_known: Some(status),
                transitions: self.transitions + 1,
                last_transition: Some(now),
            },
            _ => Self { last_known: Some(status), ..self },
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
    let before = old.row.status();
    (before != new.row.status()).then(|| Change::Changed { record: Arc::clone(new), before })
}
