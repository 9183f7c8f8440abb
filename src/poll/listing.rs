//! Reads complete listings: all pages or an error, and no row is lost because it moved between pages.
//!
//! The API's list is not a snapshot. A row that is created or deleted between two pages moves the rows after it, so a page
//! can repeat or miss a row, and the counts do not always show it. This works for any kind of row.

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::reading::{Reading, Received};
use crate::{
    domain::{filter::Filter, listing::Listing, tag_label::TagLabel, target::Region},
    tencent::{
        account::Account,
        error::ApiError,
        page::{Describe, ListedRow, MAX_FILTER_VALUES, PAGE_ROWS, Page},
    },
};

/// The largest number of concurrent requests for one listing of tunnels.
pub(super) const CONCURRENT_REQUESTS: usize = 8;

/// The largest number of pages. A count that needs more is malformed.
const MAX_PAGES: usize = 1000;

/// The largest number of missing rows to query by id. For more rows, another listing is cheaper.
const MAX_QUERIED_ROWS: usize = 100;

/// The rows of the last listing.
#[derive(Debug)]
pub(super) struct Known<'a, R: ListedRow> {
    /// The rows as they were last seen.
    pub(super) rows: Vec<&'a R>,
    /// The rows that have been in doubt for too long. They are removed; other rows in doubt stay, with unknown statuses.
    pub(super) in_doubt_too_long: BTreeSet<&'a R::Id>,
}

/// Reads the listing of a region.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListingReader<'a, R> {
    pub(super) account: &'a Account,
    pub(super) region: &'a Region,
    pub(super) filters: &'a [Filter],
    pub(super) deadline: Instant,
    /// The tags to keep of each row. The others are dropped as soon as a page is received.
    pub(super) tag_labels: &'a [TagLabel],
    /// The largest number of concurrent requests.
    pub(super) concurrent_requests: usize,
    pub(super) kind: PhantomData<fn() -> R>,
}

/// Queries one row by id. `None`: a consistent response does not list it, or the API does not find it. A response with a row
/// that has no id is malformed.
pub async fn query_by_id<R: ListedRow>(
    account: &Account,
    region: &Region,
    id: &R::Id,
    deadline: Instant,
) -> Result<Option<R>, ApiError> {
    let reader = ListingReader {
        account,
        region,
        filters: &[],
        deadline,
        tag_labels: &[],
        concurrent_requests: 1,
        kind: PhantomData::<fn() -> R>,
    };
    let mut found = reader.query_each(&[id]).await?;
    if found.rows_without_id > 0 {
        return Err(ApiError::malformed(format!("a query by id returned a row without a {}", R::ID)));
    }
    Ok(found.rows.remove(id).map(|(_, row)| row))
}

