//! What one whole reading of a target's tunnels gave.

use std::collections::BTreeSet;

use super::{StatusField, Tunnel, TunnelId};

/// All tunnels of a target, each once, as one poll read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The tunnels, in no particular order.
    pub tunnels: Vec<Tunnel>,
    /// How many rows had no usable id; they are left out.
    pub rows_without_id: usize,
    /// The tunnels that may be one of those rows: they are in `tunnels` with all statuses unknown.
    pub in_doubt: BTreeSet<TunnelId>,
    /// The statuses that are new to us; they read `UNKNOWN`.
    pub unknown_values: Vec<UnknownValue>,
}

/// A value of a status that the API's document does not have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownValue {
    /// Which status.
    pub field: StatusField,
    /// What the API said, cut to 128 characters.
    pub value: String,
}
