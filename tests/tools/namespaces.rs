//! The daemon in its own namespaces: as the first process of a container, and with a restricted `/proc`.
//!
//! Without permission to create namespaces, these tests print a message and pass.

use jiff::Timestamp;
use test_support::{
    Metrics,
    binary::{self, Process, assert_stops_during_a_poll},
};
use tokio::process::Command;

/// The first process of a container does not receive signals that it has no handler for.
#[tokio::test]
#[ignore = "needs root for namespaces; tests/run runs it"]
async fn first_process_of_a_namespace_stops_on_signals() {
    let unshare = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new("unshare").args(unshare).arg("true").output().await;
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("left out: this user may not make a process namespace ({allowed:?})");
        return;
    }
    for name in ["TERM", "INT"] {
        let mut command = Command::new("unshare");
        command.args(unshare).arg(binary::path()).env_clear();
        assert_stops_during_a_poll(command, name, |unshare| child_of(unshare.id())).await;
    }
}

fn child_of(id: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("its children");
    children.trim().parse().expect("one child")
}

/// The names of the `process_*` metrics that the demo publishes where `/proc` was changed by this command, and its start time.
async fn process_metrics(change: &str) -> (Vec<String>, f64) {
    let script = format!("{change} && exec \"$0\" demo --web.listen-address 127.0.0.1:0");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, &binary::path()]).env_clear();
    let rendered = |metrics: &Metrics| metrics.count("exporter_build_info", &[]) == 1;
    let metrics = Process::start_daemon(command).await.until(rendered).await;
    let own: Vec<_> = metrics.0.iter().filter(|sample| sample.name.starts_with("process_")).collect();
    let start = own.iter().find(|sample| sample.name == "process_start_time_seconds");
    let mut names: Vec<_> = own.iter().map(|sample| sample.name["process_".len()..].to_owned()).collect();
    names.sort();
    (names, start.expect("it is always there").value)
}

/// systemd's `ProcSubset=pid` mounts `/proc` so that `/proc/stat` is missing.
#[tokio::test]
#[ignore = "needs root for namespaces; tests/run runs it"]
async fn restricted_proc_hides_only_its_own_metrics() {
    let restrict = "mount -t proc -o subset=pid proc /proc";
    let allowed = Command::new("unshare").args(["--mount", "sh", "-c", restrict]).output().await;
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("left out: this user may not mount /proc ({allowed:?})");
        return;
    }
    let now = || Timestamp::now().as_millisecond() as f64 / 1000.0;
    let before = now();
    let (names, start) = process_metrics(restrict).await;
    let all = ["cpu_seconds_total", "max_fds", "open_fds", "resident_memory_bytes"];
    let more = ["start_time_seconds", "threads", "virtual_memory_bytes"];
    assert_eq!(names, [&all[..], &more].concat());
    let (names, later) = process_metrics("mount -t tmpfs tmpfs /proc").await;
    assert_eq!(names, ["max_fds", "start_time_seconds"], "these need no file");
    assert!(before <= start && start <= later && later <= now(), "{before} {start} {later}");
}
