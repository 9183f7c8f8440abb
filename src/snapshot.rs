//! The state of each target and account: immutable values that are replaced as a whole.
//!
//! The metrics of tunnels, targets and accounts and the status page are derived from it. Transitions are found here. It
//! must not depend on how rows are listed, or on how they are shown.

pub mod gateways;
pub mod listed;
pub mod record;
pub mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::{
    gateway::Gateway,
    listing::Listing,
    reason::Reason,
    target::{AccountName, Target},
    tunnel::Tunnel,
};
use gateways::GatewaysSnapshot;
use listed::Listed;
use record::{Change, Record};
use traffic::TrafficSnapshot;

/// The complete state at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The targets that this process polls.
    pub targets: BTreeMap<Target, Arc<TargetSnapshot>>,
    /// The accounts of the configuration.
    pub accounts: BTreeMap<AccountName, Arc<AccountSnapshot>>,
}

impl Snapshot {
    /// Whether the first poll of every target, and the first region discovery of every account, has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_discovered = |account: &AccountSnapshot| {
            account.discovery.as_ref().is_none_or(|discovery| discovery.last_attempt.is_some())
        };
        self.targets.values().all(|target| target.last_poll.is_some())
            && self.accounts.values().all(|account| is_discovered(account))
    }
}

/// Holds the present snapshot. Pollers and region discovery publish to it.
#[derive(Debug, Clone, Default)]
pub struct Snapshots(watch::Sender<Arc<Snapshot>>);

impl Snapshots {
    /// Sets the accounts (`true`: its regions are discovered) and the targets. Accounts and targets that stay keep their state.
    /// All of it changes at once: a snapshot with a part of the change could seem complete.
    pub fn set(&self, accounts: &BTreeMap<AccountName, bool>, targets: &BTreeSet<Target>) {
        self.0.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            snapshot.accounts.retain(|name, _| accounts.contains_key(name));
            for (name, discovers) in accounts {
                let account = Arc::make_mut(snapshot.accounts.entry(name.clone()).or_default());
                account.discovery = discovers.then(|| account.discovery.take().unwrap_or_default());
            }
            snapshot.targets.retain(|target, _| targets.contains(target));
            for target in targets {
                let new = || Arc::new(TargetSnapshot::new(target.clone()));
                snapshot.targets.entry(target.clone()).or_insert_with(new);
            }
        });
    }

    /// Adds a target with its state.
    pub fn add(&self, target: Arc<TargetSnapshot>) {
        self.0.send_modify(|snapshot| {
            Arc::make_mut(snapshot).targets.insert(target.target.clone(), target);
        });
    }

    /// Replaces the state of a target, but not its gateways and traffic. A target that was removed is not added again.
    pub fn publish(&self, mut target: Arc<TargetSnapshot>) {
        self.0.send_if_modified(|snapshot| {
            let Some(present) = Arc::make_mut(snapshot).targets.get_mut(&target.target) else { return false };
            let state = Arc::make_mut(&mut target);
            state.gateways.clone_from(&present.gateways);
            state.traffic.clone_from(&present.traffic);
            *present = target;
            true
        });
    }

    /// Replaces the gateways of a target; `None` if they are not listed. A target that was removed is not added again.
    pub fn publish_gateways(&self, target: &Target, gateways: Option<Arc<GatewaysSnapshot>>) {
        self.0.send_if_modified(|snapshot| {
            let Some(present) = Arc::make_mut(snapshot).targets.get_mut(target) else { return false };
            Arc::make_mut(present).gateways = gateways;
            true
        });
    }

    /// Replaces the traffic of a target; `None` if it is not queried. A target that was removed is not added again.
    pub fn publish_traffic(&self, target: &Target, traffic: Option<Arc<TrafficSnapshot>>) {
        self.0.send_if_modified(|snapshot| {
            let is_none = |present: &Arc<TargetSnapshot>| present.traffic.is_none();
            if traffic.is_none() && snapshot.targets.get(target).is_none_or(is_none) {
                return false;
            }
            let Some(present) = Arc::make_mut(snapshot).targets.get_mut(target) else { return false };
            Arc::make_mut(present).traffic = traffic;
            true
        });
    }

    /// Publishes the end of a region discovery. It is dropped if the account's regions are no longer discovered.
    pub fn publish_discovery(
        &self,
        account: &AccountName,
        ended: Timestamp,
        outcome: Result<usize, Failure>,
    ) {
        self.0.send_if_modified(|snapshot| {
            let Some(account) = Arc::make_mut(snapshot).accounts.get_mut(account) else { return false };
            let Some(discovery) = &mut Arc::make_mut(account).discovery else { return false };
            if let Ok(regions) = &outcome {
                discovery.last_success = Some(ended);
                discovery.regions = *regions;
            }
            discovery.last_attempt = Some(outcome.map(drop));
            true
        });
    }

    /// The present snapshot.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.0.borrow().clone()
    }

    /// A receiver of the latest snapshot. It can skip snapshots.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.subscribe()
    }
}

