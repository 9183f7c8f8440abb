//! Lists that the API returns in pages: the parameters and the response that all such actions have in common.

use std::marker::PhantomData;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    action::{Action, Service},
    envelope::ApiResponse,
    error::ApiError,
    field::{Field, text},
};
use crate::domain::{filter::Filter, listing::UnknownValue, row::Row};

/// The largest number of rows on a page.
pub const PAGE_ROWS: usize = 100;

/// The largest number of values of a filter.
pub const MAX_FILTER_VALUES: usize = 5;

/// How the API lists a kind of row, in the wire format of the rows.
pub trait ListedRow: Row {
    /// The action, such as `DescribeVpnConnections`.
    const ACTION: &'static str;
    /// What a policy must allow for it.
    const PERMISSION: &'static str;
    /// The field of the response that has the rows.
    const SET: &'static str;
    /// The field of a row that has its id.
    const ID: &'static str;
    /// The filter by id.
    const ID_FILTER: &'static str;
    /// The filters of an account that narrow this list. The others do not apply to it.
    const FILTERS: &'static [&'static str];

    /// Reads one row. `None`: it has no usable id. Undocumented values of statuses are added to `unknown_values`.
    fn read(row: &RawValue, unknown_values: &mut Vec<UnknownValue>) -> Option<Self>;
}

/// The action that lists rows of the kind `R`, a page at a time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Describe<'a, R> {
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "serialize_filters")]
    filters: &'a [Filter],
    offset: usize,
    limit: usize,
    #[serde(skip)]
    kind: PhantomData<fn() -> R>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FilterFields<'a> {
    name: &'a str,
    values: &'a [String],
}

fn serialize_filters<S: Serializer>(filters: &[Filter], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(filters.iter().map(|Filter { name, values }| FilterFields { name, values }))
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<R> {
    /// How many rows the whole list has, by the API's count.
    pub total_count: u64,
    /// The rows with an id.
    pub rows: Vec<R>,
    /// How many rows had no usable id.
    pub rows_without_id: usize,
    /// The undocumented values of statuses. They are shown as `UNKNOWN`.
    pub unknown_values: Vec<UnknownValue>,
}

impl<'a, R> Describe<'a, R> {
    /// Requests at most `limit` rows, starting at `offset`. The API allows up to ten filters.
    #[must_use]
    pub fn new(filters: &'a [Filter], offset: usize, limit: usize) -> Self {
        Self { filters, offset, limit, kind: PhantomData }
    }
}

impl<R: ListedRow> Action for Describe<'_, R> {
    const NAME: &'static str = R::ACTION;
    const SERVICE: Service = Service::VPC;
    const PERMISSION: &'static str = R::PERMISSION;
    type Response = Page<R>;

    fn read(response: &ApiResponse<'_>) -> Result<Page<R>, ApiError> {
        let rows = rows(response, R::SET)?;
        let mut page = Page {
            total_count: total_count(response.get("TotalCount"))?,
            rows: Vec::with_capacity(rows.len()),
            rows_without_id: 0,
            unknown_values: Vec::new(),
        };
        for row in rows {
            match R::read(row, &mut page.unknown_values) {
                Some(row) => page.rows.push(row),
                None => page.rows_without_id += 1,
            }
        }
        Ok(page)
    }
}

impl<R> Page<R> {
    /// Whether the page has no row, with or without an id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.rows_without_id == 0
    }
}

/// The rows of a page; null means an empty list.
fn rows<'a>(response: &ApiResponse<'a>, name: &str) -> Result<Vec<&'a RawValue>, ApiError> {
    let json = match response.get(name) {
        Some(json) => json,
        None if response.has(name) => return Ok(Vec::new()),
        None => return Err(ApiError::malformed(format!("it has no {name}"))),
    };
    let rows: Vec<&RawValue> =
        serde_json::from_str(json.get()).map_err(|_| ApiError::malformed(format!("{name} is not a list")))?;
    if rows.len() > PAGE_ROWS {
        let problem = format!("a page has {} rows, more than the requested {PAGE_ROWS}", rows.len());
        return Err(ApiError::malformed(problem));
    }
    Ok(rows)
}

fn total_count(field: Field<'_>) -> Result<u64, ApiError> {
    let text = text(field).ok_or_else(|| ApiError::malformed("it has no TotalCount"))?;
    text.parse().map_err(|_| ApiError::malformed("TotalCount is not a count"))
}
