//! One tunnel as a row of the table.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    relative_time::RelativeTime,
    summary::{PollStatus, TunnelOfTarget},
    text::escape_invisible,
};
use crate::domain::{
    status::{Status, UNKNOWN},
    tunnel_status::TunnelStatus,
};

/// A tunnel.
#[derive(Debug)]
pub(super) struct TunnelRow<'a> {
    pub(super) tunnel_status: TunnelStatus,
    pub(super) name: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    pub(super) account: Cow<'a, str>,
    pub(super) region: &'a str,
    pub(super) gateway: Endpoint<'a>,
    pub(super) peer: Endpoint<'a>,
    /// Why it is not up, if its gateway is broken.
    pub(super) cause: Option<&'static str>,
    /// State, net status and health check.
    pub(super) api_statuses: [StatusCell; 3],
    pub(super) since: Since,
    /// Changes of the status that were seen since the exporter started, as in `tunnel_transitions_total`.
    pub(super) changes: u64,
    /// When it was last seen, if the last poll of its target failed.
    pub(super) last_seen: Option<RelativeTime>,
}

/// One end of a tunnel: its gateway or its peer. Texts that are not known are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    /// The public address; only of a peer.
    pub(super) address: Cow<'a, str>,
}

/// One status of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatusCell {
    /// The value in the API's spelling, or `not configured`.
    pub(super) word: &'static str,
    /// The CSS class of the column.
    pub(super) field: &'static str,
    /// The CSS class of the value.
    pub(super) class: &'static str,
}

/// The time since which a tunnel has its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Since {
    /// Since a change that a poll saw.
    Change(RelativeTime),
    /// No change was seen since the exporter started.
    AtLeastStart(RelativeTime),
    /// No change was seen since the tunnel was created, after the exporter started.
    AtLeastCreation(RelativeTime),
    /// Not known, because changes to and from `UNKNOWN` are not recorded. The value is the last recorded change.
    NotKnown(Option<RelativeTime>),
}

impl<'a> TunnelRow<'a> {
    pub(super) fn of(seen: &TunnelOfTarget<'a>, started: Timestamp, now: Timestamp) -> Self {
        let TunnelOfTarget { target, record, tunnel_status } = *seen;
        let tunnel = &record.row;
        let is_failing = PollStatus::of(target) == PollStatus::Failed;
        Self {
            tunnel_status,
            name: escape_invisible(&tunnel.name),
            id: escape_invisible(tunnel.id.as_str()),
            account: escape_invisible(target.target.account.as_str()),
            region: target.target.region.as_str(),
            gateway: Endpoint {
                name: seen.gateway().map_or_else(Cow::default, |gateway| escape_invisible(&gateway.name)),
                id: escape_invisible(&tunnel.vpn_gateway_id),
                address: Cow::default(),
            },
            peer: Endpoint {
                name: seen.peer().map_or_else(Cow::default, |peer| escape_invisible(&peer.name)),
                id: escape_invisible(&tunnel.customer_gateway_id),
                address: seen.peer().map_or_else(Cow::default, |peer| escape_invisible(&peer.ip_address)),
            },
            cause: seen.cause(),
            api_statuses: [
                StatusCell::of("state", Some(tunnel.state.as_str())),
                StatusCell::of("net", Some(tunnel.net_status.as_str())),
                StatusCell::of("health", tunnel.health_check.status().map(Status::as_str)),
            ],
            since: since(seen, started, now),
            changes: record.history.transitions,
            last_seen: target.last_success.filter(|_| is_failing).map(|time| RelativeTime::new(time, now)),
        }
    }
}

impl StatusCell {
    /// The class highlights only this status of the API; [`TunnelStatus`] is the status of the tunnel.
    fn of(field: &'static str, status: Option<&'static str>) -> Self {
        let class = match status {
            None => "none",
            Some("UNAVAILABLE") => "bad",
            Some(UNKNOWN) => "unsure",
            Some(_) => "good",
        };
        Self { word: status.unwrap_or("not configured"), field, class }
    }
}

fn since(seen: &TunnelOfTarget<'_>, started: Timestamp, now: Timestamp) -> Since {
    let last_change = seen.record.history.last_transition.map(|time| RelativeTime::new(time, now));
    match last_change {
        last_change if seen.tunnel_status == TunnelStatus::Unknown => Since::NotKnown(last_change),
        Some(last_change) => Since::Change(last_change),
        None => match created_after(seen, started, now) {
            Some(created) => Since::AtLeastCreation(RelativeTime::new(created, now)),
            None => Since::AtLeastStart(RelativeTime::new(started, now)),
        },
    }
}

/// When a tunnel was created, if that was after the exporter started.
fn created_after(seen: &TunnelOfTarget<'_>, started: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let created = Timestamp::from_second(seen.record.row.created?).ok()?;
    (created > started && created <= now).then_some(created)
}
