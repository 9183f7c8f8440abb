//! What was last seen: immutable values, one a target, swapped whole. Transitions are found here.
//!
//! It knows neither how tunnels are read nor how they are shown.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::{
    listing::Listing,
    reason::Reason,
    status::StatusField,
    target::{AccountName, Target},
    tunnel::{Tunnel, TunnelId},
};

/// All targets that this process polls, at one moment.
pub type Snapshot = Arc<BTreeMap<Target, Arc<TargetSnapshot>>>;

/// Where the present snapshot is kept: pollers publish to it, everyone else looks.
#[derive(Debug, Clone)]
pub struct Snapshots(watch::Sender<Snapshot>);

impl Default for Snapshots {
    fn default() -> Self {
        Self(watch::Sender::new(Snapshot::default()))
    }
}

impl Snapshots {
    /// Takes in a target.
    pub fn add(&self, target: Arc<TargetSnapshot>) {
        self.0.send_modify(|snapshot| {
            Arc::make_mut(snapshot).insert(target.target.clone(), target);
        });
    }

    /// Puts a target's new state in place of its old one. Of a target that was taken out there is nothing to replace: what
    /// a late poll says of it is dropped.
    pub fn publish(&self, target: Arc<TargetSnapshot>) {
        self.0.send_if_modified(|snapshot| match Arc::make_mut(snapshot).get_mut(&target.target) {
            Some(present) => {
                *present = target;
                true
            }
            None => false,
        });
    }

    /// Takes out a target that is polled no more.
    pub fn remove(&self, target: &Target) {
        self.0.send_modify(|snapshot| {
            Arc::make_mut(snapshot).remove(target);
        });
    }

    /// The present snapshot.
    #[must_use]
    pub fn current(&self) -> Snapshot {
        self.0.borrow().clone()
    }

    /// Tells of every later snapshot.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.0.subscribe()
    }
}

/// What is known of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSnapshot {
    /// Which target.
    pub target: Target,
    /// Its last poll; `None` before the first has ended.
    pub last_poll: Option<Poll>,
    /// When its last good poll ended.
    pub last_success: Option<Timestamp>,
    /// When its next poll is due.
    pub next_poll: Option<Timestamp>,
    /// How many polls have ended.
    pub polls: u64,
    /// How many of them failed, in the order of [`Reason::ALL`].
    pub failures: [u64; Reason::ALL.len()],
    /// How many listings had pages that disagreed with each other.
    pub inconsistencies: u64,
    /// How many statuses were new to us, in the order of [`StatusField::ALL`].
    pub unknown_values: [u64; StatusField::ALL.len()],
    /// How many rows had no id.
    pub rows_without_id: u64,
    /// The API's clock minus ours, in seconds, where a correction is in force; else 0.
    pub clock_offset: i64,
    /// What the last good listing had, in the order of the ids; `None` before there was one.
    listed: Option<Arc<[Arc<TunnelRecord>]>>,
    /// Whether polls have failed for so long that the tunnels are no longer shown.
    stale: bool,
}

/// How a poll ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// When it ended.
    pub ended: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed; `None` if it did not.
    pub failure: Option<Failure>,
}

/// Why a poll failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For machines.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// The accounts whose regions could not be looked up when that was last tried.
pub type FailedLookUps = BTreeMap<AccountName, FailedLookUp>;

/// A look-up of an account's regions that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedLookUp {
    /// Why it did.
    pub failure: Failure,
    /// How many regions the last good one found; 0 before there was one.
    pub regions: usize,
}

/// A tunnel as last listed, and what was seen of its past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelRecord {
    /// The tunnel.
    pub tunnel: Tunnel,
    /// A tunnel is in doubt when a response has a row without a usable id that may be this tunnel. `Some`: the time of the last
    /// listing that showed its id.
    pub in_doubt_since: Option<Timestamp>,
    /// The past of each status, in the order of [`StatusField::ALL`].
    histories: [History; StatusField::ALL.len()],
}

/// What was seen of one status of one tunnel since the exporter started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// The last known value, kept while the status reads `UNKNOWN`.
    last_known: Option<&'static str>,
    /// How often it changed from one known value to another.
    pub transitions: u64,
    /// When it last did.
    pub last_transition: Option<Timestamp>,
}

/// What a listing changed in the eyes of someone who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A tunnel that was not there before.
    Appeared(Arc<TunnelRecord>),
    /// A tunnel some of whose statuses read otherwise than before.
    Changed {
        /// As it is now.
        record: Arc<TunnelRecord>,
        /// Which statuses, what each was, and what it is.
        statuses: Vec<(StatusField, &'static str, &'static str)>,
    },
    /// A tunnel that is there no longer; as it last was.
    Disappeared(Arc<TunnelRecord>),
}

