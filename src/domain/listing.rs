//! What one whole reading of a target's tunnels gave.

use super::{StatusField, Tunnel};

/// All tunnels of a target, each once, as one poll read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The tunnels, in no particular order.
    pub tunnels: Vec<Tunnel>,
    /// How many rows had no id; they are left out.
    pub rows_without_id: usize,
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
