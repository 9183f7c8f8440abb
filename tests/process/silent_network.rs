//! A network that accepts connections and never responds: files and memory of the process stay bounded.

use std::cell::Cell;

use simulator::Simulator;
use test_support::{Api, binary::WorkDir, client, frozen, local};

/// The numbers of accounts and of regions of each: more targets than requests may be sent at the same time.
const ACCOUNTS: usize = 20;
const REGIONS: usize = 20;
const TARGETS: usize = ACCOUNTS * REGIONS;

/// Requests under way, each with its connection, and what a process has open besides.
const MOST_FILES: f64 = 256.0 + 64.0;

/// In bytes. A debug build uses about 40 MB by itself.
const MOST_MEMORY: f64 = 150e6;

#[tokio::test]
async fn files_and_memory_stay_bounded_while_nothing_answers() {
    let regions: Vec<_> = (0..REGIONS).map(|number| format!("region-{number}")).collect();
    let names: Vec<_> = regions.iter().map(|name| &**name).collect();
    let world = || frozen(&names.iter().map(|name| (*name, 1)).collect::<Vec<_>>());
    let api = Api::start(world()).await;
    // The kernel accepts connections up to the length of its queue. Nothing reads from them.
    let silent = tokio::net::TcpListener::bind(local()).await.expect("a free port");
    let address = silent.local_addr().expect("an address");
    let accounts: Vec<_> =
        (0..ACCOUNTS).map(|number| api.account(&format!("account-{number}"), &names)).collect();
    let accounts: Vec<_> = accounts.iter().map(|text| &**text).collect();
    let config = api
        .config_for(&accounts, "interval: 2s, timeout: 4s, stale_after: 1h")
        .replace(&api.address.to_string(), &address.to_string())
        .replace("request_timeout: 2s", "request_timeout: 4s");
    drop(api);
    let daemon = WorkDir::with(config).daemon(&[]).await;

    let most = Cell::new((0.0_f64, 0.0_f64));
    let metrics = daemon
        .until(|metrics| {
            let sample = |name: &str| metrics.0.iter().find(|sample| sample.name == name);
            let value = |name: &str| sample(name).map_or(0.0, |sample| sample.value);
            let (files, memory) = (value("process_open_fds"), value("process_resident_memory_bytes"));
            assert!(files <= MOST_FILES && memory <= MOST_MEMORY, "{files} files, {memory} bytes");
            most.set((most.get().0.max(files), most.get().1.max(memory)));
            // Once the system's queue is full, what comes late is not accepted any more.
            let failures = |reason| metrics.sum("poll_failures_total", &[("reason", reason)]);
            failures("timeout") + failures("connection") >= 2.0 * TARGETS as f64
        })
        .await;
    assert_eq!((metrics.count("up", &[]), metrics.sum("up", &[])), (TARGETS, 0.0));
    let most = most.get();
    assert!(most.0 >= 256.0, "the network responded: {most:?}");
    println!("{TARGETS} targets, nothing answered: at most {} files and {} MB", most.0, most.1 / 1e6);
    let status = client()
        .get(format!("http://{}/-/ready", daemon.address()))
        .send()
        .await
        .expect("an answer")
        .status();
    assert_eq!(status, 200);

    drop(silent);
    let simulator = Simulator::bind(world(), address).await.expect("the address is free again");
    let api = tokio::spawn(simulator.run(std::future::pending()));
    // All have succeeded since. On a busy machine, one may time out again.
    daemon.until(|metrics| metrics.count("last_success_timestamp_seconds", &[]) == TARGETS).await;
    api.abort();
}
