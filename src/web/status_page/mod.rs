//! The status page at `/`: targets and tunnels, for people.
//!
//! It renders HTML from a snapshot, a query string and the time, without other state. The style and the script are inline, and
//! the content security policy allows them by their hashes.

mod gateway_warning;
mod headline;
mod query;
mod relative_time;
mod summary;
mod target_row;
mod text;
mod tunnel_row;
mod tunnel_status;
mod tunnels;

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{state::Page, telemetry_path::TelemetryPath};
use crate::{
    domain::{status::Status, tunnel_status::TunnelStatus},
    snapshot::Snapshot,
    version,
};
use gateway_warning::GatewayWarning;
use headline::Headline;
use query::Query;
use relative_time::RelativeTime;
use summary::Summary;
use target_row::Targets;
use tunnel_row::Since;
use tunnels::Tunnels;

const STYLE: &str = include_str!("../../../templates/status_page/style.css");
const SCRIPT: &str = include_str!("../../../templates/status_page/script.js");

/// Renders the status page.
#[derive(Debug)]
pub struct StatusPage {
    telemetry_path: TelemetryPath,
    started: Timestamp,
    content_security_policy: HeaderValue,
}

#[derive(Template)]
#[template(path = "status_page/page.html", whitespace = "minimize")]
struct Document<'a> {
    headline: Headline,
    summary: &'a Summary<'a>,
    gateway_warning: Option<GatewayWarning<'a>>,
    targets: Targets<'a>,
    tunnels: Tunnels<'a>,
    query: &'a Query,
    now: RelativeTime,
    started: RelativeTime,
    /// The telemetry path without its first slash, so that the link also works behind a proxy's prefix.
    metrics: &'a str,
    version: &'static str,
    style: &'static str,
    script: &'static str,
}

impl StatusPage {
    /// A page with a link to the telemetry path, for an exporter that started at this time.
    #[must_use]
    pub fn new(telemetry_path: TelemetryPath, started: Timestamp) -> Self {
        Self { telemetry_path, started, content_security_policy: content_security_policy() }
    }

    /// Renders the snapshot. In the query, `q` is a search, `show` one status, `page` a page number.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot, query: &str, now: Timestamp) -> Page {
        let query = Query::parse(query);
        let summary = Summary::of(snapshot);
        let document = Document {
            headline: Headline::of(&summary),
            gateway_warning: GatewayWarning::of(&summary),
            targets: Targets::of(&summary, now),
            tunnels: Tunnels::of(&summary, &query, self.started, now),
            summary: &summary,
            query: &query,
            now: RelativeTime::new(now, now),
            started: RelativeTime::new(self.started, now),
            metrics: self.telemetry_path.as_str().trim_start_matches('/'),
            version: version::VERSION,
            style: STYLE,
            script: SCRIPT,
        };
        let html = document.render().expect("writing to a string does not fail");
        Page { html: html.into(), content_security_policy: self.content_security_policy.clone() }
    }
}

/// Allows the page's own style, script, icon and form, and requests for the page itself.
fn content_security_policy() -> HeaderValue {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    HeaderValue::try_from(policy).expect("a policy is visible ASCII")
}
