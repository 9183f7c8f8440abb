//! Limits for clients, and scrapes among clients that use them up.

use std::{fmt::Write, fs::File, sync::Arc, time::Duration};

use tencentcloud_vpn_exporter::web::limits::{Limits, raise_open_files};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use test_support::{
    MAX_WAIT,
    web_server::{Client, Server, Setup, exposition, logged, until},
};

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";

const GZIP_SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: here\r\nAccept-Encoding: gzip\r\n\r\n";

const CLOSING_SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";

const HOUR: Duration = Duration::from_secs(3600);

/// A time that a test waits for.
const SHORT: Duration = Duration::from_millis(100);

/// Limits that end no connection within a test, and let no response become slow.
const UNLIMITED: Limits = Limits {
    scrapes: 40,
    slow_after: HOUR,
    connections: 2048,
    header_timeout: HOUR,
    write_timeout: HOUR,
    drain_timeout: Duration::from_millis(100),
};

async fn limited(limits: Limits) -> Server {
    Setup { limits, ..Setup::default() }.start().await
}

/// A client that reads the beginning of its response and no more.
async fn slow_reader(server: &Server, request: &str) -> Client {
    let mut reader = server.connect_with_small_buffer().await;
    reader.send(request).await;
    let mut head = [0; 12];
    reader.stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    reader
}

