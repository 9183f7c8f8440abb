//! The result of one complete listing.

use std::collections::BTreeSet;

use super::{row::Row, status::StatusField, tunnel::Tunnel};

/// All rows of a target, each once, as one poll read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<R: Row = Tunnel> {
    /// The rows, in no particular order.
    pub rows: Vec<R>,
    /// How many rows had no usable id. They are left out.
    pub rows_without_id: usize,
    /// The rows that may be one of those. They are in `rows` with all statuses unknown.
    pub in_doubt: BTreeSet<R::Id>,
    /// The values that are not in the document. They read `UNKNOWN`.
    pub unknown_values: Vec<UnknownValue>,
}

impl<R: Row> Default for Listing<R> {
    fn default() -> Self {
        let (rows, in_doubt, unknown_values) = Default::default();
        Self { rows, rows_without_id: 0, in_doubt, unknown_values }
    }
}

/// A value of a status that is not in the API's document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownValue {
    /// The status.
    pub field: StatusField,
    /// The value, cut to 128 characters.
    pub value: String,
}