impl<R: ListedRow> ListingReader<'_, R> {
    /// Reads all rows. A known row that is not listed is queried by id, and dropped only if the API does not find it.
    pub(super) async fn read(&self, known: Known<'_, R>) -> Result<Listing<R>, ApiError> {
        let Known { rows, in_doubt_too_long } = known;
        let known: BTreeMap<&R::Id, &R> = rows.into_iter().map(|row| (row.id(), row)).collect();
        let (mut reading, new_rows) = self.read_consistently(&known).await?;
        let mut missing = self.missing(known.into_values().chain(&new_rows), &reading);
        if missing.len() > MAX_QUERIED_ROWS {
            reading.add_missing(self.read_pages().await?, &missing);
            missing.retain(|id, _| !reading.rows.contains_key(id));
        }
        let missing: Vec<&R> = missing.values().collect();
        self.query_missing(&missing, &in_doubt_too_long, &mut reading).await?;
        Ok(reading.into_listing())
    }

    /// Reads all pages, and once more if they contradict each other. Then it also returns the rows of the first reading that
    /// are not known.
    async fn read_consistently(
        &self,
        known: &BTreeMap<&R::Id, &R>,
    ) -> Result<(Reading<R>, Vec<R>), ApiError> {
        let first = self.read_pages().await?;
        if first.is_consistent() {
            return Ok((first, Vec::new()));
        }
        // The other rows are dropped now: the second reading needs the same memory again.
        let rows = first.rows.into_values().map(|(_, row)| row);
        let new_rows = rows.filter(|row| !known.contains_key(row.id())).collect();
        let mut second = self.read_pages().await?;
        second.follows_inconsistent = true;
        Ok((second, new_rows))
    }

    /// The expected rows that a reading lacks, although the filters allow them.
    fn missing<'a>(&self, expected: impl Iterator<Item = &'a R>, reading: &Reading<R>) -> BTreeMap<R::Id, R> {
        let is_missing = |row: &&R| !reading.rows.contains_key(row.id()) && self.filters_allow(row.id());
        expected.filter(is_missing).map(|row| (row.id().clone(), row.clone())).collect()
    }

    /// Whether the configured filters, which a reload may have changed, allow this id.
    fn filters_allow(&self, id: &R::Id) -> bool {
        let id = id.to_string();
        let mut by_id = self.filters.iter().filter(|filter| filter.name == R::ID_FILTER);
        by_id.all(|filter| filter.values.contains(&id))
    }

    /// Reads every page once. The first page has the number of rows; an empty page is the last one.
    async fn read_pages(&self) -> Result<Reading<R>, ApiError> {
        let first = self.page(self.filters, 0).await?;
        if first.page.total_count > 0 && first.page.is_empty() {
            let problem = format!("TotalCount is {}, but the first page has no rows", first.page.total_count);
            return Err(ApiError::malformed(problem));
        }
        let pages = page_count(first.page.total_count)?;
        let mut reading = Reading::new(first);
        let offsets = (1..pages).map(|number| number * PAGE_ROWS);
        let mut rest = stream::iter(offsets)
            .map(|offset| self.page(self.filters, offset))
            .buffered(self.concurrent_requests);
        while let Some(received) = rest.try_next().await? {
            let is_empty = received.page.is_empty();
            reading.add(received);
            // If TotalCount is much too high, more requests would only slow down the account's other targets.
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

    /// Queries missing rows by id. If there are too many, it queries the first hundred: if the API finds one of them, the
    /// listings are wrong.
    async fn query_missing(
        &self,
        missing: &[&R],
        in_doubt_too_long: &BTreeSet<&R::Id>,
        reading: &mut Reading<R>,
    ) -> Result<(), ApiError> {
        let (sample, others) = missing.split_at(missing.len().min(MAX_QUERIED_ROWS));
        for rows in sample.chunks(MAX_FILTER_VALUES) {
            self.query_or_keep_in_doubt(rows, in_doubt_too_long, reading).await?;
        }
        if !others.is_empty() && sample.iter().any(|row| reading.has_found(row.id())) {
            return Err(ApiError::malformed("two listings lack rows that the API finds by id"));
        }
        if reading.rows_without_id > 0 {
            reading.keep_in_doubt(others, in_doubt_too_long);
        }
        Ok(())
    }

    /// Queries at most [`MAX_FILTER_VALUES`] rows by id. If the listing or the response has a row without an id, it can be any
    /// of the missing rows. Then all of them are kept with unknown statuses, unless they have been in doubt for too long.
    async fn query_or_keep_in_doubt(
        &self,
        rows: &[&R],
        in_doubt_too_long: &BTreeSet<&R::Id>,
        reading: &mut Reading<R>,
    ) -> Result<(), ApiError> {
        let ids: Vec<_> = rows.iter().map(|row| row.id()).collect();
        let found = match self.query_together(&ids).await {
            // One id that the API does not find can fail the query of all.
            Err(error) if error.is_not_found() => self.query_each(&ids).await?,
            found => found?,
        };
        let is_in_doubt = found.rows_without_id + reading.rows_without_id > 0;
        reading.unknown_values.extend(found.unknown_values);
        reading.rows.extend(found.rows);
        if is_in_doubt {
            reading.keep_in_doubt(rows, in_doubt_too_long);
        }
        Ok(())
    }

    /// Queries rows by id, one after another. `ResourceNotFound` means the same as an empty list.
    async fn query_each(&self, ids: &[&R::Id]) -> Result<Reading<R>, ApiError> {
        let mut all = Reading::default();
        for id in ids {
            match self.query_together(&[id]).await {
                Err(error) if error.is_not_found() => {}
                found => {
                    let found = found?;
                    all.rows_without_id += found.rows_without_id;
                    all.unknown_values.extend(found.unknown_values);
                    all.rows.extend(found.rows);
                }
            }
        }
        Ok(all)
    }

    /// Queries at most [`MAX_FILTER_VALUES`] rows by id with one request. A response with contradictory counts or with other
    /// rows is malformed.
    async fn query_together(&self, ids: &[&R::Id]) -> Result<Reading<R>, ApiError> {
        let found = Reading::new(self.page(&self.filters_with(ids), 0).await?);
        if found.is_consistent() && found.rows.keys().all(|id| ids.contains(&id)) {
            return Ok(found);
        }
        let (count, Reading { total_count, row_count, .. }) = (ids.len(), found);
        Err(ApiError::malformed(format!(
            "a query of {count} ids has TotalCount {total_count} and {row_count} rows, or rows with other ids"
        )))
    }

    /// The configured filters and a filter by these ids. It replaces a configured filter by id, which allows these ids too.
    fn filters_with(&self, ids: &[&R::Id]) -> Vec<Filter> {
        let values = ids.iter().map(ToString::to_string).collect();
        let others = self.filters.iter().filter(|filter| filter.name != R::ID_FILTER).cloned();
        others.chain([Filter { name: R::ID_FILTER.into(), values }]).collect()
    }

    async fn page(&self, filters: &[Filter], offset: usize) -> Result<Received<R>, ApiError> {
        let action = Describe::<R>::new(filters, offset, PAGE_ROWS);
        let mut page: Page<R> = self.account.post(&action, self.region, self.deadline).await?.value;
        page.rows.iter_mut().for_each(|row| row.keep_tags(self.tag_labels));
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
