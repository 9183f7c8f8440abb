//! The result of one complete listing.

use std::collections::BTreeSet;

use super::row::Row;

/// All rows of one kind in a target, each once, as one poll read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<R: Row> {
    /// The rows, in no particular order.
    pub rows: Vec<R>,
    /// How many rows had no usable id. They are left out.
    pub rows_without_id: usize,
    /// The ids of the rows in doubt: a row without an id may be this row. They are in `rows` with all statuses unknown.
    pub in_doubt: BTreeSet<R::Id>,
    /// The values of statuses that the API reference does not list. They are shown as `UNKNOWN`.
    pub unknown_values: Vec<UnknownValue>,
    /// Whether pages contradicted each other, so that all of them were read again.
    pub inconsistent: bool,
}

impl<R: Row> Default for Listing<R> {
    fn default() -> Self {
        let (rows, in_doubt, unknown_values) = Default::default();
        Self { rows, rows_without_id: 0, in_doubt, unknown_values, inconsistent: false }
    }
}

/// A value of a status that the API reference does not list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownValue {
    /// The name of the status: one of [`Row::STATUS_FIELDS`].
    pub field: &'static str,
    /// The value, cut to 128 characters.
    pub value: String,
}
