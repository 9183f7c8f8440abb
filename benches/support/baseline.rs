//! A simple way to serve the same series: vectors of gauges in a registry, gathered, encoded and compressed for each
//! scrape.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io::Write,
    net::SocketAddr,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};
use tokio::net::TcpListener;

/// A registry with the same series as this exposition. Counters and histograms become gauges.
pub fn registry(exposition: &str) -> Registry {
    let registry = Registry::new();
    let mut families: BTreeMap<&str, GaugeVec> = BTreeMap::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels_of(labels);
        let family = families.entry(name).or_insert_with(|| {
            let names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
            let family = GaugeVec::new(Opts::new(name, "The same as ours."), &names).expect("a family");
            registry.register(Box::new(family.clone())).expect("one family of a name");
            family
        });
        let values: Vec<&str> = labels.iter().map(|(_, value)| &**value).collect();
        family.with_label_values(&values).set(value.parse().expect("a number"));
    }
    registry
}

fn labels_of(mut text: &str) -> Vec<(&str, String)> {
    let mut labels = Vec::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let end = rest.match_indices('"').find(|(at, _)| !rest[..*at].ends_with('\\')).expect("an end").0;
        labels.push((name, rest[..end].replace("\\\"", "\"").replace("\\\\", "\\")));
        text = rest[end + 1..].trim_start_matches(',');
    }
    labels
}

/// One scrape's text.
pub fn text(registry: &Registry) -> Vec<u8> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).expect("families that can be encoded");
    text
}

/// One scrape's body, with the exporter's compression level.
pub fn gzip(registry: &Registry) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&text(registry)).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// Serves that for every request, until the runtime ends.
pub async fn serve(registry: Registry) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let registry = registry.clone();
            let service = service_fn(move |_| {
                let body = Full::new(Bytes::from(gzip(&registry)));
                std::future::ready(Ok::<_, Infallible>(Response::new(body)))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// The series of an exposition, whatever the order of their labels.
pub fn series(exposition: &str) -> BTreeSet<(&str, BTreeSet<(&str, String)>)> {
    let samples = exposition.lines().filter(|line| !line.starts_with('#'));
    let series = samples.map(|line| {
        let (series, _) = line.rsplit_once(' ').expect("a series and a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        (name, labels_of(labels).into_iter().collect())
    });
    series.collect()
}
