//! The daemon under load: scrapes over 64 connections at full speed during polls, and a scrape among a thousand slow
//! connections. Needs `wrk` and `curl`.
//!
//! `cargo bench --bench load` takes four minutes.

mod support;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use support::{
    measure::{at_most, median, mib, ms, ratio},
    process::{Api, Daemon, curl, output},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

const TUNNELS: usize = 10_000;

#[tokio::main]
async fn main() {
    slow_connections().await;
    for tunnels in [100, TUNNELS] {
        wrk(tunnels);
    }
}

/// A minute of scrapes, after a warm-up that allocates the memory of such a load.
fn wrk(tunnels: usize) {
    println!(
        "wrk with 64 connections for 60 s, after 30 s of the same; {tunnels} tunnels that change, polled every 5 s"
    );
    let api = Api::start(tunnels, 1, &["--speed", "30"]);
    let daemon = Daemon::start(&api.config(1, "5s"), &["--web.max-requests", "0"]);
    let load = ["-c64", "-t2", "--latency", "-H", "Accept-Encoding: gzip"];
    let run = |seconds: &str| output("wrk", &[&load[..], &[seconds, &daemon.url()]].concat());
    run("-d30s");
    let polls = || daemon.sum("tencentcloud_vpn_polls_total");
    let (before, memory_before, start) = (polls(), daemon.memory().0, Instant::now());
    let output = run("-d60s");
    let (after, memory_after, elapsed) = (polls(), daemon.memory().0, start.elapsed());
    for line in output.lines().filter(|line| {
        ["Requests/sec", "Transfer/sec", "99%", "50%"].iter().any(|known| line.contains(known))
    }) {
        println!("  {}", line.trim());
    }
    let expected = elapsed.as_secs_f64() / 5.0;
    println!("  {} polls in {:.0} s, {expected:.0} were due", after - before, elapsed.as_secs_f64());
    println!("  {:.1} MiB resident before, {:.1} MiB after", mib(memory_before), mib(memory_after));
    let failures = daemon.sum("tencentcloud_vpn_poll_failures_total");
    let errors = output.lines().filter(|line| line.contains("Socket errors") || line.contains("Non-2xx"));
    at_most("errors that wrk saw", errors.inspect(|line| println!("  {}", line.trim())).count() as f64, 0.0);
    at_most("polls that failed", failures, 0.0);
    at_most("polls that were late or left out", (expected - (after - before)).floor(), 1.0);
    at_most("memory after, of that before", memory_after as f64 / memory_before as f64, 1.1);
}

/// A scrape on a new connection while a thousand others are open.
async fn slow_connections() {
    const CONNECTIONS: usize = 1000;
    println!("A gzip scrape of {TUNNELS} tunnels among {CONNECTIONS} slow connections");
    let api = Api::start(TUNNELS, 1, &["--frozen"]);
    let daemon = Daemon::start(&api.config(1, "60s"), &[]);
    let alone = scrape_time(&daemon).await;
    let mut slow = JoinSet::new();
    for index in 0..CONNECTIONS as u64 {
        let phase = Duration::from_millis(index);
        if index % 2 == 0 {
            slow.spawn(drip(daemon.address, phase));
        } else {
            slow.spawn(never_read(daemon.address, phase));
        }
    }
    sleep(Duration::from_secs(3)).await;
    let among = scrape_time(&daemon).await;
    println!("  alone {}, among them {}", ms(alone), ms(among));
    println!("  {:.1} MiB resident among them", mib(daemon.memory().0));
    slow.shutdown().await;
    at_most("times the unloaded time", ratio(among, alone), 2.0);
}

/// The median time of many scrapes.
async fn scrape_time(daemon: &Daemon) -> Duration {
    let mut times = Vec::new();
    for _ in 0..101 {
        let url = daemon.url();
        let format = "%{http_code} %{time_total}";
        let arguments = ["-s", "-H", "Accept-Encoding: gzip", "-o", "/dev/null", "-w", format];
        let output =
            spawn_blocking(move || curl(&[&arguments[..], &[&*url]].concat())).await.expect("curl ends");
        let (status, seconds) = output.split_once(' ').expect("two words");
        assert_eq!(status, "200");
        times.push(Duration::from_secs_f64(seconds.parse().expect("seconds")));
    }
    median(times)
}

/// Sends the request of a scrape one byte a second, and starts again when the connection is closed.
async fn drip(address: SocketAddr, phase: Duration) {
    sleep(phase).await;
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            for byte in
                b"GET /metrics HTTP/1.1\r\nHost: slow\r\nX-Nothing: ".iter().chain([b'x'; 1000].iter())
            {
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
                let mut answer = [0; 64];
                let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
                if read.is_ok() {
                    break;
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Requests an uncompressed scrape and reads only its status. Starts again when it is refused or the connection is closed.
async fn never_read(address: SocketAddr, phase: Duration) {
    sleep(phase).await;
    loop {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a size");
        if let Ok(mut stream) = socket.connect(address).await {
            let mut status = [0; 12];
            let request = b"GET /metrics HTTP/1.1\r\nHost: slow\r\n\r\n";
            let is_sent = stream.write_all(request).await.is_ok();
            if is_sent && stream.read_exact(&mut status).await.is_ok() && status.ends_with(b"200") {
                while stream.ready(Interest::ERROR).await.is_ok_and(|ready| !ready.is_error()) {}
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}
