//! What is served, and what the caller of this module supplies for it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hyper::header::HeaderValue;
use prometheus::{Histogram, IntCounter};
use tokio::sync::{mpsc, oneshot, watch};

use crate::metrics::exposition::Exposition;

/// Everything that is served.
pub struct Site {
    /// Where a scrape asks.
    pub telemetry_path: TelemetryPath,
    /// What a scrape is answered with: always the present value.
    pub exposition: watch::Receiver<Arc<Exposition>>,
    /// Whether every target has been tried once.
    pub ready: watch::Receiver<bool>,
    /// Where a request for a reload goes; none where `--web.enable-lifecycle` is not given.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// `exporter_scrapes_total`: scrapes that were answered with the exposition.
    pub scrapes: IntCounter,
    /// `exporter_scrape_duration_seconds`: from a scrape's request to the last byte of its answer.
    pub scrape_duration: Histogram,
    /// Renders the page at `/` for a query string, which is empty where there is none.
    pub page: Box<dyn Fn(&str) -> Page + Send + Sync>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("telemetry_path", &self.telemetry_path).finish_non_exhaustive()
    }
}

/// A wish that the configuration be read again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Takes the outcome; the error says every problem.
    pub reply: oneshot::Sender<Result<(), String>>,
}

/// An HTML page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The whole document, in UTF-8.
    pub html: Bytes,
    /// Its `Content-Security-Policy`.
    pub content_security_policy: HeaderValue,
}

/// `--web.telemetry-path`: a path that needs no escaping and hides none of ours but `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// A telemetry path that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "telemetry path `{0}` must be `/` and any of A-Z a-z 0-9 / . _ ~ -, and not below `/-/`: the usual one is /metrics"
)]
pub struct InvalidTelemetryPath(String);

impl TelemetryPath {
    /// Reads a path.
    pub fn new(path: &str) -> Result<Self, InvalidTelemetryPath> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
        // A browser would read `//name` as another host.
        let taken = path.starts_with("/-/") || path.starts_with("//");
        if path.starts_with('/') && path.bytes().all(plain) && !taken {
            return Ok(Self(path.to_owned()));
        }
        Err(InvalidTelemetryPath(path.to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_telemetry_paths_are_accepted() {
        for path in ["/metrics", "/", "/a/b.c", "/federate_~-1"] {
            assert_eq!(TelemetryPath::new(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn telemetry_paths_that_mislead_are_refused() {
        for path in
            ["", "metrics", "/a b", "/?x", "/<b>", "/é", "/-/healthy", "/-/x", "//example.org", "/%41"]
        {
            assert_eq!(TelemetryPath::new(path), Err(InvalidTelemetryPath(path.to_owned())));
        }
    }
}
