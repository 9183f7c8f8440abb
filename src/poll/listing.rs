//! A target's whole listing: every page or nothing, and no tunnel that lives left out because pages shifted.
//!
//! The API's list is not a snapshot. A tunnel made or deleted between two pages shifts the rows behind it, so that a page
//! can repeat a row or miss one, and counts do not always show it.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::time::Instant;

use super::TargetApi;
use crate::{
    domain::{Listing, TagLabel, Tunnel, TunnelId, UnknownValue, Verdict},
    snapshot::tunnel_record::TunnelRecord,
    tencent::{
        ApiError,
        vpn::{DescribeVpnConnections, Filter, MAX_FILTER_VALUES, PAGE_ROWS, Page, VPN_CONNECTION_ID},
    },
};

/// How many requests of one target are under way at once.
const CONCURRENT_REQUESTS: usize = 8;

/// More pages than any account has tunnels for; a count that asks for more is not believed.
const MAX_PAGES: usize = 1000;

/// How many missing tunnels are asked for one by one; more are cheaper to find by a second listing.
const MAX_LOOK_UPS: usize = 100;

/// A listing, and whether its pages disagreed with each other.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) listing: Listing,
    pub(super) inconsistent: bool,
}

/// How a target is read, and until when.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) api: &'a TargetApi,
    pub(super) filters: &'a [Filter],
    /// The tags to keep of each tunnel.
    pub(super) tag_labels: &'a [TagLabel],
    pub(super) deadline: Instant,
    /// A tunnel that is in doubt since this time, or since earlier, is left out.
    pub(super) doubt_limit: Timestamp,
}

/// Looks up one tunnel. `None` only where a consistent response lacks it, or where the API does not find it. A response with a
/// row that has no id is malformed.
pub async fn find(api: &TargetApi, id: &TunnelId, deadline: Instant) -> Result<Option<Tunnel>, ApiError> {
    let reader = Reader { api, filters: &[], tag_labels: &[], deadline, doubt_limit: Timestamp::MIN };
    let mut found = reader.by_id(id).await?;
    if found.rows_without_id > 0 {
        return Err(ApiError::Malformed("a look-up shows a row without a VpnConnectionId".into()));
    }
    Ok(found.tunnels.remove(id).map(|(_, tunnel)| tunnel))
}

