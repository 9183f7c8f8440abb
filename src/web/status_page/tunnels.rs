//! The tunnels of a page: filter, order, groups and page numbers.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::{
    query::Query,
    summary::{Summary, TunnelOfTarget},
    text::counted,
    tunnel_row::TunnelRow,
};
use crate::domain::{display::number, tunnel_status::TunnelStatus};

/// The maximum number of tunnels on one page, small enough for a phone.
const TUNNELS_PER_PAGE: usize = 200;

/// The tunnels of one page.
#[derive(Debug)]
pub(super) struct Tunnels<'a> {
    /// The number of all tunnels.
    pub(super) total: usize,
    /// The number of tunnels that the query matches.
    pub(super) found: usize,
    /// The page, counted from 1.
    pub(super) page: usize,
    /// The number of pages, at least 1.
    pub(super) pages: usize,
    /// The rows, the worst first.
    pub(super) groups: Vec<Group<'a>>,
    /// Whether the table has a column for peers.
    pub(super) shows_peers: bool,
}

/// The tunnels of a page with one status.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) tunnel_status: TunnelStatus,
    /// The number of tunnels with this status that the query matches, on all pages.
    pub(super) total: String,
    pub(super) rows: Vec<TunnelRow<'a>>,
}

impl<'a> Tunnels<'a> {
    pub(super) fn of(summary: &Summary<'a>, query: &Query, started: Timestamp, now: Timestamp) -> Self {
        let mut found = matching(summary, query);
        // The worst first, then the latest change. The sort is stable, so tunnels with equal keys stay ordered by target and
        // id.
        found.sort_by_cached_key(|seen| (seen.tunnel_status, Reverse(seen.record.history.last_transition)));
        let pages = found.len().div_ceil(TUNNELS_PER_PAGE).max(1);
        let page = query.page.min(pages);
        let rows = found.iter().skip((page - 1) * TUNNELS_PER_PAGE).take(TUNNELS_PER_PAGE);
        let rows: Vec<_> = rows.copied().collect();
        let groups = rows.chunk_by(|a, b| a.tunnel_status == b.tunnel_status).map(|alike| {
            let tunnel_status = alike[0].tunnel_status;
            let total = found.iter().filter(|seen| seen.tunnel_status == tunnel_status).count();
            let rows = alike.iter().map(|seen| TunnelRow::of(seen, started, now)).collect();
            Group { tunnel_status, total: number(total), rows }
        });
        Self {
            total: summary.tunnels.len(),
            found: found.len(),
            page,
            pages,
            groups: groups.collect(),
            shows_peers: summary.knows_peers,
        }
    }

    /// The heading: how many tunnels, and which of them are on this page.
    pub(super) fn extent(&self, query: &Query) -> String {
        let total = counted(self.total, "tunnel");
        let found = if query.matches_all() { total } else { format!("{} of {total}", number(self.found)) };
        if self.pages == 1 {
            return found;
        }
        let first = (self.page - 1) * TUNNELS_PER_PAGE + 1;
        let last = (self.page * TUNNELS_PER_PAGE).min(self.found);
        format!("{found}, {} to {} on this page", number(first), number(last))
    }
}

/// The tunnels that a query matches: each of its words is in a text of the row, ignoring case.
fn matching<'a>(summary: &Summary<'a>, query: &Query) -> Vec<TunnelOfTarget<'a>> {
    let search = query.search.to_lowercase();
    let words: Vec<&str> = search.split_whitespace().collect();
    let tunnel_status = |seen: &&TunnelOfTarget<'a>| {
        query.show.is_none_or(|tunnel_status| tunnel_status == seen.tunnel_status)
    };
    let matches = |seen: &&TunnelOfTarget<'a>| words.is_empty() || has_all(seen, &words);
    summary.tunnels.iter().filter(tunnel_status).filter(matches).copied().collect()
}

fn has_all(seen: &TunnelOfTarget<'_>, words: &[&str]) -> bool {
    let (target, tunnel) = (&seen.target.target, &seen.record.row);
    let (gateway, peer) = (seen.gateway(), seen.peer());
    let texts = [
        &*tunnel.name,
        tunnel.id.as_str(),
        target.account.as_str(),
        target.region.as_str(),
        &tunnel.vpn_gateway_id,
        &tunnel.customer_gateway_id,
        gateway.map_or("", |gateway| &gateway.name),
        gateway.map_or("", |gateway| &gateway.public_ip_address),
        peer.map_or("", |peer| &peer.name),
        peer.map_or("", |peer| &peer.ip_address),
        seen.cause().unwrap_or_default(),
    ];
    // Words contain no line feed, so a word cannot match across two texts.
    let text = texts.join("\n").to_lowercase();
    words.iter().all(|word| text.contains(word))
}
