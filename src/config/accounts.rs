//! `accounts`: from the untyped value to who is watched, where, and with whose credentials.

use std::collections::HashSet;

use config::ValueKind;

use super::{
    Account, CredentialSource, Filter, Regions,
    credentials::{assume_role, credentials},
    regions,
    walk::{Node, Table, distinct, nearest},
};
use crate::domain::{AccountName, Region, Site};

/// What to do where there are no accounts.
const LIST_ACCOUNTS: &str = "list at least one account, with its name and regions";

/// The filters of `DescribeVpnConnections`. The ten that it allows are never reached, since each may be there once.
const FILTERS: [&str; 5] =
    ["vpc-id", "vpn-gateway-id", "customer-gateway-id", "vpn-connection-name", "vpn-connection-id"];

/// How many values `DescribeVpnConnections` allows for a filter.
const MAX_FILTER_VALUES: usize = 5;

pub(super) fn read(root: &Table<'_>) -> Option<Vec<Account>> {
    let node = root.require("accounts", LIST_ACCOUNTS)?;
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.problem(format_args!("is empty; {LIST_ACCOUNTS}"));
    }
    let mut names = HashSet::new();
    // Every account is read before one that is wrong ends the reading.
    let accounts: Vec<Option<Account>> = nodes.iter().map(|node| account(node, &mut names)).collect();
    accounts.into_iter().collect()
}

fn account(node: &Node<'_>, names: &mut HashSet<AccountName>) -> Option<Account> {
    let table = node.table(&["name", "site", "regions", "credentials", "assume_role", "filters"])?;
    let name = table.require("name", "name the account; the name becomes a label").and_then(|node| {
        let name = node.parsed(AccountName::new)?;
        if !names.insert(name.clone()) {
            node.refuse("is the name of an earlier account; each needs its own");
        }
        Some(name)
    });
    let regions = table
        .require("regions", "list them, such as [ap-guangzhou], or write all")
        .and_then(|node| regions(&node));
    let site = table.read_or("site", Site::default(), |node| node.parsed(Site::parse));
    let credentials = table.read_or("credentials", CredentialSource::Default, credentials);
    let assume_role = table.read_or("assume_role", None, |node| assume_role(node).map(Some));
    let filters = table.read_or("filters", vec![], filters);
    Some(Account {
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
            node.refuse("is neither all nor a list; a single region is a list too, such as [ap-guangzhou]");
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
        node.problem("all stands in a list; write all by itself, or list regions without it");
    } else if !regions::KNOWN.contains(&name) {
        let remedy = match nearest(name, regions::KNOWN.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "check its spelling.".to_owned(),
        };
        node.warning(format_args!("{name} is not among the known regions; {remedy} It is polled as it is"));
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
            node.refuse("is the name of an earlier filter; put all values into one");
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
    let value =
        |text: &str| if text.is_empty() { Err("is empty; leave it out") } else { Ok(text.to_owned()) };
    distinct(&nodes, |node| node.parsed(value))
}
