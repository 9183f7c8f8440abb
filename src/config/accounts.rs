//! `accounts`: parses accounts with their regions, credentials and filters.

use std::{collections::HashSet, path::Path};

use config::ValueKind;

use super::{
    AccountConfig, Regions,
    credentials::{assume_role, credentials},
    reader::{Node, Table, distinct},
    regions,
};
use crate::domain::{
    credential_source::CredentialSource,
    filter::Filter,
    site::Site,
    target::{AccountName, Region},
};

/// The remedy if there are no accounts.
const LIST_ACCOUNTS: &str = "list at least one account, with its name and regions";

/// The filters of `DescribeVpnConnections`. Each is allowed once, which keeps them below the API's limit of ten.
const FILTERS: [&str; 5] =
    ["vpc-id", "vpn-gateway-id", "customer-gateway-id", "vpn-connection-name", "vpn-connection-id"];

/// The maximum number of values of a filter of `DescribeVpnConnections`.
const MAX_FILTER_VALUES: usize = 5;

/// Relative paths are resolved against `base`.
pub(super) fn read(root: &Table<'_>, base: &Path) -> Option<Vec<AccountConfig>> {
    let node = root.require("accounts", LIST_ACCOUNTS)?;
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.problem(format_args!("is empty; {LIST_ACCOUNTS}"));
    }
    let mut names = HashSet::new();
    // Read all accounts first, so that the problems of all of them are reported.
    let accounts: Vec<Option<AccountConfig>> =
        nodes.iter().map(|node| account(node, &mut names, base)).collect();
    accounts.into_iter().collect()
}

fn account(node: &Node<'_>, names: &mut HashSet<AccountName>, base: &Path) -> Option<AccountConfig> {
    let table = node.table(&["name", "site", "regions", "credentials", "assume_role", "filters"])?;
    let name = table.require("name", "name the account; the name becomes a label").and_then(|node| {
        let name = node.parsed(AccountName::new)?;
        if !names.insert(name.clone()) {
            node.error("is already used by another account; choose another name");
        }
        Some(name)
    });
    let regions = table
        .require("regions", "list them, such as [ap-guangzhou], or write all")
        .and_then(|node| regions(&node));
    let site = table.read_or("site", Site::default(), |node| node.parsed(Site::parse));
    let credentials = table.read_or("credentials", CredentialSource::Default, |node| credentials(node, base));
    let assume_role = table.read_or("assume_role", None, |node| assume_role(node).map(Some));
    let filters = table.read_or("filters", vec![], filters);
    Some(AccountConfig {
        name: name?,
        site: site?,
        regions: regions?,
        credentials: credentials?,
        assume_role: assume_role?,
        filters: filters?,
    })
}

fn regions(node: &Node<'_>) -> Option<Regions> {
    if let ValueKind::String(text) = node.kind() {
        if text != "all" {
            node.error("is neither all nor a list; write a list, such as [ap-guangzhou]");
        }
        return Some(Regions::All);
    }
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.problem("is empty; list at least one region, or write all");
    }
    distinct(&nodes, region).map(Regions::Listed)
}

fn region(node: &Node<'_>) -> Option<Region> {
    let region = node.parsed(Region::new)?;
    let name = region.as_str();
    if name == "all" {
        node.problem("is all, which cannot be in a list; write regions: all, or list regions");
    } else if !regions::KNOWN.contains(&name) {
        node.warning(format_args!("{name} is an unknown region and is polled anyway; check its spelling"));
    }
    Some(region)
}

fn filters(node: &Node<'_>) -> Option<Vec<Filter>> {
    let mut names = HashSet::new();
    let filters: Vec<Option<Filter>> = node.list()?.iter().map(|node| filter(node, &mut names)).collect();
    filters.into_iter().collect()
}

fn filter(node: &Node<'_>, names: &mut HashSet<String>) -> Option<Filter> {
    let table = node.table(&["name", "values"])?;
    let name = table.require("name", &format!("write one of {}", FILTERS.join(", "))).and_then(|node| {
        let name = node.parsed(filter_name)?;
        if !names.insert(name.clone()) {
            node.error("is already used by another filter; write all values into one filter");
        }
        Some(name)
    });
    let values = table.require("values", "list 1 to 5 of them").and_then(|node| filter_values(&node));
    Some(Filter { name: name?, values: values? })
}

fn filter_name(text: &str) -> Result<String, String> {
    if FILTERS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("is not a filter of the API; write one of {}", FILTERS.join(", ")))
}

fn filter_values(node: &Node<'_>) -> Option<Vec<String>> {
    let nodes = node.list()?;
    if !(1..=MAX_FILTER_VALUES).contains(&nodes.len()) {
        node.problem(format_args!("has {} values; list 1 to {MAX_FILTER_VALUES} of them", nodes.len()));
    }
    let value = |text: &str| if text.is_empty() { Err("is empty; remove it") } else { Ok(text.to_owned()) };
    distinct(&nodes, |node| node.parsed(value))
}
