//! What the rows of all listings have in common.

use std::fmt;

use super::{status::Status, tag_label::TagLabel};

/// A row of a listing, such as a tunnel.
pub trait Row: Clone + Eq + fmt::Debug + Send + Sync + 'static {
    /// The id of a row. It never changes.
    type Id: Clone + Ord + fmt::Debug + fmt::Display + Send + Sync;

    /// The one status of a row, whose changes are counted.
    type Status: Status;

    /// The names of the API's statuses, in a fixed order: values of the label `field`, for values that are new to the exporter.
    /// No other kind of row may use the same name, because one metric has the names of all kinds.
    const STATUS_FIELDS: &'static [&'static str];

    /// The id.
    fn id(&self) -> &Self::Id;

    /// The status.
    fn status(&self) -> Self::Status;

    /// The same row with all statuses unknown: for a row that may no longer exist.
    #[must_use]
    fn with_unknown_statuses(&self) -> Self;

    /// Keeps only the tags that become labels.
    fn keep_tags(&mut self, tag_labels: &[TagLabel]);

    /// Whether this row has a worse status than `other`. If a page has two rows with the same id, the worse one is kept.
    fn is_worse_than(&self, other: &Self) -> bool;
}
