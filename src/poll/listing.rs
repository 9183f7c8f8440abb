//! A complete listing: every page or nothing, and no row is lost because pages shifted.
//!
//! The API's list is not a snapshot. A row that is created or deleted between two pages shifts the rows behind it, so a page
//! can repeat or miss a row, and the counts do not always show it. This works for any kind of row.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::reading::{Reading, Received};
use crate::{
    domain::{
        filter::Filter,
        listing::Listing,
        target::Region,
        tunnel::{Tunnel, TunnelId},
    },
    tencent::{
        account::Account,
        error::ApiError,
        page::{Describe, ListedRow, MAX_FILTER_VALUES, PAGE_ROWS, Page},
    },
};

/// How many requests of one listing are under way at once.
const CONCURRENT_REQUESTS: usize = 8;

/// The largest number of pages. A count that asks for more is malformed.
const MAX_PAGES: usize = 1000;

/// How many missing rows are looked up by id. For more than that, a second listing is cheaper.
const MAX_LOOK_UPS: usize = 100;

/// A listing, and whether its pages disagreed with each other.
#[derive(Debug)]
pub(super) struct Outcome<R: ListedRow> {
    pub(super) listing: Listing<R>,
    pub(super) inconsistent: bool,
}

/// What is known from the last listing.
#[derive(Debug)]
pub(super) struct Known<'a, R: ListedRow> {
    /// The rows as they were last seen.
    pub(super) rows: Vec<&'a R>,
    /// The rows that have been in doubt for too long. They are dropped instead of kept with unknown statuses.
    pub(super) in_doubt_too_long: BTreeSet<&'a R::Id>,
}

/// Reads the listing of a region.
#[derive(Clone, Copy)]
pub(super) struct ListingReader<'a, R> {
    pub(super) account: &'a Account,
    pub(super) region: &'a Region,
    pub(super) filters: &'a [Filter],
    pub(super) deadline: Instant,
    /// Drops the parts of a row that are not needed, as soon as its page is received.
    pub(super) trim: &'a (dyn Fn(&mut R) + Sync),
}

/// Looks up one tunnel. `None`: a consistent response does not list it, or the API does not find it. A response with a row
/// that has no id is malformed.
pub async fn find(
    account: &Account,
    region: &Region,
    id: &TunnelId,
    deadline: Instant,
) -> Result<Option<Tunnel>, ApiError> {
    let reader = ListingReader { account, region, filters: &[], deadline, trim: &|_: &mut Tunnel| {} };
    let mut found = reader.by_id(id).await?;
    if found.rows_without_id > 0 {
        return Err(ApiError::malformed("a look-up shows a row without a VpnConnectionId"));
    }
    Ok(found.rows.remove(id).map(|(_, tunnel)| tunnel))
}

