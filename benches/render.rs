//! Rendering after a change of one of a hundred targets, against rendering all of them.

mod support;

use std::time::Duration;

use jiff::Timestamp;
use support::{
    measure::{at_most, cost, median_cpu, ms, ratio},
    world,
};
use tencentcloud_vpn_exporter::{
    domain::{
        listing::Listing,
        status::NetStatus,
        target::{Region, Target},
        tunnel::Tunnel,
    },
    snapshot::TargetSnapshot,
};

const TARGETS: usize = 100;
const TUNNELS: usize = 10_000;
const ROUNDS: usize = 15;

#[tokio::main]
async fn main() {
    println!("Rendering {TUNNELS} tunnels of {TARGETS} targets, median of {ROUNDS} interleaved rounds");
    let polled = world::polled(TUNNELS).await;
    let tunnels: Vec<Tunnel> = polled.tunnels().iter().map(|record| record.row.clone()).collect();
    let share = TUNNELS / TARGETS;
    let before: Vec<_> =
        tunnels.chunks(share).enumerate().map(|(index, some)| target(&polled, index, some)).collect();
    let whole = world::snapshot(before.iter().cloned());
    let (mut all, mut one) = (vec![], vec![]);
    for round in 0..ROUNDS {
        let mut after = before.clone();
        let changed = &mut after[round % TARGETS];
        *changed = with_every_tunnel_down(changed);
        let after = world::snapshot(after);
        let mut renderer = world::renderer();
        all.push(cost(|| renderer.render(&whole).expect("an exposition")).0);
        one.push(cost(|| renderer.render(&after).expect("an exposition")).0);
    }
    let (all, one) = (median_cpu(&all), median_cpu(&one));
    println!("  all targets: {}, one target: {}", ms(all), ms(one));
    at_most("one target, of the cost of all", ratio(one, all), 0.1);
}

/// A target with some of the tunnels.
fn target(polled: &TargetSnapshot, index: usize, tunnels: &[Tunnel]) -> TargetSnapshot {
    let region = Region::new(&format!("region-{index}")).expect("a region");
    let target = Target { account: polled.target.account.clone(), region };
    listed(&TargetSnapshot::new(target), tunnels.to_vec())
}

fn with_every_tunnel_down(state: &TargetSnapshot) -> TargetSnapshot {
    let down = |tunnel: &Tunnel| Tunnel { net_status: NetStatus::Unavailable, ..tunnel.clone() };
    listed(state, state.tunnels().iter().map(|record| down(&record.row)).collect())
}

fn listed(state: &TargetSnapshot, tunnels: Vec<Tunnel>) -> TargetSnapshot {
    let listing = Listing { rows: tunnels, ..Listing::default() };
    state.succeeded(listing, Timestamp::now(), Duration::from_millis(100)).0
}
