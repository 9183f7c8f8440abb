//! What the rows of all listings have in common.

use std::fmt;

/// A row of a listing, such as a tunnel.
pub trait Row: Clone + fmt::Debug + Send + Sync {
    /// The id of a row. It never changes.
    type Id: Clone + Ord + fmt::Debug + fmt::Display + Send + Sync;

    /// The id.
    fn id(&self) -> &Self::Id;

    /// The same row with all statuses unknown: for a row that may or may not be there.
    #[must_use]
    fn with_unknown_statuses(&self) -> Self;

    /// Whether this row has a worse status than `other`. Of two rows with one id on one page, the worse is kept.
    fn is_worse_than(&self, other: &Self) -> bool;
}
