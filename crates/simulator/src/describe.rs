//! `DescribeVpnConnections`: a page of the tunnels that a request selects.
//!
//! Two documented errors occur only as faults: the document gives no cause for `UnsupportedOperation`, and a client
//! cannot cause `InternalError.ModuleError`.

use std::time::Duration;

use serde::Serialize;

use super::{
    error::ApiError,
    journal::Entry,
    names::is_identifier,
    parameters::{Filter, Parameters},
    row::Listed,
    world::{RegionWorld, Selection},
};

const DEFAULT_LIMIT: usize = 20;
const MOST_ROWS: usize = 100;
const MOST_IDS: usize = 100;
const MOST_FILTERS: usize = 10;
const MOST_VALUES: usize = 5;

/// The documented filters and their row fields.
const FILTERS: [(&str, &str); 5] = [
    ("vpc-id", "VpcId"),
    ("vpn-gateway-id", "VpnGatewayId"),
    ("customer-gateway-id", "CustomerGatewayId"),
    ("vpn-connection-name", "VpnConnectionName"),
    ("vpn-connection-id", "VpnConnectionId"),
];

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query {
    offset: usize,
    limit: usize,
    selection: Selection,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page<'a> {
    total_count: usize,
    vpn_connection_set: Vec<Listed<'a>>,
}

impl Query {
    pub(super) fn parse(mut parameters: Parameters) -> Result<Self, ApiError> {
        let offset = parameters.number("Offset")?.unwrap_or(0);
        let limit = parameters.number("Limit")?.unwrap_or(DEFAULT_LIMIT);
        let ids = parameters.texts("VpnConnectionIds")?;
        let filters = parameters.filters("Filters")?;
        parameters.finish()?;
        if limit > MOST_ROWS {
            return Err(ApiError::limit_exceeded("Limit", limit, MOST_ROWS));
        }
        let selection = match (ids, filters) {
            (Some(_), Some(_)) => {
                let message = "`VpnConnectionIds` and `Filters` cannot be specified at the same time.";
                return Err(ApiError::new("InvalidParameter.Coexist", message));
            }
            (Some(ids), None) => by_ids(ids)?,
            (None, filters) => by_filters(filters.unwrap_or_default())?,
        };
        Ok(Self { offset, limit, selection })
    }

    /// Adds the parameters to a journal entry.
    pub(super) fn note(&self, entry: &mut Entry) {
        entry.offset = Some(self.offset);
        entry.limit = Some(self.limit);
        match &self.selection {
            Selection::Ids(ids) => entry.ids = ids.iter().cloned().collect(),
            Selection::Filters(filters) => {
                entry.filters = filters.iter().map(|(field, values)| (name(field), values.clone())).collect();
            }
        }
    }

    /// The page at a time since the simulation started. All requested identifiers must exist.
    pub(super) fn page<'a>(&self, region: &'a RegionWorld, at: Duration) -> Result<Page<'a>, ApiError> {
        let (total_count, vpn_connection_set) = region.page(&self.selection, self.offset, self.limit, at);
        if let Selection::Ids(ids) = &self.selection
            && total_count < ids.len()
        {
            let existing: Vec<_> =
                region.listed(at).filter_map(|row| row.tunnel.text("VpnConnectionId")).collect();
            let missing = ids.iter().find(|id| !existing.contains(&id.as_str())).expect("one is missing");
            return Err(ApiError::not_found(missing));
        }
        Ok(Page { total_count, vpn_connection_set })
    }
}

fn by_ids(ids: Vec<String>) -> Result<Selection, ApiError> {
    if ids.len() > MOST_IDS {
        return Err(ApiError::limit_exceeded("VpnConnectionIds", ids.len(), MOST_IDS));
    }
    match ids.iter().find(|id| !is_identifier(id, "vpnx")) {
        Some(id) => Err(ApiError::malformed("VpnConnectionIds", id)),
        // An empty list selects every tunnel, like a missing list.
        None if ids.is_empty() => by_filters(vec![]),
        None => Ok(Selection::Ids(ids.into_iter().collect())),
    }
}

fn by_filters(filters: Vec<Filter>) -> Result<Selection, ApiError> {
    if filters.len() > MOST_FILTERS {
        return Err(ApiError::limit_exceeded("Filters", filters.len(), MOST_FILTERS));
    }
    let filters = filters.into_iter().map(|(name, values)| {
        if values.len() > MOST_VALUES {
            return Err(ApiError::limit_exceeded("Filters.Values", values.len(), MOST_VALUES));
        }
        let field = FILTERS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
        let unknown =
            || ApiError::new("InvalidParameter.FilterInvalidKey", format!("No filter is named `{name}`."));
        Ok((field.ok_or_else(unknown)?, values))
    });
    filters.collect::<Result<_, _>>().map(Selection::Filters)
}

/// The name of the filter for a field.
fn name(field: &str) -> String {
    let (name, _) =
        FILTERS.iter().find(|(_, known)| *known == field).expect("only these fields are filtered by");
    (*name).to_owned()
}
