//! Everything that is known, counted: what stands how, and where nothing can be seen.

use super::text;
use crate::{
    domain::{target::AccountName, tunnel_status::TunnelStatus},
    snapshot::{FailedLookUp, FailedLookUps, Snapshot, TargetSnapshot, TunnelRecord},
};

/// The width of the whole bar of shares, in its own units.
const BAR: usize = 1000;
/// The least share that is drawn, in the same units: one tunnel of ten thousand must be seen.
const SLIVER: usize = 6;

/// A snapshot, counted.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    /// The targets: blind ones first, then those that were not polled yet, then those that answer.
    pub(super) targets: Vec<(Sight, &'a TargetSnapshot)>,
    /// The tunnels to show, in the order of targets and ids.
    pub(super) tunnels: Vec<SeenTunnel<'a>>,
    /// The accounts whose regions cannot be looked up: those of which no region is known first.
    pub(super) look_ups: Vec<(&'a AccountName, &'a FailedLookUp)>,
    counts: [usize; TunnelStatus::ALL.len()],
}

/// Whether a target can be seen into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sight {
    /// Its last poll failed.
    Blind,
    /// Its first poll has not ended.
    Waiting,
    /// Its last poll succeeded.
    Clear,
}

/// A tunnel and where it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenTunnel<'a> {
    pub(super) target: &'a TargetSnapshot,
    pub(super) record: &'a TunnelRecord,
    pub(super) tunnel_status: TunnelStatus,
}

/// A part of the bar that shows the statuses' shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) tunnel_status: TunnelStatus,
    pub(super) start: usize,
    pub(super) width: usize,
}

impl Sight {
    pub(super) fn of(target: &TargetSnapshot) -> Self {
        match target.is_up() {
            Some(false) => Self::Blind,
            None => Self::Waiting,
            Some(true) => Self::Clear,
        }
    }
}

impl<'a> Summary<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, failed_look_ups: &'a FailedLookUps) -> Self {
        let mut targets: Vec<_> =
            snapshot.values().map(|target| (Sight::of(target), target.as_ref())).collect();
        // Stable: within a sight the accounts and regions stay in order.
        targets.sort_by_key(|(sight, _)| *sight);
        let seen = |target: &'a TargetSnapshot| {
            target.tunnels().iter().map(move |record| SeenTunnel {
                target,
                record,
                tunnel_status: record.tunnel.overall_status(),
            })
        };
        let tunnels: Vec<_> = snapshot.values().flat_map(|target| seen(target)).collect();
        let mut counts = [0; TunnelStatus::ALL.len()];
        for tunnel in &tunnels {
            counts[tunnel.tunnel_status as usize] += 1;
        }
        let mut look_ups: Vec<_> = failed_look_ups.iter().collect();
        look_ups.sort_by_key(|(_, look_up)| look_up.regions > 0);
        Self { targets, tunnels, look_ups, counts }
    }

    /// How many tunnels stand so.
    pub(super) fn count(&self, tunnel_status: TunnelStatus) -> usize {
        self.counts[tunnel_status as usize]
    }

    /// How many targets are seen so.
    pub(super) fn sighted(&self, sight: Sight) -> usize {
        self.targets.iter().filter(|(own, _)| *own == sight).count()
    }

    pub(super) fn blind(&self) -> usize {
        self.sighted(Sight::Blind)
    }

    /// How many accounts nothing is seen of, because none of their regions is known.
    pub(super) fn unseen_accounts(&self) -> usize {
        self.look_ups.iter().filter(|(_, look_up)| look_up.regions == 0).count()
    }

    /// The count as people read it: none where no target was ever seen into, as 0 would claim to know.
    pub(super) fn number(&self, tunnel_status: TunnelStatus) -> String {
        if self.targets.iter().all(|(_, target)| target.listed().is_none()) {
            return "–".to_owned();
        }
        text::number(self.count(tunnel_status))
    }

    /// The parts of the bar, side by side.
    pub(super) fn shares(&self) -> Vec<Share> {
        let present = || TunnelStatus::ALL.into_iter().filter(|tunnel_status| self.count(*tunnel_status) > 0);
        // What slivers need is taken from what all the others share.
        let free = BAR - SLIVER * present().count();
        let mut start = 0;
        let shares = present().map(|tunnel_status| {
            let width = SLIVER + free * self.count(tunnel_status) / self.tunnels.len();
            let share = Share { tunnel_status, start, width };
            start += width;
            share
        });
        shares.collect()
    }
}
