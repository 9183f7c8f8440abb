//! A tunnel, as a row of a table.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    moment::Moment,
    summary::{SeenTunnel, Sight},
    text::legible,
};
use crate::{
    domain::{
        status::{HealthCheckStatus, StatusField},
        tunnel_status::TunnelStatus,
    },
    snapshot::TunnelRecord,
};

/// A tunnel.
#[derive(Debug)]
pub(super) struct TunnelRow<'a> {
    pub(super) tunnel_status: TunnelStatus,
    pub(super) name: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    pub(super) account: Cow<'a, str>,
    pub(super) region: &'a str,
    pub(super) gateway: Cow<'a, str>,
    /// State, net status and health check.
    pub(super) statuses: [Status; StatusField::ALL.len()],
    pub(super) since: Since,
    /// Transitions of the net status or of the health check, whichever had more: as the alert on flapping counts.
    pub(super) flaps: u64,
    /// When it was last seen, if its target is blind now.
    pub(super) last_seen: Option<Moment>,
}

/// One status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    /// In the API's spelling, or in words where none applies.
    pub(super) word: &'static str,
    /// What it says of the link, as a class.
    pub(super) class: &'static str,
}

/// For how long a tunnel has stood as it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Since {
    /// Since a change that was seen.
    Change(Moment),
    /// No change was seen since the exporter started.
    AtLeastStart(Moment),
    /// No change was seen since the tunnel was made, which was later.
    AtLeastCreation(Moment),
    /// A change to or from `UNKNOWN` leaves no trace; maybe an earlier change did.
    NotKnown(Option<Moment>),
}

impl<'a> TunnelRow<'a> {
    pub(super) fn of(seen: &SeenTunnel<'a>, started: Timestamp, now: Timestamp) -> Self {
        let SeenTunnel { target, record, tunnel_status } = *seen;
        let tunnel = &record.tunnel;
        let blind = Sight::of(target) == Sight::Blind;
        Self {
            tunnel_status,
            name: legible(&tunnel.name),
            id: legible(tunnel.id.as_str()),
            account: legible(target.target.account.as_str()),
            region: target.target.region.as_str(),
            gateway: legible(&tunnel.vpn_gateway_id),
            statuses: StatusField::ALL.map(|field| Status::of(record, field)),
            since: since(seen, started, now),
            flaps: [StatusField::NetStatus, StatusField::HealthCheckStatus]
                .map(|field| record.history(field).transitions)
                .into_iter()
                .max()
                .unwrap_or_default(),
            last_seen: target.last_success.filter(|_| blind).map(|time| Moment::of(time, now)),
        }
    }
}

impl Status {
    fn of(record: &TunnelRecord, field: StatusField) -> Self {
        let class = match connection(record, field) {
            None => "none",
            Some(TunnelStatus::Up) => "good",
            Some(TunnelStatus::Down) => "bad",
            Some(TunnelStatus::Unknown | TunnelStatus::Idle) => "unsure",
        };
        Self { word: record.tunnel.status(field).unwrap_or("not configured"), class }
    }
}

/// What one status says; `None` where it does not apply.
fn connection(record: &TunnelRecord, field: StatusField) -> Option<TunnelStatus> {
    let tunnel = &record.tunnel;
    match field {
        StatusField::State => Some(tunnel.state.connection()),
        StatusField::NetStatus => Some(tunnel.net_status.connection()),
        StatusField::HealthCheckStatus => tunnel.health_check.status().map(HealthCheckStatus::connection),
    }
}

/// The change that brought a tunnel to where it stands; `None` if it was not seen.
///
/// What is up came up with the last change of all. What is down has been down since the first of the statuses that
/// are bad now turned bad.
pub(super) fn last_turn(seen: &SeenTunnel<'_>) -> Option<Timestamp> {
    let record = seen.record;
    if matches!(seen.tunnel_status, TunnelStatus::Up | TunnelStatus::Unknown) {
        return record.last_transition();
    }
    let bad =
        StatusField::ALL.into_iter().filter(|&field| connection(record, field) == Some(TunnelStatus::Down));
    // `None`, a status that was bad from the start, is the least.
    bad.map(|field| record.history(field).last_transition).min().flatten()
}

fn since(seen: &SeenTunnel<'_>, started: Timestamp, now: Timestamp) -> Since {
    let turn = last_turn(seen).map(|time| Moment::of(time, now));
    match turn {
        turn if seen.tunnel_status == TunnelStatus::Unknown => Since::NotKnown(turn),
        Some(turn) => Since::Change(turn),
        None => match created_after(seen, started, now) {
            Some(created) => Since::AtLeastCreation(Moment::of(created, now)),
            None => Since::AtLeastStart(Moment::of(started, now)),
        },
    }
}

/// When a tunnel was made, if that was while the exporter ran.
fn created_after(seen: &SeenTunnel<'_>, started: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let created = Timestamp::from_second(seen.record.tunnel.created?).ok()?;
    (created > started && created <= now).then_some(created)
}