/// The state of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountSnapshot {
    /// The discovery of its regions; `None` where the configuration lists them.
    pub discovery: Option<RegionDiscovery>,
}

/// The state of the discovery of an account's regions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionDiscovery {
    /// How the last discovery ended; `None` before the first has ended.
    pub last_attempt: Option<Result<(), Failure>>,
    /// When the last successful one ended.
    pub last_success: Option<Timestamp>,
    /// How many regions the last successful one found; 0 before there was one.
    pub regions: usize,
}

impl RegionDiscovery {
    /// Whether the last discovery succeeded; `None` before the first has ended.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        self.last_attempt.as_ref().map(Result::is_ok)
    }

    /// Why the last discovery failed; `None` if it succeeded, or before the first has ended.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.last_attempt.as_ref()?.as_ref().err()
    }
}

/// The state of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSnapshot {
    /// Which target.
    pub target: Target,
    /// Its last poll; `None` before the first has ended.
    pub last_poll: Option<Poll>,
    /// When its last successful poll ended.
    pub last_success: Option<Timestamp>,
    /// When its next poll is due.
    pub next_poll: Option<Timestamp>,
    /// How many polls have ended.
    pub polls: u64,
    /// How many of them failed, in the order of [`Reason::ALL`].
    pub failures: [u64; Reason::ALL.len()],
    /// The API's clock minus the local clock, in seconds, if requests are signed with a corrected time; else 0.
    pub clock_offset: i64,
    /// The tunnels of the last successful listing, also when they are stale.
    pub listed_tunnels: Listed<Tunnel>,
    /// Its gateways; `None` if the configuration disables them.
    pub gateways: Option<Arc<GatewaysSnapshot>>,
    /// Its traffic; `None` if the configuration disables it.
    pub traffic: Option<Arc<TrafficSnapshot>>,
    /// Whether polls have failed for longer than `stale_after`, so that the tunnels are no longer published.
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
    /// The kind of failure, for metrics.
    pub reason: Reason,
    /// The explanation, for people.
    pub message: String,
}

