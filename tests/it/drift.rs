//! Tunnels are created and deleted between the pages of listings: an existing tunnel is never missing, and a deleted
//! tunnel disappears.

use std::{collections::BTreeSet, time::Instant};

use fastrand::Rng;
use simulator::{Fault, FaultKind, Options};
use tencentcloud_vpn_exporter::{
    poll::poller::{self, Assignment},
    snapshot::TargetSnapshot,
};
use test_support::{Api, frozen, only_target, scene::GUANGZHOU};
use tokio::task::JoinSet;

/// The number of independent simulators that run at the same time.
const WORLDS: usize = 16;

/// The total number of listings. In a debug build each takes about twenty times as long.
const LISTINGS: usize = if cfg!(debug_assertions) { 160 } else { 10_000 };

/// The approximate number of tunnels of each simulator: three pages, the last one short.
const TUNNELS: usize = 210;

/// A simulator and the target that polls it.
struct DriftTest {
    api: Api,
    assignment: Assignment,
    state: TargetSnapshot,
    rng: Rng,
}

/// The results of the listings.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    listings: usize,
    /// Listings without a published tunnel that still exists.
    wrong: usize,
    /// Listings with a tunnel that was deleted before the listing started.
    late: usize,
    failed: u64,
    inconsistent: u64,
    deleted: usize,
    queried_by_id: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn published_tunnel_is_never_missing() {
    let start = Instant::now();
    let mut worlds = JoinSet::new();
    for seed in 0..WORLDS as u64 {
        worlds.spawn(async move { DriftTest::new(seed).await.drift(LISTINGS / WORLDS).await });
    }
    let tally = worlds.join_all().await.into_iter().fold(Tally::default(), Tally::add);
    println!("wrong listings: {} ({tally:?}, {:.1?})", tally.wrong, start.elapsed());
    assert_eq!((tally.wrong, tally.late, tally.failed), (0, 0, 0));
    assert!(tally.inconsistent > 0 && tally.queried_by_id > 0, "no listing was inconsistent");
}

impl DriftTest {
    async fn new(seed: u64) -> Self {
        let options = Options { requests_per_second: 1000, ..frozen(&[(GUANGZHOU, TUNNELS)]) };
        let api = Api::start(options).await;
        // On a busy machine a response takes seconds.
        let poll = "interval: 2h, timeout: 1h, stale_after: 4h";
        let config =
            api.config_with_poll(&[GUANGZHOU], poll).replace("request_timeout: 2s", "request_timeout: 10m");
        let (target, assignment) = only_target(&config);
        Self { api, assignment, state: TargetSnapshot::new(target), rng: Rng::with_seed(seed) }
    }

    async fn drift(mut self, listings: usize) -> Tally {
        let mut tally = Tally { listings, ..Tally::default() };
        for _ in 0..listings {
            tally.deleted += self.change_between_listings();
            self.set_changes_between_pages();
            let (before, published) = (self.existing_ids(), self.published_ids());
            self.state = poller::poll(&self.assignment, &self.state).await.0;
            let (after, shown) = (self.existing_ids(), self.published_ids());
            tally.wrong += usize::from(!published.intersection(&after).all(|id| shown.contains(id)));
            tally.late += usize::from(!published.intersection(&shown).all(|id| before.contains(id)));
            tally.queried_by_id += self.queries_by_id();
        }
        self.api.control.set_faults(vec![]).expect("no fault");
        self.state = poller::poll(&self.assignment, &self.state).await.0;
        assert_eq!(
            self.published_ids(),
            self.existing_ids(),
            "without changes, exactly the existing tunnels are shown"
        );
        tally.failed = self.state.failures.iter().sum();
        tally.inconsistent = self.state.listed_tunnels.inconsistencies;
        tally
    }

    /// Deletes and creates some tunnels, sometimes very many. Returns the number of deleted tunnels.
    fn change_between_listings(&mut self) -> usize {
        let ids: Vec<_> = self.existing_ids().into_iter().collect();
        let deleted = match self.rng.u32(..100) {
            0..=1 => self.rng.usize(101..130),
            2..=9 => self.rng.usize(5..30),
            10..=39 => self.rng.usize(1..5),
            _ => 0,
        };
        let deleted = self.rng.choose_multiple(ids.iter(), deleted);
        for id in &deleted {
            self.api.control.remove(GUANGZHOU, id).expect("an existing tunnel");
        }
        let missing = TUNNELS.saturating_sub(ids.len() - deleted.len());
        for _ in 0..self.rng.usize(..=missing.min(40)) {
            self.api.control.add(GUANGZHOU).expect("the region");
        }
        deleted.len()
    }

    /// Adds and deletes tunnels directly after some of the next requests for pages or queries by id. Often the same
    /// number is created and deleted, so that `TotalCount` does not change.
    fn set_changes_between_pages(&mut self) {
        let faults = (0..self.rng.usize(..4)).map(|_| {
            let remove = self.rng.u8(..10) > 1;
            let kind = FaultKind::Drift {
                remove: remove.then(|| self.rng.usize(..TUNNELS)),
                add: self.rng.usize(..if remove { 2 } else { 4 }),
            };
            let offset = Some(self.rng.usize(..3) * 100);
            let skip = if offset == Some(0) { self.rng.usize(..4) } else { 0 };
            Fault { offset, skip, ..Fault::once(kind) }
        });
        let faults = faults.collect();
        self.api.control.clear_journal();
        self.api.control.set_faults(faults).expect("faults that can happen");
    }

    fn existing_ids(&self) -> BTreeSet<String> {
        self.api.control.ids(GUANGZHOU).expect("the region").into_iter().collect()
    }

    fn published_ids(&self) -> BTreeSet<String> {
        self.state.tunnels().iter().map(|record| record.row.id.as_str().to_owned()).collect()
    }

    /// The number of tunnels that the last poll queried by id.
    fn queries_by_id(&self) -> usize {
        let journal = self.api.control.journal();
        journal.iter().flat_map(|entry| &entry.filters).map(|(_, values)| values.len()).sum()
    }
}

impl Tally {
    fn add(self, other: Self) -> Self {
        Self {
            listings: self.listings + other.listings,
            wrong: self.wrong + other.wrong,
            late: self.late + other.late,
            failed: self.failed + other.failed,
            inconsistent: self.inconsistent + other.inconsistent,
            deleted: self.deleted + other.deleted,
            queried_by_id: self.queried_by_id + other.queried_by_id,
        }
    }
}
