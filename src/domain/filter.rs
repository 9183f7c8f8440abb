//! A filter of a listing.

/// A condition for rows of a listing. A row must match at least one value of every filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// A name from the action's API document, such as `vpn-gateway-id`.
    pub name: String,
    /// 1 to 5 values.
    pub values: Vec<String>,
}
