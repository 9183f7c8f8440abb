//! Routes requests and builds the responses.
//!
//! Responses never repeat the path or the headers of a request. Only the status page repeats the search text, escaped. The
//! request's body is never read.

use std::{iter, sync::Arc, time::Instant};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderValue, VARY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use tokio::sync::{mpsc::error::TrySendError, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    auth::Login,
    encoding::accepts_gzip,
    origin::{has_valid_host, is_cross_origin},
    protection::{Protection, Rules},
    response::{Body, busy, streamed, text, too_many_requests, unauthorized, with_header},
    scrape_limit::ScrapeLimit,
    state::{ReloadRequest, WebState},
    tls::Peer,
};

/// The largest allowed `Content-Length` of a request, in bytes. No request needs a body.
const MAX_BODY: u64 = 1024;

const TOO_MANY: &str = "too many concurrent scrapes: see --web.max-requests\n";
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Responds to requests.
pub(super) struct Routes {
    state: WebState,
    scrape_limit: ScrapeLimit,
    protection: Option<Arc<Protection>>,
    shutdown: CancellationToken,
}

/// A path that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Telemetry,
    Page,
    Healthy,
    Ready,
    Reload,
}

impl Route {
    /// The allowed methods, as in the header `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Reload => "POST, PUT",
            _ => "GET, HEAD",
        }
    }

    fn allows(self, method: &Method) -> bool {
        self.methods().split(", ").any(|allowed| allowed == method.as_str())
    }
}

impl Routes {
    /// Serves `state` to clients that `protection` allows. After `shutdown`, `/-/ready` returns 503.
    pub(super) fn new(
        state: WebState,
        scrape_limit: ScrapeLimit,
        protection: Option<Arc<Protection>>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { state, scrape_limit, protection, shutdown }
    }

    /// The response to one request.
    pub(super) async fn respond(&self, peer: Peer, request: &Request<Incoming>) -> Response<Body> {
        let rules = match &self.protection {
            Some(protection) => Some(protection.rules().await),
            None => None,
        };
        let mut response = self.check_and_route(rules.as_deref(), peer, request).await;
        if let Some(rules) = &rules {
            add_missing_headers(&mut response, rules);
        }
        // A cached response would be out of date.
        let response = with_header(response, CACHE_CONTROL, HeaderValue::from_static("no-store"));
        with_header(response, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
    }

    async fn check_and_route(
        &self,
        rules: Option<&Rules>,
        peer: Peer,
        request: &Request<Incoming>,
    ) -> Response<Body> {
        if !has_valid_host(request.version(), request.headers()) {
            return text(StatusCode::BAD_REQUEST, "the header Host is missing, repeated or invalid\n");
        }
        if let Some(rules) = rules
            && let Some(refusal) = self.refuse(rules, peer, request).await
        {
            return refusal;
        }
        self.route(request).await
    }

    /// Returns an error response if the rules do not allow the request. `/-/healthy` and `/-/ready` need no password, and have
    /// no rate limit.
    async fn refuse(&self, rules: &Rules, peer: Peer, request: &Request<Incoming>) -> Option<Response<Body>> {
        if matches!(self.find(request.uri().path()), Some(Route::Healthy | Route::Ready)) {
            return None;
        }
        if peer == Peer::SelfProbe {
            return Some(text(
                StatusCode::FORBIDDEN,
                "the server's own certificate is for health checks only\n",
            ));
        }
        if let Some(Err(wait)) = rules.limit.as_ref().map(|limit| limit.take(Instant::now())) {
            return Some(too_many_requests(wait));
        }
        match rules.users.login(request.headers()).await {
            Login::Granted => None,
            Login::Denied => Some(unauthorized()),
            Login::Busy => Some(busy("too many passwords to check\n")),
        }
    }

    async fn route(&self, request: &Request<Incoming>) -> Response<Body> {
        if request.body().size_hint().lower() > MAX_BODY {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "no request here needs a body\n");
        }
        let Some(route) = self.find(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "not found\n");
        };
        if !route.allows(request.method()) {
            let refusal = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            return with_header(refusal, ALLOW, HeaderValue::from_static(route.methods()));
        }
        match route {
            Route::Telemetry => self.scrape(request),
            Route::Page => self.page(request.uri().query().unwrap_or_default()),
            Route::Healthy => text(StatusCode::OK, "healthy\n"),
            Route::Ready => self.ready(),
            Route::Reload => self.reload(request).await,
        }
    }

    fn find(&self, path: &str) -> Option<Route> {
        match path {
            _ if path == self.state.telemetry_path.as_str() => Some(Route::Telemetry),
            "/" => Some(Route::Page),
            "/-/healthy" => Some(Route::Healthy),
            "/-/ready" => Some(Route::Ready),
            "/-/reload" => Some(Route::Reload),
            _ => None,
        }
    }

    fn scrape(&self, request: &Request<Incoming>) -> Response<Body> {
        let exposition = self.state.exposition.borrow().clone();
        // Before the first rendering there is no gzip member yet.
        let response = if accepts_gzip(request.headers()) && !exposition.gzip.is_empty() {
            let length = exposition.gzip.iter().map(Bytes::len).sum();
            // All clients share these bytes, so such a response costs little and needs no permit.
            let response = streamed(EXPOSITION, length, exposition.gzip.clone().into_iter(), None);
            with_header(response, CONTENT_ENCODING, HeaderValue::from_static("gzip"))
        } else {
            let Some(permit) = self.scrape_limit.try_acquire() else { return busy(TOO_MANY) };
            let plain = exposition.plain();
            streamed(EXPOSITION, plain.remaining(), plain, Some(permit))
        };
        with_header(response, VARY, HeaderValue::from_static("Accept-Encoding"))
    }

    fn page(&self, query: &str) -> Response<Body> {
        let Some(permit) = self.scrape_limit.try_acquire() else { return busy(TOO_MANY) };
        let page = (self.state.page)(query);
        let response = streamed(HTML, page.html.len(), iter::once(page.html), Some(permit));
        with_header(response, CONTENT_SECURITY_POLICY, page.content_security_policy)
    }

    fn ready(&self) -> Response<Body> {
        if *self.state.ready.borrow() && !self.shutdown.is_cancelled() {
            return text(StatusCode::OK, "ready\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }

    async fn reload(&self, request: &Request<Incoming>) -> Response<Body> {
        let Some(reloads) = &self.state.reload else {
            return text(
                StatusCode::FORBIDDEN,
                "reloading by HTTP is disabled: start with --web.enable-lifecycle\n",
            );
        };
        if is_cross_origin(request.headers()) {
            return text(StatusCode::FORBIDDEN, "pages of other sites cannot reload the configuration\n");
        }
        let (reply, outcome) = oneshot::channel();
        if let Err(TrySendError::Full(_)) = reloads.try_send(ReloadRequest { reply }) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "a reload is in progress\n");
        }
        match outcome.await {
            Ok(Ok(())) => text(StatusCode::OK, "reloaded\n"),
            Ok(Err(problems)) => text(StatusCode::BAD_REQUEST, problems + "\n"),
            // The daemon stopped before it replied.
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        }
    }
}

/// Adds the configured headers. A header that the response already has, such as the page's policy, is stricter and is kept.
fn add_missing_headers(response: &mut Response<Body>, rules: &Rules) {
    for (name, value) in &rules.headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
}
