//! From a request to its answer.
//!
//! Nothing of a request is ever given back but the search on the status page, escaped there: not its path, nor its headers.
//! No body is read.

use std::sync::Arc;

use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{
        ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HeaderValue, VARY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use tokio::sync::{mpsc::error::TrySendError, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Activity, Answering},
    answer::{busy, text, unauthorized, whole, with},
    auth::Login,
    body::Body,
    encoding::takes_gzip,
    places::Places,
    protection::{Protection, Rules},
    site::{ReloadRequest, Site},
    tls::Visitor,
};

/// The most that a request's body may announce, in bytes. None is of use.
const MAX_BODY: u64 = 1024;

const TOO_MANY: &str = "too many scrapes at once: see --web.max-requests\n";
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Answers requests.
pub(super) struct Routes {
    site: Site,
    places: Places,
    protection: Option<Arc<Protection>>,
    stopping: CancellationToken,
}

/// What is served somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Telemetry,
    Page,
    Healthy,
    Ready,
    Reload,
}

impl Route {
    /// The methods that it knows, as in `Allow`.
    fn methods(self) -> &'static str {
        match self {
            Self::Reload => "POST",
            _ => "GET, HEAD",
        }
    }

    fn allows(self, method: &Method) -> bool {
        self.methods().split(", ").any(|allowed| allowed == method.as_str())
    }
}

impl Routes {
    /// Serves `site` to those who pass `protection`, until `stopping`.
    pub(super) fn new(
        site: Site,
        places: Places,
        protection: Option<Arc<Protection>>,
        stopping: CancellationToken,
    ) -> Self {
        Self { site, places, protection, stopping }
    }

    /// Answers one request that `visitor` makes on a connection that does `activity`.
    pub(super) async fn answer(
        &self,
        activity: &Arc<Activity>,
        visitor: Visitor,
        request: &Request<Incoming>,
    ) -> Response<Body> {
        let answering = activity.begin_answer();
        let mut answer = match &self.protection {
            None => self.respond(&answering, request).await,
            Some(protection) => {
                let rules = protection.rules().await;
                let answer = match self.refuse(&rules, visitor, request).await {
                    Some(refusal) => refusal,
                    None => self.respond(&answering, request).await,
                };
                // What an answer says of itself, such as the page's own policy, is stricter than what holds for all.
                let missing = rules.headers.iter().filter(|(name, _)| !answer.headers().contains_key(*name));
                let missing: Vec<_> = missing.map(|(name, value)| (name.clone(), value.clone())).collect();
                missing.into_iter().fold(answer, |answer, (name, value)| with(answer, name, value))
            }
        };
        let length = answer.body().remaining();
        answer.headers_mut().insert(CONTENT_LENGTH, length.into());
        answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if request.method() == Method::HEAD {
            *answer.body_mut() = Body::default();
        }
        answer.body_mut().belong_to(answering);
        answer
    }

    /// Sends away whom the rules do not let in. Whether the process is well, everyone may ask.
    async fn refuse(
        &self,
        rules: &Rules,
        visitor: Visitor,
        request: &Request<Incoming>,
    ) -> Option<Response<Body>> {
        if matches!(self.route(request.uri().path()), Some(Route::Healthy | Route::Ready)) {
            return None;
        }
        if visitor == Visitor::Ourselves {
            return Some(text(
                StatusCode::FORBIDDEN,
                "the server's own certificate is good for health checks alone\n",
            ));
        }
        match rules.users.login(request.headers()).await {
            Login::Granted => None,
            Login::Denied => Some(unauthorized()),
            Login::Busy => Some(busy("too many passwords to check\n")),
        }
    }

    async fn respond(&self, answering: &Answering, request: &Request<Incoming>) -> Response<Body> {
        if request.body().size_hint().lower() > MAX_BODY {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "no request here needs a body\n");
        }
        let Some(route) = self.route(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "not found\n");
        };
        if !route.allows(request.method()) {
            let refusal = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            return with(refusal, ALLOW, HeaderValue::from_static(route.methods()));
        }
        match route {
            Route::Telemetry => self.scrape(answering, request).await,
            Route::Page => self.page(answering, request.uri().query().unwrap_or_default()).await,
            Route::Healthy => text(StatusCode::OK, "healthy\n"),
            Route::Ready => self.ready(),
            Route::Reload => self.reload().await,
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        match path {
            _ if path == self.site.telemetry_path.as_str() => Some(Route::Telemetry),
            "/" => Some(Route::Page),
            "/-/healthy" => Some(Route::Healthy),
            "/-/ready" => Some(Route::Ready),
            "/-/reload" => Some(Route::Reload),
            _ => None,
        }
    }

    async fn scrape(&self, answering: &Answering, request: &Request<Incoming>) -> Response<Body> {
        let counted = request.method() == Method::GET;
        let Some(place) = self.places.take(counted.then_some(&self.site.scrape_duration)).await else {
            return busy(TOO_MANY);
        };
        answering.take(place);
        if counted {
            self.site.scrapes.inc();
        }
        let exposition = self.site.exposition.borrow().clone();
        // Before the first rendering there is no gzip member yet, not even an empty one.
        let gzip = takes_gzip(request.headers()) && !exposition.gzip.is_empty();
        let body = if gzip {
            Body::of(exposition.gzip.clone())
        } else {
            let plain = exposition.plain();
            Body::made(plain.remaining() as u64, plain)
        };
        let mut response = whole(StatusCode::OK, EXPOSITION, body);
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if gzip {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    async fn page(&self, answering: &Answering, query: &str) -> Response<Body> {
        let Some(place) = self.places.take(None).await else {
            return busy(TOO_MANY);
        };
        answering.take(place);
        let page = (self.site.page)(query);
        let response = whole(StatusCode::OK, HTML, Body::of(vec![page.html]));
        with(response, CONTENT_SECURITY_POLICY, page.content_security_policy)
    }

    fn ready(&self) -> Response<Body> {
        if *self.site.ready.borrow() && !self.stopping.is_cancelled() {
            return text(StatusCode::OK, "ready\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }

    async fn reload(&self) -> Response<Body> {
        let Some(reloads) = &self.site.reload else {
            return text(
                StatusCode::FORBIDDEN,
                "reloading by HTTP is off: start with --web.enable-lifecycle\n",
            );
        };
        let (reply, outcome) = oneshot::channel();
        if let Err(TrySendError::Full(_)) = reloads.try_send(ReloadRequest { reply }) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "a reload is under way\n");
        }
        match outcome.await {
            Ok(Ok(())) => text(StatusCode::OK, "reloaded\n"),
            Ok(Err(problems)) => text(StatusCode::BAD_REQUEST, problems + "\n"),
            // The process stops: the reload was dropped with its reply.
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        }
    }
}
