//! One tunnel as a row of the table.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    relative_time::RelativeTime,
    summary::{PollStatus, TunnelOfTarget},
    text::escape_invisible,
};
use crate::{
    domain::{
        status::{HealthCheckStatus, StatusField},
        tunnel_status::TunnelStatus,
    },
    snapshot::tunnel_record::TunnelRecord,
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
    pub(super) statuses: [StatusCell; StatusField::ALL.len()],
    pub(super) since: Since,
    /// Transitions of the net status or of the health check, whichever had more, as in the alert on flapping.
    pub(super) flaps: u64,
    /// When it was last seen, if the last poll of its target failed.
    pub(super) last_seen: Option<RelativeTime>,
}

/// One status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatusCell {
    /// The value in the API's spelling, or `not configured`.
    pub(super) word: &'static str,
    /// A CSS class.
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
        let tunnel = &record.tunnel;
        let blind = PollStatus::of(target) == PollStatus::Failed;
        Self {
            tunnel_status,
            name: escape_invisible(&tunnel.name),
            id: escape_invisible(tunnel.id.as_str()),
            account: escape_invisible(target.target.account.as_str()),
            region: target.target.region.as_str(),
            gateway: escape_invisible(&tunnel.vpn_gateway_id),
            statuses: StatusField::ALL.map(|field| StatusCell::of(record, field)),
            since: since(seen, started, now),
            flaps: [StatusField::NetStatus, StatusField::HealthCheckStatus]
                .map(|field| record.history(field).transitions)
                .into_iter()
                .max()
                .unwrap_or_default(),
            last_seen: target.last_success.filter(|_| blind).map(|time| RelativeTime::new(time, now)),
        }
    }
}

impl StatusCell {
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

/// The link status that one status implies; `None` if the status does not apply.
fn connection(record: &TunnelRecord, field: StatusField) -> Option<TunnelStatus> {
    let tunnel = &record.tunnel;
    match field {
        StatusField::State => Some(tunnel.state.connection()),
        StatusField::NetStatus => Some(tunnel.net_status.connection()),
        StatusField::HealthCheckStatus => tunnel.health_check.status().map(HealthCheckStatus::connection),
    }
}

/// The change that led to a tunnel's status; `None` if no poll saw it.
///
/// For an up tunnel that is the last change of any status. A down tunnel has been down since the first of its bad statuses
/// became bad.
pub(super) fn status_since(seen: &TunnelOfTarget<'_>) -> Option<Timestamp> {
    let record = seen.record;
    if matches!(seen.tunnel_status, TunnelStatus::Up | TunnelStatus::Unknown) {
        return record.last_transition();
    }
    let bad =
        StatusField::ALL.into_iter().filter(|&field| connection(record, field) == Some(TunnelStatus::Down));
    // `None` (no transition seen) sorts first: the status was bad from the start.
    bad.map(|field| record.history(field).last_transition).min().flatten()
}

fn since(seen: &TunnelOfTarget<'_>, started: Timestamp, now: Timestamp) -> Since {
    let last_change = status_since(seen).map(|time| RelativeTime::new(time, now));
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
    let created = Timestamp::from_second(seen.record.tunnel.created?).ok()?;
    (created > started && created <= now).then_some(created)
}