impl Reader<'_> {
    /// Reads all tunnels. One that was `published` and is not listed is looked for, and left out only if it is not found.
    pub(super) async fn read(&self, published: &[Arc<TunnelRecord>]) -> Result<Outcome, ApiError> {
        let doubted_too_long: BTreeSet<&TunnelId> = published
            .iter()
            .filter(|record| record.in_doubt_since.is_some_and(|since| since <= self.doubt_limit))
            .map(|record| &record.tunnel.id)
            .collect();
        let published: BTreeMap<&TunnelId, &Tunnel> =
            published.iter().map(|record| (&record.tunnel.id, &record.tunnel)).collect();
        let mut reading = self.pages().await?;
        let inconsistent = !reading.is_consistent();
        // Of the first reading no more is kept than its news: a second one takes as much memory again.
        let mut news = Vec::new();
        if inconsistent {
            let tunnels = reading.tunnels.into_values().map(|(_, tunnel)| tunnel);
            news = tunnels.filter(|tunnel| !published.contains_key(&tunnel.id)).collect();
            reading = self.pages().await?;
        }
        let lacking =
            |tunnel: &&Tunnel| !reading.tunnels.contains_key(&tunnel.id) && self.is_watched(&tunnel.id);
        let by_id = |tunnel: &Tunnel| (tunnel.id.clone(), tunnel.clone());
        // As each was last seen.
        let mut missing: BTreeMap<TunnelId, Tunnel> =
            published.into_values().filter(lacking).map(by_id).collect();
        missing.extend(news.iter().filter(lacking).map(by_id));
        if missing.len() > MAX_LOOK_UPS {
            reading.add_missing(self.pages().await?, &missing);
            missing.retain(|id, _| !reading.tunnels.contains_key(id));
        }
        // If too many are missing to look up all, a sample decides: one that is found proves that the listings are wrong.
        let missing: Vec<&Tunnel> = missing.values().collect();
        let (sample, others) = missing.split_at(missing.len().min(MAX_LOOK_UPS));
        self.look_up(sample, &doubted_too_long, &mut reading).await?;
        if !others.is_empty() && sample.iter().any(|tunnel| reading.has_found(&tunnel.id)) {
            return Err(ApiError::Malformed("two listings lack tunnels that are there".into()));
        }
        if reading.rows_without_id > 0 {
            reading.doubt(others, &doubted_too_long);
        }
        Ok(Outcome { listing: reading.into_listing(), inconsistent })
    }

    /// Whether the account's own filters, which a reload may have changed, can let this id through.
    fn is_watched(&self, id: &TunnelId) -> bool {
        let mut by_id = self.filters.iter().filter(|filter| filter.name == VPN_CONNECTION_ID);
        by_id.all(|filter| filter.values.iter().any(|value| value == id.as_str()))
    }

    /// Reads every page once: the first says how many there are, and an empty one that there are no more.
    async fn pages(&self) -> Result<Reading, ApiError> {
        let first = self.page(self.filters, 0).await?;
        if first.page.total_count > 0 && first.is_empty() {
            let problem = format!("the first page counts {} tunnels and shows none", first.page.total_count);
            return Err(ApiError::Malformed(problem));
        }
        let pages = page_count(first.page.total_count)?;
        let mut reading = Reading::new(first);
        let offsets = (1..pages).map(|page| page * PAGE_ROWS);
        let mut rest =
            stream::iter(offsets).map(|offset| self.page(self.filters, offset)).buffered(CONCURRENT_REQUESTS);
        while let Some(page) = rest.try_next().await? {
            let is_empty = page.is_empty();
            reading.add(page);
            // A count that lies would have us ask on and on, at the cost of the account's other targets.
            if is_empty {
                break;
            }
        }
        // A single row without an id can be the target's only tunnel.
        if reading.tunnels.is_empty() && reading.rows_without_id > 1 {
            return Err(ApiError::Malformed("no row has a VpnConnectionId".into()));
        }
        Ok(reading)
    }

    /// Looks up tunnels by their ids. Where a row of the listing or of the response has no id, it may be any of the tunnels
    /// that the response does not show: each of them is kept with all statuses unknown, unless it was in doubt for too long.
    async fn look_up(
        &self,
        missing: &[&Tunnel],
        doubted_too_long: &BTreeSet<&TunnelId>,
        reading: &mut Reading,
    ) -> Result<(), ApiError> {
        for some in missing.chunks(MAX_FILTER_VALUES) {
            let ids: Vec<_> = some.iter().map(|tunnel| &tunnel.id).collect();
            let found = match self.by_ids(&ids).await {
                // One id that the API does not find can fail the look-up of all.
                Err(error) if error.is_not_found() => self.one_by_one(&ids).await?,
                found => found?,
            };
            let is_in_doubt = found.rows_without_id + reading.rows_without_id > 0;
            reading.unknown_values.extend(found.unknown_values);
            reading.tunnels.extend(found.tunnels);
            if is_in_doubt {
                reading.doubt(some, doubted_too_long);
            }
        }
        Ok(())
    }

    async fn one_by_one(&self, ids: &[&TunnelId]) -> Result<Reading, ApiError> {
        let mut all = Reading::default();
        for id in ids {
            let found = self.by_id(id).await?;
            all.rows_without_id += found.rows_without_id;
            all.unknown_values.extend(found.unknown_values);
            all.tunnels.extend(found.tunnels);
        }
        Ok(all)
    }

    /// Looks up one tunnel. `ResourceNotFound` reads as an empty list.
    async fn by_id(&self, id: &TunnelId) -> Result<Reading, ApiError> {
        match self.by_ids(&[id]).await {
            Err(error) if error.is_not_found() => Ok(Reading::default()),
            found => found,
        }
    }

    /// Looks up at most [`MAX_FILTER_VALUES`] tunnels by their ids. A response whose counts disagree, or that shows other tunnels,
    /// is malformed.
    async fn by_ids(&self, ids: &[&TunnelId]) -> Result<Reading, ApiError> {
        let found = Reading::new(self.page(&narrowed(self.filters, ids), 0).await?);
        if found.is_consistent() && found.tunnels.keys().all(|id| ids.contains(&id)) {
            return Ok(found);
        }
        let (count, Reading { total_count, rows, .. }) = (ids.len(), found);
        Err(ApiError::Malformed(format!(
            "a look-up of {count} tunnels by id has TotalCount {total_count} and {rows} rows, or rows of other tunnels"
        )))
    }

    async fn page(&self, filters: &[Filter], offset: usize) -> Result<Arrived, ApiError> {
        let parameters = DescribeVpnConnections { filters, offset, limit: PAGE_ROWS };
        let mut page = self.api.describe(&parameters, self.deadline).await?;
        page.tunnels.iter_mut().for_each(|tunnel| tunnel.keep_tags(self.tag_labels));
        Ok(Arrived { page, at: Instant::now() })
    }
}

