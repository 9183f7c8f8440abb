//! Merges the pages of one listing.
//!
//! It must not depend on how pages are fetched.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use tokio::time::Instant;

use crate::{
    domain::listing::{Listing, UnknownValue},
    tencent::page::{ListedRow, Page},
};

/// A page, and when it was received. Pages are not always received in the order of their offsets.
#[derive(Debug)]
pub(super) struct Received<R> {
    pub(super) page: Page<R>,
    pub(super) at: Instant,
}

/// The merged pages of one reading.
#[derive(Debug)]
pub(super) struct Reading<R: ListedRow> {
    /// Each row, and when its page was received.
    pub(super) rows: BTreeMap<R::Id, (Instant, R)>,
    pub(super) rows_without_id: usize,
    in_doubt: BTreeSet<R::Id>,
    pub(super) unknown_values: Vec<UnknownValue>,
    pub(super) total_count: u64,
    /// The number of rows on all pages, repeated ones included.
    pub(super) row_count: u64,
    counts_differ: bool,
    /// Whether this is the second reading, because the first one was inconsistent.
    pub(super) follows_inconsistent: bool,
}

impl<R: ListedRow> Default for Reading<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            rows_without_id: 0,
            in_doubt: BTreeSet::new(),
            unknown_values: Vec::new(),
            total_count: 0,
            row_count: 0,
            counts_differ: false,
            follows_inconsistent: false,
        }
    }
}

impl<R: ListedRow> Reading<R> {
    pub(super) fn new(first: Received<R>) -> Self {
        let mut reading = Self { total_count: first.page.total_count, ..Self::default() };
        reading.add(first);
        reading
    }

    /// Adds a page. If two pages have the same row, the page that was received later wins. If one page has it twice, the worse
    /// row wins.
    pub(super) fn add(&mut self, Received { page, at }: Received<R>) {
        self.counts_differ |= page.total_count != self.total_count;
        self.row_count += (page.rows.len() + page.rows_without_id) as u64;
        self.rows_without_id += page.rows_without_id;
        self.unknown_values.extend(page.unknown_values);
        for row in page.rows {
            match self.rows.entry(row.id().clone()) {
                Entry::Occupied(present) if present.get().0 > at => {}
                Entry::Occupied(present) if present.get().0 == at && !row.is_worse_than(&present.get().1) => {
                }
                Entry::Occupied(mut present) => {
                    present.insert((at, row));
                }
                Entry::Vacant(vacant) => {
                    vacant.insert((at, row));
                }
            }
        }
    }

    /// Whether all pages have the same `TotalCount`, and that many rows, each once.
    pub(super) fn is_consistent(&self) -> bool {
        let distinct = (self.rows.len() + self.rows_without_id) as u64;
        !self.counts_differ && self.row_count == self.total_count && distinct == self.row_count
    }

    /// Adds the missing rows that another reading has.
    pub(super) fn add_missing(&mut self, other: Self, missing: &BTreeMap<R::Id, R>) {
        self.rows.extend(other.rows.into_iter().filter(|(id, _)| missing.contains_key(id)));
    }

    /// Whether a response had this row.
    pub(super) fn has_found(&self, id: &R::Id) -> bool {
        self.rows.contains_key(id) && !self.in_doubt.contains(id)
    }

    /// Keeps the rows that no response had, with all statuses unknown, unless they have been in doubt for too long.
    pub(super) fn keep_in_doubt(&mut self, rows: &[&R], in_doubt_too_long: &BTreeSet<&R::Id>) {
        let at = Instant::now();
        for row in rows.iter().filter(|row| !in_doubt_too_long.contains(row.id())) {
            if let Entry::Vacant(vacant) = self.rows.entry(row.id().clone()) {
                vacant.insert((at, row.with_unknown_statuses()));
                self.in_doubt.insert(row.id().clone());
            }
        }
    }

    pub(super) fn into_listing(self) -> Listing<R> {
        Listing {
            rows: self.rows.into_values().map(|(_, row)| row).collect(),
            rows_without_id: self.rows_without_id,
            in_doubt: self.in_doubt,
            unknown_values: self.unknown_values,
            inconsistent: self.follows_inconsistent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{
            status::{NetStatus, TunnelState},
            tunnel::Tunnel,
        },
        tencent::{action::Action, envelope, page::Describe},
    };

    fn received(rows: &Value, at: Instant) -> Received<Tunnel> {
        let count = rows.as_array().expect("rows").len();
        let body = json!({"Response": {"TotalCount": count, "VpnConnectionSet": rows}}).to_string();
        let response = envelope::parse(body.as_bytes(), None).expect("a response");
        Received { page: Describe::read(&response).expect("a page"), at }
    }

    fn page(state: &str, at: Instant) -> Received<Tunnel> {
        received(&json!([{"VpnConnectionId": "vpnx-1", "State": state}]), at)
    }

    #[test]
    fn later_page_wins_in_any_order() {
        let early = Instant::now();
        let late = early + Duration::from_millis(1);
        for pages in [
            [page("PENDING", early), page("AVAILABLE", late)],
            [page("AVAILABLE", late), page("PENDING", early)],
        ] {
            let [first, second] = pages;
            let mut reading = Reading::new(first);
            reading.add(second);
            assert!(!reading.is_consistent(), "one tunnel on two pages is a disagreement");
            let rows = reading.into_listing().rows;
            assert_eq!(rows.iter().map(|row| row.state).collect::<Vec<_>>(), [TunnelState::Available]);
        }
    }

    #[test]
    fn worse_row_of_a_page_wins() {
        let at = Instant::now();
        let row =
            |status: &str| json!({"VpnConnectionId": "vpnx-1", "State": "AVAILABLE", "NetStatus": status});
        for statuses in [["UNAVAILABLE", "AVAILABLE"], ["AVAILABLE", "UNAVAILABLE"], ["UNAVAILABLE", "ODD"]] {
            let rows = received(&Value::from(statuses.map(row).to_vec()), at);
            let rows = Reading::new(rows).into_listing().rows;
            assert_eq!(rows[0].net_status, NetStatus::Unavailable, "{statuses:?}");
        }
    }
}
