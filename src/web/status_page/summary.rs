//! Counts a snapshot: tunnels by status, and targets by the outcome of their last poll.

use crate::{
    domain::{
        customer_gateway::CustomerGateway, display::number, gateway::Gateway, gateway_status::GatewayStatus,
        row::Row, status::Status, target::AccountName, tunnel::Tunnel, tunnel_status::TunnelStatus,
    },
    snapshot::{Failure, Snapshot, TargetSnapshot, record::Record},
};

/// The width of the whole bar, in units of its SVG.
const BAR_WIDTH: usize = 1000;
/// The minimum width of a share, so that one tunnel of ten thousand is visible.
const MIN_SHARE_WIDTH: usize = 6;

/// The counts and the sorted content of a snapshot.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    /// The targets: failed ones first, then those without a finished poll, then the others.
    pub(super) targets: Vec<(PollStatus, &'a TargetSnapshot)>,
    /// The tunnels, ordered by target and id.
    pub(super) tunnels: Vec<TunnelOfTarget<'a>>,
    /// The accounts whose region discovery fails; accounts without known regions first.
    pub(super) failed_discoveries: Vec<FailedDiscovery<'a>>,
    /// The published gateways that are broken, the worst first.
    pub(super) broken_gateways: Vec<BrokenGateway<'a>>,
    /// Whether the customer gateways of a target are published.
    pub(super) knows_peers: bool,
    counts: [usize; TunnelStatus::ALL.len()],
}

/// An account whose last region discovery failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailedDiscovery<'a> {
    pub(super) account: &'a AccountName,
    pub(super) failure: &'a Failure,
    /// The number of regions from the last successful discovery; 0 before the first one.
    pub(super) regions: usize,
}

/// A broken gateway and its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct BrokenGateway<'a> {
    pub(super) target: &'a TargetSnapshot,
    pub(super) gateway: &'a Gateway,
    pub(super) status: GatewayStatus,
}

/// The outcome of a target's last poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PollStatus {
    /// The last poll failed.
    Failed,
    /// The first poll has not finished.
    Waiting,
    /// The last poll succeeded.
    Succeeded,
}

/// A tunnel and its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct TunnelOfTarget<'a> {
    pub(super) target: &'a TargetSnapshot,
    pub(super) record: &'a Record<Tunnel>,
    pub(super) tunnel_status: TunnelStatus,
}

/// One part of the bar: the share of one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) tunnel_status: TunnelStatus,
    pub(super) start: usize,
    pub(super) width: usize,
}

impl<'a> TunnelOfTarget<'a> {
    /// Its gateway, where that is published.
    pub(super) fn gateway(&self) -> Option<&'a Gateway> {
        self.target.gateways.as_deref()?.gateway_of(&self.record.row)
    }

    /// Its peer, where that is published.
    pub(super) fn peer(&self) -> Option<&'a CustomerGateway> {
        self.target.gateways.as_deref()?.customer_gateway_of(&self.record.row)
    }

    /// Why it is not up, if its gateway is broken.
    pub(super) fn cause(&self) -> Option<&'static str> {
        self.target.gateways.as_deref()?.cause_of(&self.record.row)
    }
}

impl PollStatus {
    pub(super) fn of(target: &TargetSnapshot) -> Self {
        match target.is_up() {
            Some(false) => Self::Failed,
            None => Self::Waiting,
            Some(true) => Self::Succeeded,
        }
    }
}

impl<'a> Summary<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let mut targets: Vec<_> =
            snapshot.targets.values().map(|target| (PollStatus::of(target), target.as_ref())).collect();
        // The sort is stable: accounts and regions stay in order.
        targets.sort_by_key(|(poll_status, _)| *poll_status);
        let seen = |target: &'a TargetSnapshot| {
            target.tunnels().iter().map(move |record| TunnelOfTarget {
                target,
                record,
                tunnel_status: record.row.status(),
            })
        };
        let tunnels: Vec<_> = snapshot.targets.values().flat_map(|target| seen(target)).collect();
        let mut counts = [0; TunnelStatus::ALL.len()];
        for tunnel in &tunnels {
            counts[tunnel.tunnel_status as usize] += 1;
        }
        let mut failed_discoveries: Vec<_> = failed_discoveries(snapshot).collect();
        failed_discoveries.sort_by_key(|discovery| discovery.regions > 0);
        let mut broken_gateways: Vec<_> =
            snapshot.targets.values().flat_map(|target| broken_gateways(target)).collect();
        broken_gateways.sort_by_key(|broken| broken.status);
        let knows_peers = snapshot.targets.values().any(|target| {
            let gateways = target.gateways.as_ref();
            gateways.is_some_and(|gateways| gateways.customer_gateways.published().is_some())
        });
        Self { targets, tunnels, failed_discoveries, broken_gateways, knows_peers, counts }
    }

    /// The number of tunnels with this status.
    pub(super) fn count(&self, tunnel_status: TunnelStatus) -> usize {
        self.counts[tunnel_status as usize]
    }

    /// The number of broken gateways with this status.
    pub(super) fn count_gateways(&self, status: GatewayStatus) -> usize {
        self.broken_gateways.iter().filter(|broken| broken.status == status).count()
    }

    /// The number of targets with this outcome.
    pub(super) fn count_targets(&self, poll_status: PollStatus) -> usize {
        self.targets.iter().filter(|(own, _)| *own == poll_status).count()
    }

    /// The number of targets whose last poll failed.
    pub(super) fn failing_targets(&self) -> usize {
        self.count_targets(PollStatus::Failed)
    }

    /// The number of accounts without a known region.
    pub(super) fn accounts_without_regions(&self) -> usize {
        self.failed_discoveries.iter().filter(|discovery| discovery.regions == 0).count()
    }

    /// The count as text: a dash before the first successful poll, because the number is not known yet.
    pub(super) fn number(&self, tunnel_status: TunnelStatus) -> String {
        if self.targets.iter().all(|(_, target)| target.listed_tunnels.records().is_none()) {
            return "–".to_owned();
        }
        number(self.count(tunnel_status))
    }

    /// The parts of the bar, side by side.
    pub(super) fn shares(&self) -> Vec<Share> {
        let present =
            || TunnelStatus::ALL.iter().copied().filter(|tunnel_status| self.count(*tunnel_status) > 0);
        // The minimum widths are subtracted first; the rest is divided by count.
        let free = BAR_WIDTH - MIN_SHARE_WIDTH * present().count();
        let mut start = 0;
        let shares = present().map(|tunnel_status| {
            let width = MIN_SHARE_WIDTH + free * self.count(tunnel_status) / self.tunnels.len();
            let share = Share { tunnel_status, start, width };
            start += width;
            share
        });
        shares.collect()
    }
}

fn broken_gateways(target: &TargetSnapshot) -> impl Iterator<Item = BrokenGateway<'_>> {
    let records = target.gateways.as_deref().and_then(|gateways| gateways.gateways.published());
    let gateways = records.unwrap_or_default().iter().map(|record| &record.row);
    gateways
        .map(move |gateway| BrokenGateway { target, gateway, status: gateway.status() })
        .filter(|broken| broken.status.is_broken())
}

fn failed_discoveries(snapshot: &Snapshot) -> impl Iterator<Item = FailedDiscovery<'_>> {
    snapshot.accounts.iter().filter_map(|(account, state)| {
        let discovery = state.discovery.as_ref()?;
        Some(FailedDiscovery { account, failure: discovery.failure()?, regions: discovery.regions })
    })
}
