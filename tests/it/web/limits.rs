//! What clients may not do, and that a scrape is answered whatever the others do.

use std::time::Duration;

use tencentcloud_vpn_exporter::web::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use test_support::web_server::{Client, PATIENCE, Server, Setup, until};

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";

/// A time that a test waits for.
const SHORT: Duration = Duration::from_millis(100);

async fn limited(limits: Limits) -> Server {
    Setup { limits, ..Setup::default() }.start().await
}

#[tokio::test]
async fn head_that_is_too_large_is_refused() {
    let server = Server::with_defaults().await;
    for (head, status) in [
        (format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(15 * 1024)), 200),
        (format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(17 * 1024)), 431),
        (format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(60)), 200),
        (format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(70)), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(17 * 1024)), 431),
    ] {
        assert_eq!(server.ask(&head).await.status, status, "{} bytes", head.len());
    }
}

#[tokio::test]
async fn refusal_is_not_wiped_out_by_what_the_client_still_sends() {
    let server = Server::with_defaults().await;
    let mut client = server.connect().await;
    client.send(&format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(200 * 1024))).await;
    assert_eq!(client.answer().await.status, 431);
    assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
    for _ in 0..10 {
        tokio::time::sleep(SHORT / 20).await;
        client.stream.write_all(b"x").await.expect("no reset comes of it");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::with_defaults().await;
    let tls_hello = "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}";
    for nonsense in ["nonsense\r\n\r\n", "GET /metrics HTTP/3.0\r\n\r\n", tls_hello] {
        assert_eq!(server.ask(nonsense).await.status, 400, "{nonsense:?}");
    }
    let mut http2 = server.connect().await;
    http2.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(http2.rest().await, b"", "HTTP/2 is for TLS");
}

#[tokio::test]
async fn body_is_refused_without_being_read() {
    let server = Server::with_defaults().await;
    for length in ["1025", "18446744073709551613"] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(server.ask(&request).await.status, 413, "{length}");
    }
    let mut client = server.connect().await;
    client.send("GET /metrics HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.rest().await, b"", "the connection is of no more use");
}

#[tokio::test]
async fn client_that_says_nothing_is_cut_off() {
    let server = limited(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    assert_eq!(server.connect().await.rest().await, b"");
}

#[tokio::test]
async fn dripping_head_is_cut_off() {
    let server = limited(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    let mut client = server.connect().await;
    client.send(SCRAPE).await;
    assert_eq!(client.answer().await.status, 200);
    // On a connection that has proved itself, too.
    let (mut reader, mut writer) = client.stream.into_split();
    let drip = async {
        let mut ticks = tokio::time::interval(SHORT / 10);
        while writer.write_all(b"G").await.is_ok() {
            ticks.tick().await;
        }
    };
    let mut rest = Vec::new();
    let end = async {
        let _ = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut rest)).await.expect("it is cut off");
    };
    tokio::join!(drip, end);
    assert!(rest.is_empty());
}

#[tokio::test]
async fn idle_connection_is_closed_after_a_while_and_not_before() {
    let limits = Limits { header_timeout: SHORT / 10, idle_timeout: SHORT * 5, ..Limits::default() };
    let server = limited(limits).await;
    let mut client = server.connect().await;
    let start = std::time::Instant::now();
    client.send(SCRAPE).await;
    client.answer().await;
    assert_eq!(client.rest().await, b"");
    assert!(start.elapsed() >= SHORT * 5, "closed after {:?}", start.elapsed());
}

#[tokio::test]
async fn reader_that_stalls_is_cut_off_and_its_place_is_free_again() {
    let server = limited(Limits { stall_timeout: SHORT, ..Limits::default() }).await;
    let text = server.publish_much();
    let mut stalling = server.connect_narrowly().await;
    stalling.send(SCRAPE).await;
    until("its place is free", async || server.scrape_duration.get_sample_count() == 1).await;
    assert!(stalling.rest().await.len() < text.len());
}

#[tokio::test]
async fn reader_that_drips_is_cut_off() {
    let limits = Limits { answer_timeout: SHORT * 5, ..Limits::default() };
    let server = limited(limits).await;
    let text = server.publish_much();
    let mut dripping = server.connect_narrowly().await;
    dripping.send(SCRAPE).await;
    let mut ticks = tokio::time::interval(SHORT / 10);
    let mut taken = 0;
    let mut sip = [0; 4096];
    loop {
        match dripping.stream.read(&mut sip).await {
            Ok(0) | Err(_) => break,
            Ok(read) => taken += read,
        }
        ticks.tick().await;
    }
    assert!(taken < text.len(), "it got all {taken} bytes");
}