impl TargetSnapshot {
    /// A target of which nothing is known yet.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            last_poll: None,
            last_success: None,
            next_poll: None,
            polls: 0,
            failures: [0; Reason::ALL.len()],
            inconsistencies: 0,
            unknown_values: [0; StatusField::ALL.len()],
            rows_without_id: 0,
            clock_offset: 0,
            listed: None,
            stale: false,
        }
    }

    /// The tunnels to show: those of the last good listing, until they are stale.
    #[must_use]
    pub fn tunnels(&self) -> &[Arc<TunnelRecord>] {
        if self.stale { &[] } else { self.listed.as_deref().unwrap_or_default() }
    }

    /// What the last good listing had, however old it is; `None` before there was one.
    #[must_use]
    pub fn listed(&self) -> Option<&[Arc<TunnelRecord>]> {
        self.listed.as_deref()
    }

    /// Whether the tunnels of the last good listing are withheld, because polls have failed for so long.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether the last poll succeeded; `None` before the first has ended.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        self.last_poll.as_ref().map(|poll| poll.failure.is_none())
    }

    /// Why the last poll failed; `None` if it did not, or if there was none.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.last_poll.as_ref()?.failure.as_ref()
    }

    /// Whether the region answered that it has no VPN, and no poll of it ever succeeded.
    #[must_use]
    pub fn is_without_vpn(&self) -> bool {
        let unsupported = self.failure().is_some_and(|failure| failure.reason == Reason::UnsupportedRegion);
        unsupported && self.listed.is_none()
    }

    /// The state after a good poll, and what it changed; before the first good poll everything is new, and nothing changed.
    #[must_use]
    pub fn succeeded(&self, listing: Listing, ended: Timestamp, duration: Duration) -> (Self, Vec<Change>) {
        let mut next = self.clone();
        next.polls += 1;
        next.rows_without_id += listing.rows_without_id as u64;
        for value in &listing.unknown_values {
            next.unknown_values[value.field as usize] += 1;
        }
        next.last_poll = Some(Poll { ended, duration, failure: None });
        next.last_success = Some(ended);
        next.stale = false;
        let doubt_began = self.last_success.unwrap_or(ended);
        let (listed, changes) = compare(self.listed.as_deref(), listing, ended, doubt_began);
        next.listed = Some(listed);
        (next, changes)
    }

    /// The state after a poll that failed: the tunnels stay as they were.
    #[must_use]
    pub fn failed(&self, failure: Failure, ended: Timestamp, duration: Duration) -> Self {
        let mut next = self.clone();
        next.polls += 1;
        next.failures[failure.reason as usize] += 1;
        next.last_poll = Some(Poll { ended, duration, failure: Some(failure) });
        next
    }

    /// The state once the last good tunnels are too old to be shown; what was seen of their past is kept.
    #[must_use]
    pub fn expired(&self) -> Self {
        Self { stale: true, ..self.clone() }
    }
}

impl TunnelRecord {
    /// The past of a status.
    #[must_use]
    pub fn history(&self, field: StatusField) -> &History {
        &self.histories[field as usize]
    }

    /// When any status last changed; `None` if no change was seen.
    #[must_use]
    pub fn last_transition(&self) -> Option<Timestamp> {
        self.histories.iter().filter_map(|history| history.last_transition).max()
    }

    fn first(tunnel: Tunnel, now: Timestamp) -> Self {
        let histories = StatusField::ALL.map(|field| History::default().after(tunnel.status(field), now));
        Self { tunnel, in_doubt_since: None, histories }
    }

    fn after(&self, tunnel: Tunnel, now: Timestamp) -> Self {
        let histories = StatusField::ALL.map(|field| self.history(field).after(tunnel.status(field), now));
        Self { tunnel, in_doubt_since: None, histories }
    }
}

impl History {
    /// The history after a reading; `None` where the status does not apply.
    fn after(self, reading: Option<&'static str>, now: Timestamp) -> Self {
        match (self.last_known, reading) {
            // What a check said before it was switched off is no state to change from.
            (_, None) => Self { last_known: None, ..self },
            (_, Some("UNKNOWN")) => self,
            (Some(before), Some(after)) if before != after => {
                Self { last_known: reading, transitions: self.transitions + 1, last_transition: Some(now) }
            }
            _ => Self { last_known: reading, ..self },
        }
    }
}

