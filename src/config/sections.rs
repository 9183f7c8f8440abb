//! `poll`, `api`, `metrics`, `gateways` and `traffic`: parses them into their types.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use config::ValueKind;

use super::{
    ApiConfig, GatewaysConfig, MetricsConfig, PollConfig, TrafficConfig, duration,
    reader::{Node, Table, distinct},
};
use crate::{
    domain::{
        ca_file::CaFile,
        endpoint::{Endpoint, base_url},
        tag_label::TagLabel,
        traffic::{Period, TrafficMetric},
    },
    regular_file,
};

pub(super) fn poll(root: &Table<'_>) -> Option<PollConfig> {
    root.read_or("poll", PollConfig::default(), |section| {
        let section = section.table(&["interval", "timeout", "stale_after"])?;
        let default = PollConfig::default();
        let interval = section.read_or("interval", default.interval, duration);
        // If `timeout` is absent, a short interval also shortens the time-out, so that polls do not overlap.
        let default_timeout = interval.map_or(default.timeout, |interval| interval.min(default.timeout));
        let timeout = section.read_or("timeout", default_timeout, duration);
        let stale_after = section.read_or("stale_after", default.stale_after, duration);
        let poll = PollConfig { interval: interval?, timeout: timeout?, stale_after: stale_after? };
        warn_about(&poll, &section);
        Some(poll)
    })
}

fn warn_about(poll: &PollConfig, section: &Table<'_>) {
    if poll.timeout > poll.interval {
        section.at("timeout").warning("is longer than poll.interval: a slow poll delays the next one");
    }
    if poll.stale_after < poll.interval {
        let message = "is shorter than poll.interval: one failed poll makes a target's tunnels disappear";
        section.at("stale_after").warning(message);
    }
}

/// Relative paths are resolved against `base`.
pub(super) fn api(root: &Table<'_>, base: &Path) -> Option<ApiConfig> {
    root.read_or("api", ApiConfig::default(), |section| {
        let section = section.table(&[
            "endpoint",
            "metadata_endpoint",
            "request_timeout",
            "ca_file",
            "requests_per_second",
        ])?;
        let default = ApiConfig::default();
        let endpoint = section.read_or("endpoint", default.endpoint, |node| match node.kind() {
            ValueKind::String(text) if text == "none" => Some(None),
            _ => endpoint(node).map(Some),
        });
        let metadata_endpoint = section.read_or("metadata_endpoint", default.metadata_endpoint, |node| {
            // The text is not repeated: it may have a password.
            base_url(node.text()?).map_err(|error| node.problem(error)).ok()
        });
        let request_timeout = section.read_or("request_timeout", default.request_timeout, duration);
        let ca_file = section.read_or("ca_file", None, |node| ca_file(node, base).map(Some));
        let requests_per_second = section.read_or("requests_per_second", default.requests_per_second, rate);
        Some(ApiConfig {
            proxy: default.proxy,
            endpoint: endpoint?,
            metadata_endpoint: metadata_endpoint?,
            request_timeout: request_timeout?,
            ca_file: ca_file?,
            requests_per_second: requests_per_second?,
        })
    })
}

fn endpoint(node: &Node<'_>) -> Option<Endpoint> {
    // The text is not repeated: it may have a password.
    let endpoint = Endpoint::new(node.text()?).map_err(|error| node.problem(error)).ok()?;
    if endpoint.is_for_one_service() {
        node.warning("is the address of a single service, but the exporter calls several; use {service} in the host name");
    }
    Some(endpoint)
}

fn ca_file(node: &Node<'_>, base: &Path) -> Option<CaFile> {
    let path = path(node, base)?;
    let pem = regular_file::read(&path)
        .map_err(|error| node.error(format_args!("cannot be read: {error}")))
        .ok()?;
    Some(CaFile { path, pem })
}

/// Requests a second. The lower limit keeps the time between two requests representable.
fn rate(node: &Node<'_>) -> Option<f64> {
    let rate = node.number()?;
    if (0.01..=100.0).contains(&rate) {
        return Some(rate);
    }
    node.error("is not between 0.01 and 100, Tencent Cloud's limit");
    None
}

pub(super) fn metrics(root: &Table<'_>) -> Option<MetricsConfig> {
    root.read_or("metrics", MetricsConfig::default(), |section| {
        let section = section.table(&["tag_labels"])?;
        Some(MetricsConfig { tag_labels: section.read_or("tag_labels", vec![], tag_labels)? })
    })
}

