//! A filter of a listing.

/// A condition that narrows a listing. A row must meet all filters, with one value of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// A name from the action's document, such as `vpn-gateway-id`.
    pub name: String,
    /// 1 to 5 values.
    pub values: Vec<String>,
}
