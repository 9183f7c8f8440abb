//! Signals stop the process, abort it, or reload its configuration.

use socket2::SockRef;
use test_support::{
    Api, Metrics,
    binary::{Process, WorkDir, assert_exit, assert_stops_during_a_poll, exporter},
    frozen, with_timeout,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const GUANGZHOU: &str = "ap-guangzhou";
const FRANKFURT: &str = "eu-frankfurt";

#[tokio::test]
async fn stop_during_a_poll_is_clean() {
    for name in ["TERM", "INT"] {
        assert_stops_during_a_poll(exporter(&[]), name, Process::id).await;
    }
}

#[tokio::test]
async fn scrape_in_progress_may_finish() {
    let (_api, _place, daemon) = large_daemon().await;
    let mut scrape = SlowScrape::begin(&daemon).await;
    daemon.signal("TERM").await;
    daemon.stderr.line(&["signal=SIGTERM", "shutting down"]).await;
    let body = scrape.rest().await;
    assert!(body.ends_with('\n') && body.contains("\nprocess_start_time_seconds "), "it is cut off");
    assert_eq!(daemon.wait().await.code(), Some(0));
}

#[tokio::test]
async fn second_signal_exits_at_once() {
    let (_api, _place, daemon) = large_daemon().await;
    let _scrape = SlowScrape::begin(&daemon).await;
    daemon.signal("INT").await;
    daemon.stderr.line(&["signal=SIGINT", "shutting down"]).await;
    daemon.signal("TERM").await;
    assert_exit(
        "a second signal",
        &daemon.wait().await,
        1,
        &["signal=SIGTERM", "second stop signal; exiting immediately"],
    );
}

/// A daemon whose exposition is larger than the buffers of a connection.
async fn large_daemon() -> (Api, WorkDir, Process) {
    let api = Api::start(frozen(&[(GUANGZHOU, 1200)])).await;
    let place =
        WorkDir::with(api.config_with_poll(&[GUANGZHOU], "interval: 1h, timeout: 25s, stale_after: 2h"));
    let daemon = place.daemon(&[]).await;
    daemon.until(|metrics| metrics.tunnels(&[]) == Some(1200.0)).await;
    (api, place, daemon)
}

/// A scrape that is read slowly.
struct SlowScrape(TcpStream);

impl SlowScrape {
    /// Sends the request, and waits for the first bytes of the response.
    async fn begin(daemon: &Process) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let mut stream = socket.connect(daemon.address()).await.expect("a connection");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("a request");
        with_timeout(stream.readable()).await.expect("an answer");
        Self(stream)
    }

    /// Reads until the server closes the connection.
    async fn rest(&mut self) -> String {
        // The drain has a time limit.
        SockRef::from(&self.0).set_recv_buffer_size(1 << 20).expect("a large buffer");
        let mut rest = String::new();
        with_timeout(self.0.read_to_string(&mut rest)).await.expect("the server closes the connection");
        rest
    }
}

#[tokio::test]
async fn sighup_reloads_the_configuration() {
    let api = Api::start(frozen(&[(GUANGZHOU, 2), (FRANKFURT, 3)])).await;
    let good = api.config(&[GUANGZHOU]);
    let place = WorkDir::with(&good);
    let daemon = place.daemon(&[]).await;
    let loaded = |metrics: &Metrics| metrics.value("exporter_config_last_reload_successful", &[]);
    let tunnels = |metrics: &Metrics| metrics.sum("tunnels", &[]);
    let metrics = daemon.until(|metrics| tunnels(metrics) == 2.0).await;
    assert_eq!(loaded(&metrics), Some(1.0));
    let polled = metrics.sum("polls_total", &[]);

    place.write("config.yml", "accounts: [\n");
    daemon.signal("HUP").await;
    let line = daemon.stderr.line(&["configuration not reloaded; the old one stays in use"]).await;
    assert!(line.contains("level=ERROR") && line.contains("config.yml:2: is not valid YAML"), "{line}");
    let goes_on = |metrics: &Metrics| metrics.sum("polls_total", &[]) > polled + 1.0;
    let metrics = daemon.until(|metrics| loaded(metrics) == Some(0.0) && goes_on(metrics)).await;
    assert_eq!((tunnels(&metrics), metrics.sum("up", &[])), (2.0, 1.0));

    place.write("config.yml", api.config(&[GUANGZHOU, FRANKFURT]));
    daemon.signal("HUP").await;
    let metrics = daemon.until(|metrics| loaded(metrics) == Some(1.0) && tunnels(metrics) == 5.0).await;
    assert_eq!(metrics.count("tunnel_up", &[("region", FRANKFURT)]), 3);

    place.write("config.yml", &good);
    daemon.signal("HUP").await;
    let metrics = daemon.until(|metrics| metrics.count("target_info", &[]) == 1).await;
    assert_eq!(metrics.count("tunnel_up", &[("region", FRANKFURT)]), 0);
    daemon.signal("TERM").await;
    assert_eq!(daemon.wait().await.code(), Some(0));
}
