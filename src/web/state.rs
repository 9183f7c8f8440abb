//! The data that the server shows, and the channel for reload requests. `app` provides both.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hyper::header::HeaderValue;
use tokio::sync::{mpsc, oneshot, watch};

use super::telemetry_path::TelemetryPath;
use crate::metrics::exposition::Exposition;

/// The data that the server shows, and the channel for reload requests.
pub struct WebState {
    /// `--web.telemetry-path`.
    pub telemetry_path: TelemetryPath,
    /// The latest exposition.
    pub exposition: watch::Receiver<Arc<Exposition>>,
    /// Whether the first poll of every target, and the first region discovery of every account, has finished.
    pub ready: watch::Receiver<bool>,
    /// Receives reload requests; `None` without `--web.enable-lifecycle`.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// Renders the page at `/` for a query string; empty if there is no query.
    pub page: Box<dyn Fn(&str) -> Page + Send + Sync>,
}

impl fmt::Debug for WebState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebState").field("telemetry_path", &self.telemetry_path).finish_non_exhaustive()
    }
}

/// A request to read the configuration again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Receives the outcome; the error lists every problem.
    pub reply: oneshot::Sender<Result<(), String>>,
}

/// An HTML page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The HTML, in UTF-8.
    pub html: Bytes,
    /// Its `Content-Security-Policy`.
    pub content_security_policy: HeaderValue,
}
