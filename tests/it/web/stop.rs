//! How the server stops.

use std::time::Duration;

use tencentcloud_vpn_exporter::web::limits::Limits;
use tokio::net::TcpStream;

use test_support::web_server::{Server, Setup, until};

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";

const HOUR: Duration = Duration::from_secs(3600);

/// A server in which no other time-out ends a connection within the test.
async fn server_with_drain_timeout(drain_timeout: Duration) -> Server {
    let limits = Limits { drain_timeout, header_timeout: HOUR, write_timeout: HOUR, ..Limits::default() };
    Setup { limits, ..Setup::default() }.start().await
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_stop() {
    let server = server_with_drain_timeout(HOUR).await;
    let mut idle = server.connect().await;
    idle.send(SCRAPE).await;
    idle.response().await;
    let mut silent = server.connect().await;
    // Both have been accepted, in turn, once this one is served.
    server.get("/-/healthy").await;

    server.shutdown.cancel();
    server.stopped().await;
    for client in [&mut idle, &mut silent] {
        assert_eq!(client.read_rest().await, b"");
    }
}

#[tokio::test]
async fn scrape_in_progress_is_finished() {
    let server = server_with_drain_timeout(HOUR).await;
    let text = server.publish_large_exposition();
    let mut client = server.connect().await;
    client.send(SCRAPE).await;
    client.stream.readable().await.unwrap();

    server.shutdown.cancel();
    let address = server.address;
    until("nothing is accepted", async || TcpStream::connect(address).await.is_err()).await;
    let response = client.response().await;
    assert!(response.text() == text, "{} bytes", response.body.len());
    assert_eq!(client.read_rest().await, b"", "the connection ends with its response");
    server.stopped().await;
}

#[tokio::test]
async fn stop_closes_unread_scrapes_and_incomplete_requests() {
    let server = server_with_drain_timeout(Duration::from_millis(100)).await;
    server.publish_large_exposition();
    let mut unread = server.connect_with_small_buffer().await;
    unread.send(SCRAPE).await;
    unread.stream.readable().await.unwrap();
    let mut dripping = server.connect().await;
    dripping.send("GET /metr").await;

    server.shutdown.cancel();
    server.stopped().await;
    assert_eq!(dripping.read_rest().await, b"");
}
