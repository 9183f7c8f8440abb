//! Several daemons that split the targets without communication.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tencentcloud_vpn_exporter::domain::shard::Shard;
use test_support::{Api, Daemon, DaemonOptions, Metrics, frozen};

/// Enough targets to compare the shares.
const ACCOUNTS: usize = 12;
const REGIONS: [&str; 5] = ["ap-guangzhou", "ap-singapore", "ap-tokyo", "eu-frankfurt", "na-ashburn"];

async fn world() -> Api {
    Api::start(frozen(&REGIONS.map(|region| (region, 1)))).await
}

fn config(api: &Api) -> String {
    let accounts: Vec<_> =
        (0..ACCOUNTS).map(|number| api.account(&format!("account-{number}"), &REGIONS)).collect();
    let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    api.config_for(&accounts, "interval: 1h, timeout: 20s, stale_after: 2h")
}

async fn shard(index: u32, count: u32, config: &str) -> Daemon {
    let shard = Shard::new(index, count).expect("a shard");
    Daemon::start_with(DaemonOptions { shard, ..DaemonOptions::default() }, config).await
}

/// Starts this many daemons. Returns the shard of each target, by account and region.
async fn owners(count: u32, config: &str) -> BTreeMap<(String, String), u32> {
    let daemons = join_all((0..count).map(|index| shard(index, count, config))).await;
    let mut owners = BTreeMap::new();
    for (index, daemon) in (0..).zip(&daemons) {
        let metrics = daemon.until(|metrics| metrics.count("target_info", &[]) > 0).await;
        for sample in metrics.all("target_info", &[]) {
            let target = (sample.labels["account"].clone(), sample.labels["region"].clone());
            assert_eq!(owners.insert(target, index), None, "{sample:?} is polled twice");
        }
    }
    owners
}

#[tokio::test]
async fn shards_cover_every_target_exactly_once() {
    let api = world().await;
    let config = config(&api);
    let (three, four) = (owners(3, &config).await, owners(4, &config).await);
    let targets = ACCOUNTS * REGIONS.len();
    assert_eq!((three.len(), four.len()), (targets, targets));
    for shard in 0..3 {
        let share = three.values().filter(|&&owner| owner == shard).count();
        assert!((10..=30).contains(&share), "shard {shard} of 3 has {share} of {targets}");
    }
    let moved: Vec<_> = three.iter().filter(|(target, owner)| four[*target] != **owner).collect();
    assert!(
        moved.iter().all(|(target, _)| four[*target] == 3),
        "targets move only to the new shard: {moved:?}"
    );
    assert!((7..=23).contains(&moved.len()), "{} of {targets} moved", moved.len());
}

#[tokio::test]
async fn shard_polls_only_its_own_targets() {
    let api = world().await;
    let config = config(&api);
    let daemon = shard(1, 3, &config).await;
    let all_up = |metrics: &Metrics| metrics.sum("up", &[]) == metrics.count("target_info", &[]) as f64;
    let metrics = daemon.until(|metrics| metrics.count("up", &[]) > 0 && all_up(metrics)).await;
    let own = metrics.count("target_info", &[]);
    assert!((10..=30).contains(&own), "{own} targets");
    assert_eq!(metrics.count("tunnel_up", &[]), own);
    assert_eq!(api.control.journal().len(), own, "no other target was polled");
    daemon.wait_until_ready().await;
}

#[tokio::test]
async fn shard_without_targets_publishes_index_and_count() {
    let api = Api::start(frozen(&[(REGIONS[0], 1)])).await;
    let config = api.config_with_poll(&REGIONS[..1], "interval: 1m, timeout: 20s");
    let mut owners = 0;
    for index in 0..3 {
        let daemon = shard(index, 3, &config).await;
        let metrics = daemon.until(|metrics| metrics.count("exporter_shard", &[]) == 1).await;
        assert_eq!(metrics.sum("exporter_shard", &[]), f64::from(index));
        assert_eq!(metrics.sum("exporter_shards", &[]), 3.0);
        owners += metrics.count("target_info", &[]);
    }
    assert_eq!(owners, 1, "two of the shards have no target, but publish their metrics");
}

#[tokio::test]
async fn sole_process_is_shard_0_of_1() {
    let api = Api::start(frozen(&[(REGIONS[0], 1)])).await;
    let daemon = Daemon::start(&api.config_with_poll(&REGIONS[..1], "interval: 1m, timeout: 20s")).await;
    let metrics = daemon.until(|metrics| metrics.count("exporter_shard", &[]) == 1).await;
    assert_eq!((metrics.sum("exporter_shard", &[]), metrics.sum("exporter_shards", &[])), (0.0, 1.0));
}

#[tokio::test]
async fn shards_divide_the_rate_of_an_account() {
    // Eight pages, of which two are requested immediately. The other six take 0.5 s for a sole process, and 2 s for one of
    // four shards.
    let api = Api::start(frozen(&[(REGIONS[0], 800)])).await;
    let config = api
        .config_with_poll(&REGIONS[..1], "interval: 1m, timeout: 30s")
        .replace("requests_per_second: 100", "requests_per_second: 12");
    let daemons = join_all((0..4).map(|index| shard(index, 4, &config))).await;
    let mut owners = 0;
    for daemon in &daemons {
        let metrics = daemon.until(|metrics| metrics.count("exporter_build_info", &[]) == 1).await;
        if metrics.count("target_info", &[]) == 1 {
            owners += 1;
            let metrics = daemon.until(|metrics| metrics.sum("up", &[]) == 1.0).await;
            let duration = metrics.sum("last_poll_duration_seconds", &[]);
            assert!(duration > 1.9, "{duration} s");
        }
    }
    assert_eq!(owners, 1);
}