fn page_count(total_count: u64) -> Result<usize, ApiError> {
    let pages = total_count.div_ceil(PAGE_ROWS as u64);
    usize::try_from(pages).ok().filter(|&pages| pages <= MAX_PAGES).ok_or_else(|| {
        let most = MAX_PAGES * PAGE_ROWS;
        ApiError::Malformed(format!("TotalCount is {total_count}, more than the {most} that are believed"))
    })
}

/// The account's own filters, and these tunnels' ids. They take the place of ids that the account itself filters by, among which
/// they are.
fn narrowed(filters: &[Filter], ids: &[&TunnelId]) -> Vec<Filter> {
    let values = ids.iter().map(|id| id.as_str().to_owned()).collect();
    let own = filters.iter().filter(|filter| filter.name != VPN_CONNECTION_ID).cloned();
    own.chain([Filter { name: VPN_CONNECTION_ID.into(), values }]).collect()
}

/// A page, and when it came: not always in the order of the offsets.
#[derive(Debug)]
struct Arrived {
    page: Page,
    at: Instant,
}

impl Arrived {
    /// Whether the page has no row, with or without an id.
    fn is_empty(&self) -> bool {
        self.page.tunnels.is_empty() && self.page.rows_without_id == 0
    }
}

/// The pages of one reading, put together.
#[derive(Debug, Default)]
struct Reading {
    /// Each tunnel, and when the page came that shows it so.
    tunnels: BTreeMap<TunnelId, (Instant, Tunnel)>,
    rows_without_id: usize,
    in_doubt: BTreeSet<TunnelId>,
    unknown_values: Vec<UnknownValue>,
    total_count: u64,
    rows: u64,
    counts_differ: bool,
}

impl Reading {
    fn new(first: Arrived) -> Self {
        let mut reading = Self { total_count: first.page.total_count, ..Self::default() };
        reading.add(first);
        reading
    }

    /// Of a tunnel that two pages show, the page that came later is believed; of one that a page shows twice, the worse row.
    fn add(&mut self, Arrived { page, at }: Arrived) {
        self.counts_differ |= page.total_count != self.total_count;
        self.rows += (page.tunnels.len() + page.rows_without_id) as u64;
        self.rows_without_id += page.rows_without_id;
        self.unknown_values.extend(page.unknown_values);
        for tunnel in page.tunnels {
            match self.tunnels.entry(tunnel.id.clone()) {
                Entry::Occupied(shown) if shown.get().0 > at => {}
                Entry::Occupied(shown) if shown.get().0 == at && !is_worse(&tunnel, &shown.get().1) => {}
                Entry::Occupied(mut shown) => {
                    shown.insert((at, tunnel));
                }
                Entry::Vacant(place) => {
                    place.insert((at, tunnel));
                }
            }
        }
    }

