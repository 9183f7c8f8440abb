//! The VPN gateways and customer gateways of a target: two listings that succeed or fail separately. Tunnels do not depend on
//! them.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Failure,
    listed::Listed,
    record::{Change, Record},
};
use crate::domain::{
    customer_gateway::CustomerGateway, gateway::Gateway, listing::Listing, row::Row, tunnel::Tunnel,
    tunnel_status::TunnelStatus,
};

/// The gateways of a target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GatewaysSnapshot {
    /// The VPN gateways.
    pub gateways: Refreshed<Gateway>,
    /// The customer gateways.
    pub customer_gateways: Refreshed<CustomerGateway>,
    /// When both listings last succeeded together.
    pub last_success: Option<Timestamp>,
}

/// The rows of one kind, and how their last listing ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Refreshed<R: Row> {
    /// The rows of the last successful listing, also when they are stale.
    pub listed: Listed<R>,
    /// How the last listing ended; `None` before the first.
    pub last_attempt: Option<Result<(), Failure>>,
    last_success: Option<Timestamp>,
    /// When the last successful listing ended, by the monotonic clock; `None` before the first, and if the rows are stale.
    fresh_since: Option<Instant>,
}

impl<R: Row> Default for Refreshed<R> {
    fn default() -> Self {
        Self { listed: Listed::default(), last_attempt: None, last_success: None, fresh_since: None }
    }
}

impl<R: Row> Refreshed<R> {
    /// The published rows, in the order of their ids: those of the last successful listing. `None` before the first, and while
    /// they are stale.
    #[must_use]
    pub fn published(&self) -> Option<&[Arc<Record<R>>]> {
        self.listed.records().filter(|_| self.fresh_since.is_some())
    }

    /// Why the last listing failed; `None` if it succeeded, or before the first.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.last_attempt.as_ref()?.as_ref().err()
    }

    /// The state after a successful listing, and the changes. `now` is the same time as `ended`, by the monotonic clock.
    #[must_use]
    pub fn succeeded(&self, listing: Listing<R>, ended: Timestamp, now: Instant) -> (Self, Vec<Change<R>>) {
        let (listed, changes) = self.listed.after(listing, ended, self.last_success.unwrap_or(ended));
        let last_attempt = Some(Ok(()));
        (Self { listed, last_attempt, last_success: Some(ended), fresh_since: Some(now) }, changes)
    }

    /// The state after a failed listing: the rows stay as they were.
    #[must_use]
    pub fn failed(&self, failure: Failure) -> Self {
        Self { last_attempt: Some(Err(failure)), ..self.clone() }
    }

    /// When the rows become stale; `None` while listings succeed, and if there are no rows.
    fn next_expiry(&self, stale_after: Duration) -> Option<Instant> {
        self.fresh_since.filter(|_| self.failure().is_some()).map(|since| since + stale_after)
    }

    fn expire(&mut self, now: Instant, stale_after: Duration) {
        if self.next_expiry(stale_after).is_some_and(|expiry| expiry <= now) {
            self.fresh_since = None;
        }
    }
}

impl GatewaysSnapshot {
    /// Whether the last listings of both kinds succeeded; `None` before the first have ended.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        let (gateways, customer_gateways) =
            (self.gateways.last_attempt.as_ref()?, self.customer_gateways.last_attempt.as_ref()?);
        Some(gateways.is_ok() && customer_gateways.is_ok())
    }

    /// Why the last listings failed.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.gateways.failure().into_iter().chain(self.customer_gateways.failure())
    }

    /// When the next rows become stale; `None` while listings succeed, and if there are no rows.
    #[must_use]
    pub fn next_expiry(&self, stale_after: Duration) -> Option<Instant> {
        let expiries =
            [self.gateways.next_expiry(stale_after), self.customer_gateways.next_expiry(stale_after)];
        expiries.into_iter().flatten().min()
    }

    /// Hides the rows that are stale.
    pub fn expire(&mut self, now: Instant, stale_after: Duration) {
        self.gateways.expire(now, stale_after);
        self.customer_gateways.expire(now, stale_after);
    }

    /// The published VPN gateway of a tunnel.
    #[must_use]
    pub fn gateway_of(&self, tunnel: &Tunnel) -> Option<&Gateway> {
        let records = self.gateways.published()?;
        let found =
            records.binary_search_by(|record| record.row.id.as_str().cmp(&tunnel.vpn_gateway_id)).ok()?;
        Some(&records[found].row)
    }

    /// Why a tunnel is not up, in words, if its published gateway is broken.
    #[must_use]
    pub fn cause_of(&self, tunnel: &Tunnel) -> Option<&'static str> {
        let gateway = self.gateway_of(tunnel).filter(|_| tunnel.status() != TunnelStatus::Up)?;
        gateway.status().cause()
    }

    /// The published customer gateway of a tunnel.
    #[must_use]
    pub fn customer_gateway_of(&self, tunnel: &Tunnel) -> Option<&CustomerGateway> {
        let records = self.customer_gateways.published()?;
        let id = &*tunnel.customer_gateway_id;
        let found = records.binary_search_by(|record| record.row.id.as_str().cmp(id)).ok()?;
        Some(&records[found].row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{customer_gateway::CustomerGatewayId, reason::Reason};

    fn listing() -> Listing<CustomerGateway> {
        let id = CustomerGatewayId::new("cgw-1").expect("an id");
        let texts: [Box<str>; 3] = Default::default();
        let [name, ip_address, bgp_asn] = texts;
        Listing { rows: vec![CustomerGateway { id, name, ip_address, bgp_asn }], ..Listing::default() }
    }

    fn failure() -> Failure {
        Failure { reason: Reason::Unauthorized, message: "no permission".into() }
    }

    #[test]
    fn both_listings_must_succeed() {
        let now = Instant::now();
        let mut state = GatewaysSnapshot::default();
        assert_eq!(state.is_up(), None);
        state.customer_gateways = state.customer_gateways.succeeded(listing(), Timestamp::MIN, now).0;
        assert_eq!(state.is_up(), None, "gateways were not listed yet");
        state.gateways = state.gateways.failed(failure());
        assert_eq!(state.is_up(), Some(false));
        assert_eq!(state.failures().count(), 1);
        assert!(state.customer_gateways.published().is_some(), "each listing is published by itself");
        state.gateways = state.gateways.succeeded(Listing::default(), Timestamp::MIN, now).0;
        assert_eq!(state.is_up(), Some(true));
    }

    #[test]
    fn only_failing_listings_become_stale() {
        let minute = Duration::from_mins(1);
        let (now, later) = (Instant::now(), Instant::now() + minute);
        let mut state = GatewaysSnapshot::default();
        state.customer_gateways = state.customer_gateways.succeeded(listing(), Timestamp::MIN, now).0;
        state.expire(later, minute);
        assert!(state.customer_gateways.published().is_some(), "the last listing succeeded");
        assert_eq!(state.next_expiry(minute), None);
        state.customer_gateways = state.customer_gateways.failed(failure());
        assert_eq!(state.next_expiry(minute), Some(now + minute));
        state.expire(now, minute);
        assert!(state.customer_gateways.published().is_some());
        state.expire(later, minute);
        assert!(state.customer_gateways.published().is_none());
        assert_eq!(state.next_expiry(minute), None, "there is nothing left to hide");
        state.customer_gateways = state.customer_gateways.succeeded(listing(), Timestamp::MIN, now).0;
        assert!(state.customer_gateways.published().is_some());
    }
}
