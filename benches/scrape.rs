//! A gzip scrape over HTTP, compared with a simple implementation that has the same series, and its growth with the tunnels.
//!
//! The servers run in this process and the client (curl, one connection) in another, so that only the servers' CPU time is
//! measured.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of bytes are whole and small"
)]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::header::HeaderValue;
use support::{
    baseline,
    measure::{Stopwatch, at_least, at_most, median, ms, ratio},
    process::curl,
    world,
};
use tencentcloud_vpn_exporter::{
    metrics::{exposition::Exposition, renderer::RenderTask},
    snapshot::{Snapshots, TargetSnapshot},
    web::{
        limits::Limits,
        listen, server,
        state::{Page, WebState},
        telemetry_path::TelemetryPath,
    },
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 9;
const GOAL: f64 = 300.0;

const GZIP: &str = "Accept-Encoding: gzip";
const PLAIN: &str = "Accept-Encoding: identity";

/// The median cost of a scrape.
#[derive(Debug, Clone, Copy)]
struct Scrape {
    cpu: Duration,
    wall: Duration,
    bytes: u64,
}

#[tokio::main]
async fn main() {
    against_the_obvious_way(10_000).await;
    growth([1_000, 10_000, 100_000]).await;
}

async fn against_the_obvious_way(tunnels: usize) {
    println!("A gzip scrape, {tunnels} tunnels, median of {ROUNDS} interleaved rounds");
    let (ours, plain) = serve(world::polled(tunnels).await).await;
    let registry = baseline::registry(&plain);
    let theirs = baseline::text(&registry);
    let theirs = String::from_utf8(theirs).expect("UTF-8");
    assert!(baseline::series(&plain) == baseline::series(&theirs), "both serve the same series");
    println!("  {} series, {} bytes of text", baseline::series(&plain).len(), plain.len());
    drop((plain, theirs));
    let baseline = format!("http://{}/", baseline::serve(registry).await);
    let rounds: Vec<_> = {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push((
                scrapes(&ours, GZIP, 100).await,
                scrapes(&ours, PLAIN, 5).await,
                scrapes(&baseline, GZIP, 2).await,
            ));
        }
        rounds
    };
    let ours = middle(rounds.iter().map(|(ours, _, _)| *ours));
    let plain = middle(rounds.iter().map(|(_, plain, _)| *plain));
    let theirs = middle(rounds.iter().map(|(_, _, theirs)| *theirs));
    for (who, scrape) in [("ours", ours), ("ours without gzip", plain), ("the baseline", theirs)] {
        println!("  {who}: CPU {}, wall {}, {} bytes", ms(scrape.cpu), ms(scrape.wall), scrape.bytes);
    }
    at_least("CPU, times cheaper", ratio(theirs.cpu, ours.cpu), GOAL);
    at_least("wall time, times shorter", ratio(theirs.wall, ours.wall), GOAL);
}

async fn growth(sizes: [usize; 3]) {
    println!("A gzip scrape as tunnels grow, median of {ROUNDS} interleaved rounds");
    let mut served = Vec::new();
    for tunnels in sizes {
        served.push((tunnels, serve(world::polled(tunnels).await).await.0, Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (tunnels, url, rounds) in &mut served {
            rounds.push(scrapes(url, GZIP, 1_000_000 / *tunnels).await);
        }
    }
    let scraped: Vec<_> = served.into_iter().map(|(tunnels, _, rounds)| (tunnels, middle(rounds))).collect();
    for (tunnels, scrape) in &scraped {
        let per_mib = scrape.cpu.as_secs_f64() * 1e3 / support::measure::mib(scrape.bytes);
        println!(
            "  {tunnels} tunnels: CPU {}, wall {}, {} bytes, {per_mib:.3} ms of CPU a MiB",
            ms(scrape.cpu),
            ms(scrape.wall),
            scrape.bytes
        );
    }
    let (first, last) = (scraped[0].1, scraped[sizes.len() - 1].1);
    let bytes = last.bytes as f64 / first.bytes as f64;
    println!("  bytes grow {bytes:.1} times");
    at_most("CPU grows, for each time that bytes do", ratio(last.cpu, first.cpu) / bytes, 1.0);
    at_most("wall time grows, for each time that bytes do", ratio(last.wall, first.wall) / bytes, 1.0);
}

/// Serves the exposition of one target as the daemon does, with its own metrics rendered every second. Returns the URL and
/// the text.
async fn serve(state: TargetSnapshot) -> (String, String) {
    let snapshots = Snapshots::default();
    snapshots.add(Arc::new(state));
    let (expositions, mut exposition) = watch::channel(Arc::<Exposition>::default());
    let telemetry = world::telemetry();
    let listeners = listen::bind(&["127.0.0.1:0".to_owned()]).await.expect("a free port");
    let url = format!("http://{}/metrics", listeners[0].local_addr().expect("an address"));
    let telemetry_path = TelemetryPath::new("/metrics").expect("a path");
    let state = WebState {
        telemetry_path,
        exposition: exposition.clone(),
        ready: watch::channel(true).1,
        reload: None,
        page: Box::new(|_| Page {
            html: Bytes::new(),
            content_security_policy: HeaderValue::from_static(""),
        }),
    };
    tokio::spawn(server::serve(listeners, state, Limits::default(), None, CancellationToken::new()));
    tokio::spawn(async move {
        let task = RenderTask {
            snapshots: snapshots.subscribe(),
            tag_labels: watch::channel(Vec::new()).1,
            telemetry,
            process_metrics: true,
            expositions,
            ready: watch::Sender::new(false),
        };
        task.run().await.expect("it renders");
    });
    exposition.changed().await.expect("a first exposition");
    let text = exposition.borrow().plain().collect::<Vec<_>>().concat();
    (url, String::from_utf8(text).expect("UTF-8"))
}

/// Scrapes this many times in sequence on one connection.
async fn scrapes(url: &str, encoding: &'static str, count: usize) -> Scrape {
    let urls = format!("{url}?[1-{count}]");
    let watch = Stopwatch::start();
    let output = tokio::task::spawn_blocking(move || {
        let format = "%{http_code} %{time_total} %{size_download}\n";
        curl(&["-s", "-H", encoding, "-o", "/dev/null", "-w", format, &urls])
    });
    let output = output.await.expect("curl ends");
    let cost = watch.stop();
    let lines: Vec<Vec<f64>> = output
        .lines()
        .map(|line| line.split(' ').map(|number| number.parse().expect("a number")).collect())
        .collect();
    assert!(lines.len() == count && lines.iter().all(|line| line[0] == 200.0), "{output}");
    Scrape {
        cpu: cost.cpu / u32::try_from(count).expect("a small number"),
        wall: Duration::from_secs_f64(median(lines.iter().map(|line| line[1]))),
        bytes: median(lines.iter().map(|line| line[2])) as u64,
    }
}

fn middle(scrapes: impl IntoIterator<Item = Scrape>) -> Scrape {
    let scrapes: Vec<_> = scrapes.into_iter().collect();
    Scrape {
        cpu: median(scrapes.iter().map(|scrape| scrape.cpu)),
        wall: median(scrapes.iter().map(|scrape| scrape.wall)),
        bytes: median(scrapes.iter().map(|scrape| scrape.bytes)),
    }
}