    /// Whether the pages agree on how many tunnels there are, and show as many, each once.
    fn is_consistent(&self) -> bool {
        let distinct = (self.tunnels.len() + self.rows_without_id) as u64;
        !self.counts_differ && self.rows == self.total_count && distinct == self.rows
    }

    /// Takes over what another reading has of the tunnels that this one lacks.
    fn add_missing(&mut self, other: Self, missing: &BTreeMap<TunnelId, Tunnel>) {
        self.tunnels.extend(other.tunnels.into_iter().filter(|(id, _)| missing.contains_key(id)));
    }

    /// Whether a row shows this tunnel.
    fn has_found(&self, id: &TunnelId) -> bool {
        self.tunnels.contains_key(id) && !self.in_doubt.contains(id)
    }

    /// Keeps those of these tunnels that no row shows, with all statuses unknown, unless they were in doubt for too long.
    fn doubt(&mut self, tunnels: &[&Tunnel], doubted_too_long: &BTreeSet<&TunnelId>) {
        let at = Instant::now();
        for tunnel in tunnels.iter().filter(|tunnel| !doubted_too_long.contains(&tunnel.id)) {
            if let Entry::Vacant(place) = self.tunnels.entry(tunnel.id.clone()) {
                place.insert((at, tunnel.with_unknown_statuses()));
                self.in_doubt.insert(tunnel.id.clone());
            }
        }
    }

    fn into_listing(self) -> Listing {
        Listing {
            tunnels: self.tunnels.into_values().map(|(_, tunnel)| tunnel).collect(),
            rows_without_id: self.rows_without_id,
            in_doubt: self.in_doubt,
            unknown_values: self.unknown_values,
        }
    }
}

/// Whether a row is to be believed rather than another that was read at the same moment.
fn is_worse(row: &Tunnel, other: &Tunnel) -> bool {
    other.verdict() != Verdict::Down && row.verdict() != Verdict::Up
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{json, value::RawValue};

    use super::*;
    use crate::{
        domain::{NetStatus, TunnelState},
        tencent::client::FromResponse,
    };

    fn page(state: &str, at: Instant) -> Arrived {
        let rows = json!([{"VpnConnectionId": "vpnx-1", "State": state}]);
        let response = json!({"TotalCount": 1, "VpnConnectionSet": rows}).to_string();
        let response = RawValue::from_string(response).expect("JSON");
        Arrived { page: Page::from_response(&response).expect("a page"), at }
    }

    #[test]
    fn of_two_readings_of_a_tunnel_the_later_one_wins_in_whatever_order_they_are_added() {
        let early = Instant::now();
        let late = early + Duration::from_millis(1);
        for pages in [
            [page("PENDING", early), page("AVAILABLE", late)],
            [page("AVAILABLE", late), page("PENDING", early)],
        ] {
            let [first, second] = pages;
            let mut reading = Reading::new(first);
            reading.add(second);
            assert!(!reading.is_consistent(), "one tunnel on two pages is a disagreement");
            let tunnels = reading.into_listing().tunnels;
            assert_eq!(
                tunnels.iter().map(|tunnel| tunnel.state).collect::<Vec<_>>(),
                [TunnelState::Available]
            );
        }
    }

    #[test]
    fn of_two_rows_of_a_tunnel_on_one_page_the_worse_is_believed() {
        let at = Instant::now();
        let row =
            |status: &str| json!({"VpnConnectionId": "vpnx-1", "State": "AVAILABLE", "NetStatus": status});
        for statuses in [["UNAVAILABLE", "AVAILABLE"], ["AVAILABLE", "UNAVAILABLE"], ["UNAVAILABLE", "ODD"]] {
            let rows = statuses.map(row);
            let response = json!({"TotalCount": 2, "VpnConnectionSet": rows}).to_string();
            let response = RawValue::from_string(response).expect("JSON");
            let page = Page::from_response(&response).expect("a page");
            let tunnels = Reading::new(Arrived { page, at }).into_listing().tunnels;
            assert_eq!(tunnels[0].net_status, NetStatus::Unavailable, "{statuses:?}");
        }
    }
}
