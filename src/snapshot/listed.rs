//! The rows of one kind in a target. It works for any kind of row.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::record::{Change, Record, compare};
use crate::domain::{listing::Listing, row::Row, status::Status};

/// The rows of the last successful listing, and counters of all listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<R: Row> {
    records: Option<Arc<[Arc<Record<R>>]>>,
    /// How many of these rows have each status, in the order of [`Status::ALL`]. Empty before the first listing.
    counts: Box<[usize]>,
    /// How many listings had pages that contradicted each other.
    pub inconsistencies: u64,
    /// How many rows had no usable id.
    pub rows_without_id: u64,
    unknown_values: BTreeMap<&'static str, u64>,
}

impl<R: Row> Default for Listed<R> {
    fn default() -> Self {
        Self {
            records: None,
            counts: Box::default(),
            inconsistencies: 0,
            rows_without_id: 0,
            unknown_values: BTreeMap::new(),
        }
    }
}

impl<R: Row> Listed<R> {
    /// The rows, in the order of their ids; `None` before the first successful listing.
    #[must_use]
    pub fn records(&self) -> Option<&[Arc<Record<R>>]> {
        self.records.as_deref()
    }

    /// How many rows have this status.
    #[must_use]
    pub fn count(&self, status: R::Status) -> usize {
        let mut counts = R::Status::ALL.iter().zip(&self.counts);
        counts.find(|(own, _)| **own == status).map_or(0, |(_, count)| *count)
    }

    /// How many undocumented values of a status were listed.
    #[must_use]
    pub fn unknown_values(&self, field: &str) -> u64 {
        self.unknown_values.get(field).copied().unwrap_or_default()
    }

    /// The state after another listing, and the changes. The first listing has none.
    pub(super) fn after(
        &self,
        listing: Listing<R>,
        now: Timestamp,
        last_listing: Timestamp,
    ) -> (Self, Vec<Change<R>>) {
        let mut next = self.clone();
        next.inconsistencies += u64::from(listing.inconsistent);
        next.rows_without_id += listing.rows_without_id as u64;
        for value in &listing.unknown_values {
            *next.unknown_values.entry(value.field).or_default() += 1;
        }
        let (records, changes) = compare(self.records(), listing, now, last_listing);
        let count =
            |status: &R::Status| records.iter().filter(|record| record.row.status() == *status).count();
        next.counts = R::Status::ALL.iter().map(count).collect();
        next.records = Some(records.into());
        (next, changes)
    }
}