/// Orders a listing by id, joins each tunnel with its past, and tells what changed. Records that did not change are the
/// very same ones as before.
fn compare(
    before: Option<&[Arc<TunnelRecord>]>,
    listing: Listing,
    now: Timestamp,
    doubt_began: Timestamp,
) -> (Arc<[Arc<TunnelRecord>]>, Vec<Change>) {
    let mut past: BTreeMap<&TunnelId, &Arc<TunnelRecord>> =
        before.unwrap_or_default().iter().map(|record| (&record.tunnel.id, record)).collect();
    let mut changes = Vec::new();
    let mut listed = Vec::with_capacity(listing.rows.len());
    for tunnel in listing.rows {
        let is_in_doubt = listing.in_doubt.contains(&tunnel.id);
        let since = |old: Option<Timestamp>| is_in_doubt.then(|| old.unwrap_or(doubt_began));
        let record = match past.remove(&tunnel.id) {
            Some(old) if old.tunnel == tunnel && old.in_doubt_since.is_some() == is_in_doubt => {
                Arc::clone(old)
            }
            Some(old) => {
                let in_doubt_since = since(old.in_doubt_since);
                let record = Arc::new(TunnelRecord { in_doubt_since, ..old.after(tunnel, now) });
                changes.extend(changed(old, &record));
                record
            }
            None => {
                let in_doubt_since = since(None);
                let record = Arc::new(TunnelRecord { in_doubt_since, ..TunnelRecord::first(tunnel, now) });
                changes.push(Change::Appeared(Arc::clone(&record)));
                record
            }
        };
        listed.push(record);
    }
    changes.extend(past.into_values().cloned().map(Change::Disappeared));
    if before.is_none() {
        changes.clear();
    }
    listed.sort_unstable_by(|a, b| a.tunnel.id.cmp(&b.tunnel.id));
    (listed.into(), changes)
}

