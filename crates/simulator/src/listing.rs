//! The three listings: a page of the rows that a request selects.
//!
//! Two documented errors occur only as faults: the documents give no cause for `UnsupportedOperation`, and a client
//! cannot cause `InternalError.ModuleError`.

use std::{borrow::Cow, collections::BTreeSet};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    error::ApiError,
    journal::Entry,
    names::is_identifier,
    parameters::{Filter, Parameters},
};

const DEFAULT_LIMIT: usize = 20;
const MOST_ROWS: usize = 100;
const MOST_IDS: usize = 100;
const MOST_FILTERS: usize = 10;
const MOST_VALUES: usize = 5;

/// An action that lists rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    VpnConnections,
    VpnGateways,
    CustomerGateways,
}

/// The documented names of a listing.
#[derive(Debug)]
pub(super) struct Names {
    /// The list of rows in the response.
    pub(super) set: &'static str,
    /// The field with a row's identifier.
    pub(super) id: &'static str,
    /// The prefix of the identifiers.
    pub(super) prefix: &'static str,
    /// The parameter that selects rows by their identifiers.
    ids: &'static str,
    /// The filters and their row fields.
    filters: &'static [(&'static str, &'static str)],
    /// The error code for a malformed identifier.
    malformed: &'static str,
    /// The error code for an identifier that does not exist.
    not_found: &'static str,
}

const VPN_CONNECTIONS: Names = Names {
    set: "VpnConnectionSet",
    id: "VpnConnectionId",
    prefix: "vpnx",
    ids: "VpnConnectionIds",
    filters: &[
        ("vpc-id", "VpcId"),
        ("vpn-gateway-id", "VpnGatewayId"),
        ("customer-gateway-id", "CustomerGatewayId"),
        ("vpn-connection-name", "VpnConnectionName"),
        ("vpn-connection-id", "VpnConnectionId"),
    ],
    malformed: "InvalidParameterValue.Malformed",
    not_found: "ResourceNotFound",
};

const VPN_GATEWAYS: Names = Names {
    set: "VpnGatewaySet",
    id: "VpnGatewayId",
    prefix: "vpngw",
    ids: "VpnGatewayIds",
    filters: &[
        ("vpc-id", "VpcId"),
        ("vpn-gateway-id", "VpnGatewayId"),
        ("vpn-gateway-name", "VpnGatewayName"),
        ("type", "Type"),
        ("public-ip-address", "PublicIpAddress"),
        ("renew-flag", "RenewFlag"),
        ("zone", "Zone"),
    ],
    malformed: "InvalidVpnGatewayId.Malformed",
    not_found: "InvalidVpnGatewayId.NotFound",
};

const CUSTOMER_GATEWAYS: Names = Names {
    set: "CustomerGatewaySet",
    id: "CustomerGatewayId",
    prefix: "cgw",
    ids: "CustomerGatewayIds",
    filters: &[
        ("customer-gateway-id", "CustomerGatewayId"),
        ("customer-gateway-name", "CustomerGatewayName"),
        ("ip-address", "IpAddress"),
    ],
    malformed: "InvalidParameterValue.Malformed",
    not_found: "ResourceNotFound",
};

impl Listing {
    pub(super) fn names(self) -> &'static Names {
        match self {
            Self::VpnConnections => &VPN_CONNECTIONS,
            Self::VpnGateways => &VPN_GATEWAYS,
            Self::CustomerGateways => &CUSTOMER_GATEWAYS,
        }
    }
}

/// A row that requests can select.
pub(super) trait ListedRow: Serialize {
    /// The text of a field with a filter, as the row shows it.
    fn text(&self, field: &str) -> Option<Cow<'_, str>>;
}

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query {
    listing: Listing,
    offset: usize,
    limit: usize,
    selection: Selection,
}

/// The rows that a request selects.
#[derive(Debug)]
enum Selection {
    /// Rows that match every filter. A filter is a row field and its allowed values.
    Filters(Vec<(&'static str, Vec<String>)>),
    /// Rows with these identifiers.
    Ids(BTreeSet<String>),
}

/// Some of the selected rows, serialized as the content of a response.
pub(super) struct Page<R> {
    listing: Listing,
    total_count: usize,
    rows: Vec<R>,
}

impl<R: Serialize> Serialize for Page<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut page = serializer.serialize_map(Some(2))?;
        page.serialize_entry("TotalCount", &self.total_count)?;
        page.serialize_entry(self.listing.names().set, &self.rows)?;
        page.end()
    }
}

