//! Flags of the daemon that users know from Prometheus' exporters.

use std::{
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::Stdio,
};

use test_support::{
    binary::{Process, assert_exit, exporter, path, run},
    pki::{Authority, Files},
};
use tokio::process::Command;

const DEMO: [&str; 3] = ["demo", "--web.listen-address", "127.0.0.1:0"];

/// The demo. It gets its standard input as file descriptor 3, as if systemd had passed it.
fn with_passed_descriptor() -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" demo --web.systemd-socket";
    command.args(["-c", script, &path()]);
    command
}

#[tokio::test]
async fn socket_of_systemd_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let demo =
        Process::start_with_stdin(with_passed_descriptor(), OwnedFd::from(listener).into()).listening().await;
    assert_eq!(demo.address(), address);
    demo.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
}

#[tokio::test]
async fn missing_or_other_socket_is_refused() {
    let ended = run(exporter(&["demo", "--web.systemd-socket"])).await;
    assert_exit("no socket", &ended, 64, &["--web.systemd-socket", "passed no socket", ".socket unit"]);
    let ended = Process::start_with_stdin(with_passed_descriptor(), Stdio::null()).wait().await;
    assert_exit("a file", &ended, 64, &["socket 0 is not a listening TCP socket", "ListenStream="]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let connection = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let ended =
        Process::start_with_stdin(with_passed_descriptor(), OwnedFd::from(connection).into()).wait().await;
    assert_exit(
        "a connection",
        &ended,
        64,
        &["socket 0 is not a listening TCP socket", "it does not listen", "Accept=no"],
    );
}

#[tokio::test]
async fn process_metrics_can_be_left_out() {
    let demo = Process::start_daemon(exporter(&DEMO)).await;
    let usual = demo.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    let demo =
        Process::start_daemon(exporter(&[&DEMO[..], &["--web.disable-exporter-metrics"]].concat())).await;
    let fewer = demo.until(|metrics| metrics.sum("up", &[]) == 3.0).await;
    let names = |metrics: &test_support::Metrics, prefix: &str| {
        metrics.0.iter().filter(|sample| sample.name.starts_with(prefix)).count()
    };
    assert!(names(&usual, "process_") >= 5, "{usual}");
    assert_eq!(names(&fewer, "process_"), 0);
    let own = "tencentcloud_vpn_exporter_";
    assert!(names(&fewer, own) > 0);
    assert_eq!(names(&usual, own), names(&fewer, own));
}

#[tokio::test]
async fn start_logs_version_and_state_of_tls() {
    let tls = Files::tls(&Authority::new("servers").server(), "");
    let tls = tls.web_config().display().to_string();
    for (file, state) in [("", "TLS is disabled"), (&tls, "TLS is enabled")] {
        let flags = [&DEMO[..], &["--web.config.file", file]].concat();
        let demo = Process::start_daemon(exporter(&flags)).await;
        demo.stderr.line(&[&format!("level=INFO msg=\"{state}\"")]).await;
        let version = concat!("version=", env!("CARGO_PKG_VERSION"), " revision=");
        assert_eq!(demo.stderr.with(&["msg=\"starting tencentcloud-vpn-exporter\"", version]).len(), 1);
        assert_eq!(demo.stderr.with(&["msg=\"TLS is "]).len(), 1);
    }
}