fn changed(old: &TunnelRecord, new: &Arc<TunnelRecord>) -> Option<Change> {
    let statuses: Vec<_> = StatusField::ALL
        .into_iter()
        .filter_map(|field| Some((field, old.tunnel.status(field)?, new.tunnel.status(field)?)))
        .filter(|(_, before, after)| before != after)
        .collect();
    (!statuses.is_empty()).then(|| Change::Changed { record: Arc::clone(new), statuses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        row::Row,
        status::{HealthCheckStatus, NetStatus, TunnelState},
        target::{AccountName, Region},
        tunnel::{HealthCheck, IkeParameters, IpsecParameters, NegotiationType},
    };

    fn tunnel(id: &str) -> Tunnel {
        Tunnel {
            id: TunnelId::new(id).expect("an id"),
            name: "office".into(),
            vpc_id: "".into(),
            vpn_gateway_id: "vpngw-1".into(),
            customer_gateway_id: "".into(),
            state: TunnelState::Available,
            net_status: NetStatus::Available,
            health_check: HealthCheck::NotConfigured,
            health_check_local_ip: "".into(),
            health_check_remote_ip: "".into(),
            negotiation_type: NegotiationType::parse("active"),
            route_type: "".into(),
            dpd_action: "".into(),
            local_identity: "".into(),
            remote_identity: "".into(),
            ike: IkeParameters::default(),
            ipsec: IpsecParameters::default(),
            created: None,
            tags: Box::default(),
        }
    }

    fn unconnected(id: &str) -> Tunnel {
        Tunnel { net_status: NetStatus::Unavailable, ..tunnel(id) }
    }

    fn checked(status: HealthCheckStatus) -> Tunnel {
        Tunnel { health_check: HealthCheck::Configured(status), ..tunnel("vpnx-1") }
    }

    /// A target and the second at which it is polled next.
    struct Watched(TargetSnapshot, i64);

    impl Watched {
        fn new() -> Self {
            let account = AccountName::new("production").expect("a name");
            let region = Region::new("ap-guangzhou").expect("a region");
            Self(TargetSnapshot::new(Target { account, region }), 0)
        }

        fn now(&mut self) -> Timestamp {
            self.1 += 60;
            Timestamp::from_second(self.1).expect("a time")
        }

        fn lists(&mut self, tunnels: impl IntoIterator<Item = Tunnel>) -> Vec<Change> {
            let listing = Listing { rows: tunnels.into_iter().collect(), ..Listing::default() };
            let now = self.now();
            let (next, changes) = self.0.succeeded(listing, now, Duration::ZERO);
            self.0 = next;
            changes
        }

        fn fails(&mut self) {
            let failure = Failure { reason: Reason::Timeout, message: "no answer".into() };
            let now = self.now();
            self.0 = self.0.failed(failure, now, Duration::ZERO);
        }

        fn history(&self, field: StatusField) -> (u64, Option<i64>) {
            let history = self.0.listed().expect("a listing")[0].history(field);
            (history.transitions, history.last_transition.map(Timestamp::as_second))
        }
    }

    #[test]
    fn a_change_between_known_values_is_a_transition_and_unknown_is_none() {
        let mut target = Watched::new();
        let unknown = || Tunnel { net_status: NetStatus::Unknown, ..tunnel("vpnx-1") };
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(StatusField::NetStatus), (0, None));
        target.lists([unknown()]);
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(StatusField::NetStatus), (0, None), "known, unknown, the same again");
        target.lists([unknown()]);
        target.lists([unconnected("vpnx-1")]);
        assert_eq!(target.history(StatusField::NetStatus), (1, Some(300)), "known, unknown, another");
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(StatusField::NetStatus), (2, Some(360)));
        assert_eq!(target.history(StatusField::State), (0, None));
    }

    #[test]
    fn switching_a_health_check_off_or_on_is_no_transition() {
        let mut target = Watched::new();
        target.lists([checked(HealthCheckStatus::Available)]);
        target.lists([tunnel("vpnx-1")]);
        target.lists([checked(HealthCheckStatus::Unavailable)]);
        assert_eq!(target.history(StatusField::HealthCheckStatus), (0, None));
        target.lists([checked(HealthCheckStatus::Available)]);
        assert_eq!(target.history(StatusField::HealthCheckStatus), (1, Some(240)));
        target.lists([tunnel("vpnx-1")]);
        target.lists([checked(HealthCheckStatus::Available)]);
        assert_eq!(target.history(StatusField::HealthCheckStatus), (1, Some(240)), "the count is kept");
    }

    #[test]
    fn the_past_survives_renames_failures_and_staleness() {
        let mut target = Watched::new();
        target.lists([tunnel("vpnx-1")]);
        target.lists([unconnected("vpnx-1")]);
        target.lists([Tunnel { name: "renamed".into(), ..unconnected("vpnx-1") }]);
        target.fails();
        assert_eq!(target.0.tunnels().len(), 1, "a failure keeps the tunnels");
        target.0 = target.0.expired();
        assert!(target.0.tunnels().is_empty());
        let changes = target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(StatusField::NetStatus), (2, Some(300)));
        assert!(matches!(&changes[..], [Change::Changed { .. }]), "{changes:?}");
    }

    #[test]
    fn a_tunnel_made_anew_is_another_tunnel() {
        let mut target = Watched::new();
        target.lists([tunnel("vpnx-1")]);
        let changes = target.lists([unconnected("vpnx-2")]);
        assert!(matches!(&changes[..], [Change::Appeared(_), Change::Disappeared(_)]), "{changes:?}");
        assert_eq!(target.history(StatusField::NetStatus), (0, None));
    }

    #[test]
    fn what_did_not_change_is_the_same_record() {
        let mut target = Watched::new();
        target.lists([tunnel("vpnx-1"), tunnel("vpnx-2")]);
        let before = target.0.tunnels().to_vec();
        assert!(target.lists([unconnected("vpnx-2"), tunnel("vpnx-1")]).len() == 1);
        assert!(Arc::ptr_eq(&before[0], &target.0.tunnels()[0]));
        assert!(!Arc::ptr_eq(&before[1], &target.0.tunnels()[1]));
    }

    #[test]
    fn doubt_begins_at_the_last_certain_listing() {
        let mut target = Watched::new();
        let in_doubt = |target: &mut Watched| {
            let tunnel = tunnel("vpnx-1").with_unknown_statuses();
            let in_doubt = [tunnel.id.clone()].into();
            let listing = Listing { rows: vec![tunnel], in_doubt, ..Listing::default() };
            let now = target.now();
            target.0 = target.0.succeeded(listing, now, Duration::ZERO).0;
            target.0.tunnels()[0].in_doubt_since.map(Timestamp::as_second)
        };
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(in_doubt(&mut target), Some(60));
        assert_eq!(in_doubt(&mut target), Some(60), "and stays there");
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.0.tunnels()[0].in_doubt_since, None);
        assert_eq!(target.history(StatusField::NetStatus), (0, None));
    }

    #[test]
    fn a_rename_is_no_change_of_state() {
        let mut target = Watched::new();
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.lists([Tunnel { name: "renamed".into(), ..tunnel("vpnx-1") }]), []);
        assert_eq!(&*target.0.tunnels()[0].tunnel.name, "renamed");
    }

    #[test]
    fn a_target_that_was_taken_out_cannot_come_back_by_a_late_poll() {
        let snapshots = Snapshots::default();
        let state = Arc::new(Watched::new().0);
        snapshots.add(Arc::clone(&state));
        snapshots.remove(&state.target);
        snapshots.publish(state);
        assert!(snapshots.current().is_empty());
    }
}