impl TargetSnapshot {
    /// A target before its first poll.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            last_poll: None,
            last_success: None,
            next_poll: None,
            polls: 0,
            failures: [0; Reason::ALL.len()],
            clock_offset: 0,
            listed_tunnels: Listed::default(),
            gateways: None,
            traffic: None,
            stale: false,
        }
    }

    /// The published tunnels: those of the last successful listing. `None` before the first, and while they are stale.
    #[must_use]
    pub fn published_tunnels(&self) -> Option<&[Arc<Record<Tunnel>>]> {
        self.listed_tunnels.records().filter(|_| !self.stale)
    }

    /// The published tunnels, or none.
    #[must_use]
    pub fn tunnels(&self) -> &[Arc<Record<Tunnel>>] {
        self.published_tunnels().unwrap_or_default()
    }

    /// The published VPN gateways, or none.
    #[must_use]
    pub fn published_gateways(&self) -> &[Arc<Record<Gateway>>] {
        let gateways = self.gateways.as_deref();
        gateways.and_then(|gateways| gateways.gateways.published()).unwrap_or_default()
    }

    /// Whether the tunnels are no longer published, because polls have failed for longer than `stale_after`.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether the last poll succeeded; `None` before the first has ended.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        self.last_poll.as_ref().map(|poll| poll.failure.is_none())
    }

    /// Why the last poll failed; `None` if it succeeded, or before the first has ended.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.last_poll.as_ref()?.failure.as_ref()
    }

    /// Whether the API says that the region has no VPN, and no poll of it ever succeeded.
    #[must_use]
    pub fn is_without_vpn(&self) -> bool {
        let unsupported = self.failure().is_some_and(|failure| failure.reason == Reason::UnsupportedRegion);
        unsupported && self.listed_tunnels.records().is_none()
    }

    /// The state after a successful poll, and the changes. The first successful poll has none.
    #[must_use]
    pub fn succeeded(
        &self,
        listing: Listing<Tunnel>,
        ended: Timestamp,
        duration: Duration,
    ) -> (Self, Vec<Change<Tunnel>>) {
        let (listed_tunnels, changes) =
            self.listed_tunnels.after(listing, ended, self.last_success.unwrap_or(ended));
        let mut next = Self { listed_tunnels, ..self.clone() };
        next.polls += 1;
        next.last_poll = Some(Poll { ended, duration, failure: None });
        next.last_success = Some(ended);
        next.stale = false;
        (next, changes)
    }

    /// The state after a failed poll: the tunnels stay as they were.
    #[must_use]
    pub fn failed(&self, failure: Failure, ended: Timestamp, duration: Duration) -> Self {
        let mut next = self.clone();
        next.polls += 1;
        next.failures[failure.reason as usize] += 1;
        next.last_poll = Some(Poll { ended, duration, failure: Some(failure) });
        next
    }

    /// The state after the tunnels became stale. Their histories are kept.
    #[must_use]
    pub fn expired(&self) -> Self {
        Self { stale: true, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::domain::{
        row::Row,
        status::{HealthCheckStatus, NetStatus, TunnelState},
        target::{AccountName, Region},
        tunnel::{HealthCheck, IkeParameters, IpsecParameters, NegotiationType, TunnelId},
        tunnel_status::TunnelStatus,
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
            dpd_timeout_seconds: "".into(),
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
    struct TestTarget(TargetSnapshot, i64);

    impl TestTarget {
        fn new() -> Self {
            let account = AccountName::new("production").expect("a name");
            let region = Region::new("ap-guangzhou").expect("a region");
            Self(TargetSnapshot::new(Target { account, region }), 0)
        }

        fn now(&mut self) -> Timestamp {
            self.1 += 60;
            Timestamp::from_second(self.1).expect("a time")
        }

        fn lists(&mut self, tunnels: impl IntoIterator<Item = Tunnel>) -> Vec<Change<Tunnel>> {
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

        fn history(&self) -> (u64, Option<i64>) {
            let records = self.0.listed_tunnels.records().expect("a listing");
            let history = records[0].history;
            (history.transitions, history.last_transition.map(Timestamp::as_second))
        }
    }

    #[test]
    fn only_changes_between_known_values_are_transitions() {
        let mut target = TestTarget::new();
        let unknown = || Tunnel { net_status: NetStatus::Unknown, ..tunnel("vpnx-1") };
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(), (0, None));
        target.lists([unknown()]);
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(), (0, None), "known, unknown, the same again");
        target.lists([unknown()]);
        target.lists([unconnected("vpnx-1")]);
        assert_eq!(target.history(), (1, Some(300)), "known, unknown, another");
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(), (2, Some(360)));
    }

    #[test]
    fn only_the_status_has_transitions() {
        let mut target = TestTarget::new();
        target.lists([checked(HealthCheckStatus::Available)]);
        assert_eq!(target.lists([tunnel("vpnx-1")]), [], "up without a check, too");
        let failing = checked(HealthCheckStatus::Unavailable);
        target.lists([failing.clone()]);
        assert_eq!(target.history(), (1, Some(180)));
        let changes = target.lists([Tunnel { net_status: NetStatus::Unavailable, ..failing.clone() }]);
        assert_eq!(changes, [], "down for another reason, too");
        assert_eq!(target.history(), (1, Some(180)));
        target.lists([Tunnel { state: TunnelState::Deleting, ..failing }]);
        assert_eq!(target.history(), (2, Some(300)));
    }

    #[test]
    fn changes_name_both_statuses() {
        let mut target = TestTarget::new();
        target.lists([tunnel("vpnx-1")]);
        let mut lists = |tunnel: Tunnel| match &target.lists([tunnel])[..] {
            [Change::Changed { record, before }] => (*before, record.row.status()),
            other => panic!("{other:?}"),
        };
        assert_eq!(lists(unconnected("vpnx-1")), (TunnelStatus::Up, TunnelStatus::Down));
        let unknown = tunnel("vpnx-1").with_unknown_statuses();
        assert_eq!(lists(unknown), (TunnelStatus::Down, TunnelStatus::Unknown));
        assert_eq!(lists(tunnel("vpnx-1")), (TunnelStatus::Unknown, TunnelStatus::Up));
    }

    #[test]
    fn history_survives_renames_failures_and_staleness() {
        let mut target = TestTarget::new();
        target.lists([tunnel("vpnx-1")]);
        target.lists([unconnected("vpnx-1")]);
        target.lists([Tunnel { name: "renamed".into(), ..unconnected("vpnx-1") }]);
        target.fails();
        assert_eq!(target.0.tunnels().len(), 1, "a failure keeps the tunnels");
        target.0 = target.0.expired();
        assert!(target.0.tunnels().is_empty());
        let changes = target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.history(), (2, Some(300)));
        assert!(matches!(&changes[..], [Change::Changed { .. }]), "{changes:?}");
    }

    #[test]
    fn recreated_tunnel_is_a_new_tunnel() {
        let mut target = TestTarget::new();
        target.lists([tunnel("vpnx-1")]);
        let changes = target.lists([unconnected("vpnx-2")]);
        assert!(matches!(&changes[..], [Change::Appeared(_), Change::Disappeared(_)]), "{changes:?}");
        assert_eq!(target.history(), (0, None));
    }

    #[test]
    fn unchanged_tunnel_keeps_its_record() {
        let mut target = TestTarget::new();
        target.lists([tunnel("vpnx-1"), tunnel("vpnx-2")]);
        let before = target.0.tunnels().to_vec();
        assert!(target.lists([unconnected("vpnx-2"), tunnel("vpnx-1")]).len() == 1);
        assert!(Arc::ptr_eq(&before[0], &target.0.tunnels()[0]));
        assert!(!Arc::ptr_eq(&before[1], &target.0.tunnels()[1]));
    }

    #[test]
    fn doubt_begins_at_the_last_certain_listing() {
        let mut target = TestTarget::new();
        let in_doubt = |target: &mut TestTarget| {
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
        assert_eq!(target.history(), (0, None));
    }

    #[test]
    fn rename_is_no_change_of_state() {
        let mut target = TestTarget::new();
        target.lists([tunnel("vpnx-1")]);
        assert_eq!(target.lists([Tunnel { name: "renamed".into(), ..tunnel("vpnx-1") }]), []);
        assert_eq!(&*target.0.tunnels()[0].row.name, "renamed");
    }

    #[test]
    fn late_poll_of_a_removed_target_is_dropped() {
        let snapshots = Snapshots::default();
        let state = Arc::new(TestTarget::new().0);
        snapshots.add(Arc::clone(&state));
        snapshots.set(&BTreeMap::new(), &BTreeSet::new());
        snapshots.publish(state);
        assert!(snapshots.current().targets.is_empty());
    }

    fn account() -> AccountName {
        AccountName::new("production").expect("a name")
    }

    fn refused() -> Failure {
        Failure { reason: Reason::Auth, message: "AuthFailure.SecretIdNotFound".into() }
    }

    /// Snapshots with one account whose regions are discovered.
    fn discovering() -> Snapshots {
        let snapshots = Snapshots::default();
        snapshots.set(&[(account(), true)].into(), &BTreeSet::new());
        snapshots
    }

    fn discovery(snapshots: &Snapshots) -> Option<RegionDiscovery> {
        snapshots.current().accounts[&account()].discovery.clone()
    }

    #[test]
    fn failed_discovery_keeps_the_last_success() {
        let snapshots = discovering();
        snapshots.publish_discovery(&account(), Timestamp::UNIX_EPOCH, Ok(3));
        snapshots.publish_discovery(&account(), Timestamp::MAX, Err(refused()));
        let discovery = discovery(&snapshots).expect("the regions are discovered");
        assert_eq!(discovery.failure(), Some(&refused()));
        assert_eq!((discovery.last_success, discovery.regions), (Some(Timestamp::UNIX_EPOCH), 3));
    }

    #[test]
    fn late_discovery_of_listed_regions_is_dropped() {
        let snapshots = discovering();
        snapshots.set(&[(account(), false)].into(), &BTreeSet::new());
        snapshots.publish_discovery(&account(), Timestamp::UNIX_EPOCH, Ok(3));
        assert_eq!(discovery(&snapshots), None);
        snapshots.set(&BTreeMap::new(), &BTreeSet::new());
        snapshots.publish_discovery(&account(), Timestamp::UNIX_EPOCH, Ok(3));
        assert!(snapshots.current().accounts.is_empty());
    }

    #[test]
    fn accounts_that_stay_keep_their_discovery() {
        let snapshots = discovering();
        snapshots.publish_discovery(&account(), Timestamp::UNIX_EPOCH, Ok(3));
        snapshots.set(&[(account(), true)].into(), &BTreeSet::new());
        assert_eq!(discovery(&snapshots).map(|discovery| discovery.regions), Some(3));
    }

    #[test]
    fn change_of_the_configuration_is_never_half_visible() {
        let snapshots = discovering();
        let targets = BTreeSet::from([TestTarget::new().0.target]);
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    assert!(!snapshots.current().is_complete(), "nothing was polled or discovered");
                }
            });
            for _ in 0..10_000 {
                snapshots.set(&[(account(), false)].into(), &targets);
                snapshots.set(&[(account(), true)].into(), &BTreeSet::new());
            }
            is_done.store(true, Ordering::Relaxed);
            reader.join().expect("no snapshot was complete");
        });
    }

    #[test]
    fn complete_means_all_polled_and_discovered() {
        let snapshots = discovering();
        let is_complete = || snapshots.current().is_complete();
        assert!(!is_complete(), "the regions are not discovered");
        let mut target = TestTarget::new();
        snapshots.add(Arc::new(target.0.clone()));
        snapshots.publish_discovery(&account(), Timestamp::UNIX_EPOCH, Err(refused()));
        assert!(!is_complete(), "the target is not polled");
        target.fails();
        snapshots.publish(Arc::new(target.0));
        assert!(is_complete());
    }
}