impl Query {
    pub(super) fn parse(listing: Listing, mut parameters: Parameters) -> Result<Self, ApiError> {
        let names = listing.names();
        let offset = parameters.number("Offset")?.unwrap_or(0);
        let limit = parameters.number("Limit")?.unwrap_or(DEFAULT_LIMIT);
        let ids = parameters.texts(names.ids)?;
        let filters = parameters.filters("Filters")?;
        parameters.finish()?;
        if limit > MOST_ROWS {
            return Err(ApiError::limit_exceeded("Limit", limit, MOST_ROWS));
        }
        let selection = match (ids, filters) {
            (Some(_), Some(_)) => {
                let message = format!("`{}` and `Filters` cannot be specified at the same time.", names.ids);
                return Err(ApiError::new("InvalidParameter.Coexist", message));
            }
            (Some(ids), None) => by_ids(names, ids)?,
            (None, filters) => by_filters(names, filters.unwrap_or_default())?,
        };
        Ok(Self { listing, offset, limit, selection })
    }

    /// Adds the parameters to a journal entry.
    pub(super) fn note(&self, entry: &mut Entry) {
        entry.offset = Some(self.offset);
        entry.limit = Some(self.limit);
        let filters = self.listing.names().filters;
        match &self.selection {
            Selection::Ids(ids) => entry.ids = ids.iter().cloned().collect(),
            Selection::Filters(chosen) => {
                let named = |(field, values): &(&str, Vec<String>)| (name(filters, field), values.clone());
                entry.filters = chosen.iter().map(named).collect();
            }
        }
    }

    /// The page of these rows. All requested identifiers must exist.
    pub(super) fn page<R: ListedRow>(&self, rows: impl Iterator<Item = R>) -> Result<Page<R>, ApiError> {
        let names = self.listing.names();
        let mut page = Page { listing: self.listing, total_count: 0, rows: Vec::with_capacity(self.limit) };
        let mut missing = self.selection.ids();
        for row in rows.filter(|row| self.selection.matches(row, names.id)) {
            if !missing.is_empty()
                && let Some(id) = row.text(names.id)
            {
                missing.remove(&*id);
            }
            if page.total_count >= self.offset && page.rows.len() < self.limit {
                page.rows.push(row);
            }
            page.total_count += 1;
        }
        match missing.first() {
            None => Ok(page),
            Some(id) => Err(ApiError { code: names.not_found.into(), ..ApiError::not_found(id) }),
        }
    }
}

impl Selection {
    fn matches(&self, row: &impl ListedRow, id: &str) -> bool {
        match self {
            Self::Filters(filters) => filters.iter().all(|(field, values)| {
                row.text(field).is_some_and(|text| values.iter().any(|value| *value == text))
            }),
            Self::Ids(ids) => row.text(id).is_some_and(|id| ids.contains(&*id)),
        }
    }

    /// The requested identifiers.
    fn ids(&self) -> BTreeSet<&str> {
        match self {
            Self::Filters(_) => BTreeSet::new(),
            Self::Ids(ids) => ids.iter().map(String::as_str).collect(),
        }
    }
}

fn by_ids(names: &Names, ids: Vec<String>) -> Result<Selection, ApiError> {
    if ids.len() > MOST_IDS {
        return Err(ApiError::limit_exceeded(names.ids, ids.len(), MOST_IDS));
    }
    match ids.iter().find(|id| !is_identifier(id, names.prefix)) {
        Some(id) => Err(ApiError { code: names.malformed.into(), ..ApiError::malformed(names.ids, id) }),
        // An empty list selects every row, like a missing list.
        None if ids.is_empty() => by_filters(names, vec![]),
        None => Ok(Selection::Ids(ids.into_iter().collect())),
    }
}

fn by_filters(names: &Names, filters: Vec<Filter>) -> Result<Selection, ApiError> {
    if filters.len() > MOST_FILTERS {
        return Err(ApiError::limit_exceeded("Filters", filters.len(), MOST_FILTERS));
    }
    let filters = filters.into_iter().map(|(name, values)| {
        if values.len() > MOST_VALUES {
            return Err(ApiError::limit_exceeded("Filters.Values", values.len(), MOST_VALUES));
        }
        let field = names.filters.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
        let unknown =
            || ApiError::new("InvalidParameter.FilterInvalidKey", format!("No filter is named `{name}`."));
        Ok((field.ok_or_else(unknown)?, values))
    });
    filters.collect::<Result<_, _>>().map(Selection::Filters)
}

/// The name of the filter for a field.
fn name(filters: &[(&str, &str)], field: &str) -> String {
    let (name, _) =
        filters.iter().find(|(_, known)| *known == field).expect("only these fields are filtered by");
    (*name).to_owned()
}