/// `stale_after`: `poll.stale_after`, if it is valid.
pub(super) fn gateways(root: &Table<'_>, stale_after: Option<Duration>) -> Option<GatewaysConfig> {
    root.read_or("gateways", GatewaysConfig::default(), |section| {
        let section = section.table(&["enabled", "interval"])?;
        let default = GatewaysConfig::default();
        let enabled = section.read_or("enabled", default.enabled, Node::boolean);
        let interval = section.read_or("interval", default.interval, duration);
        if interval.zip(stale_after).is_some_and(|(interval, stale_after)| stale_after < interval) {
            let message =
                "is longer than poll.stale_after: one failed listing makes a target's gateways disappear";
            section.at("interval").warning(message);
        }
        Some(GatewaysConfig { enabled: enabled?, interval: interval? })
    })
}

pub(super) fn traffic(root: &Table<'_>) -> Option<TrafficConfig> {
    root.read_or("traffic", TrafficConfig::default(), |section| {
        let section = section.table(&["enabled", "interval", "metrics"])?;
        let default = TrafficConfig::default();
        let enabled = section.read_or("enabled", default.enabled, Node::boolean);
        let period = section.read_or("interval", default.period, |node| {
            let period = Period::of(duration(node)?);
            if period.is_none() {
                node.error("is not a period of Cloud Monitor's data; write 1m or 5m");
            }
            period
        });
        let metrics = section.read_or("metrics", default.metrics, traffic_metrics);
        Some(TrafficConfig { enabled: enabled?, period: period?, metrics: metrics? })
    })
}

fn traffic_metrics(node: &Node<'_>) -> Option<Vec<TrafficMetric>> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.problem(
            "is empty; list bandwidth, packets, packet_loss or latency, or write traffic.enabled: false",
        );
        return None;
    }
    distinct(&nodes, |node| node.parsed(TrafficMetric::parse))
}

fn tag_labels(node: &Node<'_>) -> Option<Vec<TagLabel>> {
    let mut labels: Vec<TagLabel> = Vec::new();
    for node in node.list()? {
        let Some(label) = tag_label(&node) else { continue };
        match labels.iter().find(|earlier| earlier.label == label.label) {
            Some(earlier) if earlier.key == label.key => node.error("is a duplicate; keep one"),
            Some(earlier) => node.problem(format_args!(
                "{:?} and {:?} would both be the label {}; remove one, or {}",
                label.key,
                earlier.key,
                label.label,
                how_to_name(&label.key)
            )),
            None => labels.push(label),
        }
    }
    Some(labels)
}

/// A tag's key, or a mapping of the tag's key and its label's name.
fn tag_label(node: &Node<'_>) -> Option<TagLabel> {
    if !matches!(node.kind(), ValueKind::Table(_)) {
        return node.parsed(|key| {
            let label = TagLabel::new(tag_key(key).map_err(str::to_owned)?);
            if label.is_distinctive() {
                return Ok(label);
            }
            Err(format!("has no ASCII letter or digit for a label; {}", how_to_name(key)))
        });
    }
    let table = node.table(&["tag", "label"])?;
    let key = table.require("tag", "write the tag's key").and_then(|node| node.parsed(tag_key));
    let name = table.require("label", "write the label's name, which follows tag_")?;
    name.parsed(|name| TagLabel::named(key.unwrap_or_default(), name)).filter(|_| key.is_some())
}

fn tag_key(key: &str) -> Result<&str, &'static str> {
    if key.is_empty() { Err("is not a tag; write the tag's key, or remove the entry") } else { Ok(key) }
}

fn how_to_name(key: &str) -> String {
    format!(
        "name its label: {{tag: {key:?}, label: environment}}, or {key}=environment in the variable TENCENTCLOUD_VPN_EXPORTER__METRICS__TAG_LABELS"
    )
}

/// A duration.
pub(super) fn duration(node: &Node<'_>) -> Option<Duration> {
    match node.kind() {
        // A number without a unit: the usual advice "write it in quotes" would be wrong here.
        ValueKind::I64(number) => {
            duration::parse(&number.to_string()).map_err(|error| node.error(error)).ok()
        }
        _ => node.parsed(duration::parse),
    }
}

/// The path of a file, which is not opened here. A relative path is resolved against `base`.
pub(super) fn path(node: &Node<'_>, base: &Path) -> Option<PathBuf> {
    node.parsed(|text| if text.is_empty() { Err("is not a path; name a file") } else { Ok(base.join(text)) })
}