#[tokio::test]
async fn scrapes_beyond_the_limit_are_refused_until_others_end() {
    let server = limited(Limits { scrapes: 2, place_timeout: Duration::ZERO, ..Limits::default() }).await;
    server.publish_much();
    // Readers that stand still for long are displaced: on a busy machine that can be before anyone is refused.
    until("scrapes are refused", async || {
        let mut readers = Vec::new();
        for _ in 0..2 {
            let mut reader = server.connect_narrowly().await;
            reader.send(SCRAPE).await;
            reader.stream.readable().await.unwrap();
            readers.push(reader);
        }
        let counted = server.scrapes.get();
        let (scrape, page, health) =
            tokio::join!(server.get("/metrics"), server.get("/"), server.get("/-/healthy"));
        assert_eq!(health.status, 200, "health needs no place");
        let refused = (scrape.status, page.status) == (503, 503);
        if refused {
            assert_eq!(scrape.header("retry-after"), Some("1"));
            assert_eq!(server.scrapes.get(), counted, "what is refused is not counted");
        }
        refused
    })
    .await;
    until("a place is free", async || server.get("/metrics").await.status == 200).await;
}

#[tokio::test]
async fn slowest_reader_makes_room_for_a_scrape() {
    let patient = Limits {
        place_timeout: PATIENCE,
        stall_timeout: PATIENCE * 2,
        answer_timeout: PATIENCE * 2,
        ..Limits::default()
    };
    let server = limited(Limits { scrapes: 1, ..patient }).await;
    let text = server.publish_much();
    let mut slow = server.connect_narrowly().await;
    slow.send(SCRAPE).await;
    slow.stream.readable().await.unwrap();
    assert_eq!(server.get("/metrics").await.status, 200);
    assert!(slow.rest().await.len() < text.len());
}

#[tokio::test]
async fn zero_means_no_limit_of_scrapes() {
    let patient = Limits { stall_timeout: PATIENCE * 2, answer_timeout: PATIENCE * 2, ..Limits::default() };
    let server = limited(Limits { scrapes: 0, place_timeout: Duration::ZERO, ..patient }).await;
    let text = server.publish_much();
    let mut readers = Vec::new();
    for _ in 0..50 {
        let mut reader = server.connect_narrowly().await;
        reader.send("GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await;
        let mut head = [0; 12];
        reader.stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        readers.push(reader);
    }
    // None had to make room for another: the first can still read everything.
    assert!(readers[0].rest().await.len() > text.len());
}

#[tokio::test]
async fn oldest_idle_connection_makes_room_for_a_new_one() {
    let server = limited(Limits { connections: 3, ..Limits::default() }).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send(SCRAPE).await;
        client.answer().await;
        connections.push(client);
    }
    // The first is no longer the one that has been idle the longest.
    connections[0].send(SCRAPE).await;
    connections[0].answer().await;

    let mut new = server.connect().await;
    new.send(SCRAPE).await;
    assert_eq!(new.answer().await.status, 200);
    assert_eq!(connections[1].rest().await, b"", "the second has been idle the longest");
    for kept in [0, 2] {
        connections[kept].send(SCRAPE).await;
        assert_eq!(connections[kept].answer().await.status, 200, "connection {kept}");
    }
}

#[tokio::test]
async fn thousand_silent_dripping_and_slow_connections_do_not_keep_a_scrape_from_its_answer() {
    let server = Server::with_defaults().await;
    server.publish_much();
    let mut crowd = Vec::new();
    for number in 0..1000 {
        let mut client = server.connect_narrowly().await;
        match number % 3 {
            0 => {}
            1 => client.send("GET /metrics HTTP/1.1\r\nX: ").await,
            _ => client.send(SCRAPE).await,
        }
        crowd.push(client);
    }
    server
        .exposition
        .send_replace(std::sync::Arc::new(test_support::web_server::exposition("tencentcloud_vpn_up 1\n")));
    assert_eq!(server.get("/metrics").await.status, 200, "the first finds its place");
    let mut again = server.connect().await;
    for _ in 0..10 {
        again.send(SCRAPE).await;
        assert_eq!(again.answer().await.text(), "tencentcloud_vpn_up 1\n");
    }
}

#[tokio::test]
async fn server_outlives_clients_that_vanish() {
    let server = Server::with_defaults().await;
    server.publish_much();
    for _ in 0..100 {
        let mut client = Client { stream: TcpStream::connect(server.address).await.unwrap() };
        client.send(SCRAPE).await;
        client.stream.set_zero_linger().unwrap();
    }
    until("their places are free", async || server.get("/metrics").await.status == 200).await;
}

/// Not a test: the server of the test below, in a process that may open few files.
#[tokio::test]
#[ignore = "started by another test"]
async fn server_with_few_files() {
    let server = Server::with_defaults().await;
    println!("address={}", server.address);
    tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.unwrap();
}

#[tokio::test]
async fn scrape_is_answered_by_a_server_that_runs_out_of_files() {
    use std::process::Stdio;
    use tokio::io::{AsyncBufReadExt, BufReader};

    let mut process = tokio::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 48 && exec \"$0\" --exact web::limits::server_with_few_files --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address: std::net::SocketAddr = loop {
        let line = lines.next_line().await.unwrap().expect("it says its address");
        if let Some((_, address)) = line.split_once("address=") {
            break address.parse().unwrap();
        }
    };
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    let mut client = Client { stream: TcpStream::connect(address).await.unwrap() };
    client.send(SCRAPE).await;
    assert_eq!(client.answer().await.status, 200);
}