#[tokio::test]
async fn large_head_is_refused() {
    let server = Server::with_defaults().await;
    for (head, status) in [
        (format!("GET /metrics HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n", "x".repeat(15 * 1024)), 200),
        (format!("GET /metrics HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n", "x".repeat(17 * 1024)), 431),
        (format!("GET /metrics HTTP/1.1\r\nHost: here\r\n{}\r\n", "X: x\r\n".repeat(60)), 200),
        (format!("GET /metrics HTTP/1.1\r\nHost: here\r\n{}\r\n", "X: x\r\n".repeat(70)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: here\r\n\r\n", "x".repeat(17 * 1024)), 431),
    ] {
        assert_eq!(server.send_request(&head).await.status, status, "{} bytes", head.len());
    }
}

#[tokio::test]
async fn other_protocols_are_refused() {
    let server = Server::with_defaults().await;
    let tls_hello = "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}";
    for nonsense in ["nonsense\r\n\r\n", "GET /metrics HTTP/3.0\r\n\r\n", tls_hello] {
        assert_eq!(server.send_request(nonsense).await.status, 400, "{nonsense:?}");
    }
    let mut http2 = server.connect().await;
    http2.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(http2.read_rest().await, b"", "HTTP/2 is not served");
}

#[tokio::test]
async fn body_is_refused_without_being_read() {
    let server = Server::with_defaults().await;
    for length in ["1025", "18446744073709551613"] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(server.send_request(&request).await.status, 413, "{length}");
    }
    let mut client = server.connect().await;
    client.send("GET /metrics HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n").await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(client.read_rest().await, b"", "the server closes the connection");
}

#[tokio::test]
async fn silent_client_is_cut_off() {
    let server = limited(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    assert_eq!(server.connect().await.read_rest().await, b"");
}

#[tokio::test]
async fn slowly_sent_head_is_cut_off() {
    let server = limited(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    let mut client = server.connect().await;
    client.send(SCRAPE).await;
    assert_eq!(client.response().await.status, 200);
    // Also on a connection that has already served a request.
    let (mut reader, mut writer) = client.stream.into_split();
    let drip = async {
        let mut ticks = tokio::time::interval(SHORT / 10);
        while writer.write_all(b"G").await.is_ok() {
            ticks.tick().await;
        }
    };
    let mut rest = Vec::new();
    let end = async {
        let _ = tokio::time::timeout(MAX_WAIT, reader.read_to_end(&mut rest)).await.expect("it is cut off");
    };
    tokio::join!(drip, end);
    assert!(rest.is_empty());
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let server = limited(Limits { header_timeout: SHORT, ..UNLIMITED }).await;
    let mut client = server.connect().await;
    client.send(SCRAPE).await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(client.read_rest().await, b"");
}

#[tokio::test]
async fn stalled_reader_is_cut_off() {
    let server = limited(Limits { connections: 1, write_timeout: SHORT, ..UNLIMITED }).await;
    let text = server.publish_large_exposition();
    let mut stalled = slow_reader(&server, SCRAPE).await;
    // Its connection is the only one allowed.
    assert_eq!(server.get("/-/healthy").await.status, 200);
    assert!(stalled.read_rest().await.len() < text.len());
}

#[tokio::test]
async fn scrapes_beyond_the_limit_are_refused() {
    let server = limited(Limits { scrapes: 2, ..UNLIMITED }).await;
    server.publish_large_exposition();
    let readers = [slow_reader(&server, SCRAPE).await, slow_reader(&server, SCRAPE).await];
    for refused in [server.get("/metrics").await, server.get("/").await] {
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    }
    assert_eq!(server.send_request(GZIP_SCRAPE).await.status, 200, "a gzip scrape needs no permit");
    for path in ["/-/healthy", "/-/ready"] {
        assert!(!server.get(path).await.text().contains("too many"), "{path} needs no permit");
    }
    drop(readers);
    until("a permit is free", async || server.get("/metrics").await.status == 200).await;
}

#[tokio::test]
async fn slow_reader_stops_counting_and_is_served() {
    let server = limited(Limits { scrapes: 1, slow_after: SHORT, ..UNLIMITED }).await;
    let text = server.publish_large_exposition();
    let mut slow = slow_reader(&server, CLOSING_SCRAPE).await;
    until("it no longer counts", async || server.get("/metrics").await.status == 200).await;
    assert!(slow.read_rest().await.len() > text.len(), "it receives everything");
}

#[tokio::test]
async fn slow_gzip_readers_hold_no_permits() {
    let server = limited(Limits { scrapes: 1, ..UNLIMITED }).await;
    // A text that stays large when it is compressed.
    let mut random = 1_u64;
    let mut text = String::new();
    for _ in 0..400_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(text, "# {random:x}").unwrap();
    }
    server.exposition.send_replace(Arc::new(exposition(&text)));
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(slow_reader(&server, GZIP_SCRAPE).await);
    }
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn zero_means_no_limit_of_scrapes() {
    let server = limited(Limits { scrapes: 0, ..UNLIMITED }).await;
    let text = server.publish_large_exposition();
    let mut readers = Vec::new();
    for _ in 0..50 {
        readers.push(slow_reader(&server, CLOSING_SCRAPE).await);
    }
    assert!(readers[0].read_rest().await.len() > text.len(), "the first still receives everything");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = limited(Limits { connections: 2, ..UNLIMITED }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.send(SCRAPE).await;
        assert_eq!(client.response().await.status, 200);
        open.push(client);
    }
    let mut waiting = server.connect().await;
    waiting.send(SCRAPE).await;
    open[0].send(SCRAPE).await;
    assert_eq!(open[0].response().await.status, 200, "open connections are kept");
    assert!(waiting.stream.try_read(&mut [0]).is_err(), "it is not served yet");
    open.pop();
    assert_eq!(waiting.response().await.status, 200);
}

#[tokio::test]
async fn thousand_slow_clients_do_not_block_scrapes() {
    // Both ends of each connection are files of this process.
    raise_open_files();
    let server = limited(Limits { scrapes: 4, slow_after: SHORT * 5, ..UNLIMITED }).await;
    server.publish_large_exposition();
    let mut crowd = Vec::new();
    for number in 0..1000 {
        let mut client = server.connect_with_small_buffer().await;
        match number % 3 {
            0 => {}
            1 => client.send("GET /metrics HTTP/1.1\r\nX: ").await,
            _ => client.send(SCRAPE).await,
        }
        crowd.push(client);
    }
    server.exposition.send_replace(Arc::new(exposition("tencentcloud_vpn_up 1\n")));
    assert_eq!(server.get("/-/healthy").await.status, 200);
    until("the readers have become slow", async || server.get("/metrics").await.status == 200).await;
    for _ in 0..10 {
        assert_eq!(server.get("/metrics").await.text(), "tencentcloud_vpn_up 1\n");
        assert_eq!(server.send_request(GZIP_SCRAPE).await.status, 200);
    }
}

#[tokio::test]
async fn server_survives_clients_that_disconnect() {
    let server = Server::with_defaults().await;
    server.publish_large_exposition();
    for _ in 0..100 {
        let mut client = Client { stream: TcpStream::connect(server.address).await.unwrap() };
        client.send(SCRAPE).await;
        client.stream.set_zero_linger().unwrap();
    }
    until("scrapes are served", async || server.get("/metrics").await.status == 200).await;
}

/// Runs the test below in a process that may open 64 files.
#[tokio::test]
async fn failing_accept_is_logged_and_tried_again() {
    let test = "web::limits::server_without_files --ignored --nocapture";
    let output = tokio::process::Command::new("sh")
        .args(["-c", &format!("ulimit -n 64 && exec \"$0\" --exact {test}")])
        .arg(std::env::current_exe().unwrap())
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "started by another test"]
async fn server_without_files() {
    let server = limited(UNLIMITED).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let mut client = Client { stream: socket.connect(server.address).await.unwrap() };
    until("it is logged", async || logged(&["WARN", "cannot accept connections"]) == 1).await;
    drop(files);
    client.send(SCRAPE).await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(logged(&["cannot accept connections"]), 1, "at most one warning per minute");
}