impl<R: ListedRow> ListingReader<'_, R> {
    /// Reads all rows. A known row that is not listed is looked up, and dropped only if it is not found.
    pub(super) async fn read(&self, known: Known<'_, R>) -> Result<Outcome<R>, ApiError> {
        let Known { rows, in_doubt_too_long } = known;
        let known: BTreeMap<&R::Id, &R> = rows.into_iter().map(|row| (row.id(), row)).collect();
        let mut reading = self.pages().await?;
        let inconsistent = !reading.is_consistent();
        // Only the new rows of an inconsistent reading are kept: the second reading takes as much memory again.
        let mut new_rows = Vec::new();
        if inconsistent {
            let rows = reading.rows.into_values().map(|(_, row)| row);
            new_rows = rows.filter(|row| !known.contains_key(row.id())).collect();
            reading = self.pages().await?;
        }
        let is_missing = |row: &&R| !reading.rows.contains_key(row.id()) && self.filters_allow(row.id());
        let with_id = |row: &R| (row.id().clone(), row.clone());
        let mut missing: BTreeMap<R::Id, R> = known.into_values().filter(is_missing).map(with_id).collect();
        missing.extend(new_rows.iter().filter(is_missing).map(with_id));
        if missing.len() > MAX_LOOK_UPS {
            reading.add_missing(self.pages().await?, &missing);
            missing.retain(|id, _| !reading.rows.contains_key(id));
        }
        // If there are too many to look up, a sample decides: one that is found proves that the listings are wrong.
        let missing: Vec<&R> = missing.values().collect();
        let (sample, others) = missing.split_at(missing.len().min(MAX_LOOK_UPS));
        self.look_up(sample, &in_doubt_too_long, &mut reading).await?;
        if !others.is_empty() && sample.iter().any(|row| reading.has_found(row.id())) {
            return Err(ApiError::malformed("two listings lack rows that are there"));
        }
        if reading.rows_without_id > 0 {
            reading.keep_in_doubt(others, &in_doubt_too_long);
        }
        Ok(Outcome { listing: reading.into_listing(), inconsistent })
    }

    /// Whether the configured filters, which a reload may have changed, allow this id.
    fn filters_allow(&self, id: &R::Id) -> bool {
        let id = id.to_string();
        let mut by_id = self.filters.iter().filter(|filter| filter.name == R::ID_FILTER);
        by_id.all(|filter| filter.values.contains(&id))
    }

    /// Reads every page once. The first page has the number of rows; an empty page is the last one.
    async fn pages(&self) -> Result<Reading<R>, ApiError> {
        let first = self.page(self.filters, 0).await?;
        if first.page.total_count > 0 && first.page.is_empty() {
            let problem = format!("the first page counts {} rows and shows none", first.page.total_count);
            return Err(ApiError::malformed(problem));
        }
        let pages = page_count(first.page.total_count)?;
        let mut reading = Reading::new(first);
        let offsets = (1..pages).map(|page| page * PAGE_ROWS);
        let mut rest =
            stream::iter(offsets).map(|offset| self.page(self.filters, offset)).buffered(CONCURRENT_REQUESTS);
        while let Some(page) = rest.try_next().await? {
            let is_empty = page.page.is_empty();
            reading.add(page);
            // With a count that is far too high, more requests would only slow the account's other targets down.
            if is_empty {
                break;
            }
        }
        // A single row without an id can be the only row of the target.
        if reading.rows.is_empty() && reading.rows_without_id > 1 {
            return Err(ApiError::malformed(format!("no row has a {}", R::ID)));
        }
        Ok(reading)
    }

    /// Looks up rows by id. If a row of the listing or of the response has no id, it may be any row that the response does not
    /// show. Each of those is kept with all statuses unknown, unless it has been in doubt for too long.
    async fn look_up(
        &self,
        missing: &[&R],
        in_doubt_too_long: &BTreeSet<&R::Id>,
        reading: &mut Reading<R>,
    ) -> Result<(), ApiError> {
        for some in missing.chunks(MAX_FILTER_VALUES) {
            let ids: Vec<_> = some.iter().map(|row| row.id()).collect();
            let found = match self.by_ids(&ids).await {
                // One id that the API does not find can fail the look-up of all.
                Err(error) if error.is_not_found() => self.one_by_one(&ids).await?,
                found => found?,
            };
            let is_in_doubt = found.rows_without_id + reading.rows_without_id > 0;
            reading.unknown_values.extend(found.unknown_values);
            reading.rows.extend(found.rows);
            if is_in_doubt {
                reading.keep_in_doubt(some, in_doubt_too_long);
            }
        }
        Ok(())
    }

    async fn one_by_one(&self, ids: &[&R::Id]) -> Result<Reading<R>, ApiError> {
        let mut all = Reading::default();
        for id in ids {
            let found = self.by_id(id).await?;
            all.rows_without_id += found.rows_without_id;
            all.unknown_values.extend(found.unknown_values);
            all.rows.extend(found.rows);
        }
        Ok(all)
    }

    /// Looks up one row. `ResourceNotFound` means the same as an empty list.
    async fn by_id(&self, id: &R::Id) -> Result<Reading<R>, ApiError> {
        match self.by_ids(&[id]).await {
            Err(error) if error.is_not_found() => Ok(Reading::default()),
            found => found,
        }
    }

    /// Looks up at most [`MAX_FILTER_VALUES`] rows by id. A response whose counts disagree, or that shows other rows, is
    /// malformed.
    async fn by_ids(&self, ids: &[&R::Id]) -> Result<Reading<R>, ApiError> {
        let found = Reading::new(self.page(&self.narrowed(ids), 0).await?);
        if found.is_consistent() && found.rows.keys().all(|id| ids.contains(&id)) {
            return Ok(found);
        }
        let (count, Reading { total_count, row_count, .. }) = (ids.len(), found);
        Err(ApiError::malformed(format!(
            "a look-up of {count} ids has TotalCount {total_count} and {row_count} rows, or rows with other ids"
        )))
    }

    /// The configured filters and a filter by these ids. That replaces a configured filter by id, which has these ids too.
    fn narrowed(&self, ids: &[&R::Id]) -> Vec<Filter> {
        let values = ids.iter().map(ToString::to_string).collect();
        let others = self.filters.iter().filter(|filter| filter.name != R::ID_FILTER).cloned();
        others.chain([Filter { name: R::ID_FILTER.into(), values }]).collect()
    }

    async fn page(&self, filters: &[Filter], offset: usize) -> Result<Received<R>, ApiError> {
        let action = Describe::new(filters, offset, PAGE_ROWS);
        let mut page: Page<R> = self.account.post(&action, self.region, self.deadline).await?.value;
        page.rows.iter_mut().for_each(self.trim);
        Ok(Received { page, at: Instant::now() })
    }
}

fn page_count(total_count: u64) -> Result<usize, ApiError> {
    let pages = total_count.div_ceil(PAGE_ROWS as u64);
    usize::try_from(pages).ok().filter(|&pages| pages <= MAX_PAGES).ok_or_else(|| {
        let most = MAX_PAGES * PAGE_ROWS;
        ApiError::malformed(format!("TotalCount is {total_count}, more than the limit of {most}"))
    })
}
