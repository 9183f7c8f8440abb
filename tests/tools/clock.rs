//! The system clock jumps (simulated with libfaketime): polls do not stop, and there is no burst of polls.

use std::{path::PathBuf, process::Stdio, time::Instant};

use test_support::{Api, Metrics, frozen, scrape_until};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

const REGIONS: [&str; 2] = ["ap-guangzhou", "eu-frankfurt"];

/// Of each target.
const POLLS_PER_SECOND: f64 = 4.0;

/// The library to preload, from Debian's package `faketime`.
fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a system");
    let mut paths =
        folders.filter_map(Result::ok).map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let present = paths.find(|path| path.exists());
    present.expect("libfaketime is not installed; tests/run installs it")
}

#[tokio::test]
#[ignore = "needs libfaketime; tests/run runs it"]
async fn system_clock_jump_does_not_disturb_polls() {
    let api = Api::start(frozen(&REGIONS.map(|region| (region, 1)))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("the file can be written");
        file
    };
    let config = write("config.yml", &api.config(&REGIONS));
    let clock = write("clock", "+0");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"))
        .args(["--web.listen-address", "127.0.0.1:0", "--config.file"])
        .arg(config)
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", clock)
        // The monotonic clock does not change.
        .envs([("FAKETIME_NO_CACHE", "1"), ("DONT_FAKE_MONOTONIC", "1")])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let mut log = BufReader::new(daemon.stderr.take().expect("it is piped")).lines();
    let address = loop {
        let line = log.next_line().await.expect("text").expect("it has not ended");
        if let Some((_, address)) = line.split_once("msg=listening address=") {
            break address.parse().expect("an address");
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    scrape_until(address, |metrics| metrics.sum("up", &[]) == 2.0).await;

    for (jump, offset) in [("+1d", -86_400.0), ("-2h", 7_200.0), ("+0", 0.0)] {
        write("clock", jump);
        let corrected = |metrics: &Metrics| {
            let offsets = metrics.all("api_clock_offset_seconds", &[]);
            offsets.filter(|sample| (sample.value - offset).abs() < 60.0).count() == 2
        };
        let before = scrape_until(address, corrected).await;
        let start = Instant::now();
        let polls = |metrics: &Metrics| metrics.sum("polls_total", &[]) - before.sum("polls_total", &[]);
        let after = scrape_until(address, |metrics| polls(metrics) >= 12.0).await;
        // The first scrape may be a second old.
        let allowed = 2.0 * POLLS_PER_SECOND * (start.elapsed().as_secs_f64() + 1.5);
        assert!(polls(&after) <= allowed, "{} polls in {:?} after {jump}", polls(&after), start.elapsed());
        assert_eq!(after.sum("up", &[]), 2.0);
        assert_eq!(after.sum("poll_failures_total", &[]), 0.0, "{after}");
    }
}
