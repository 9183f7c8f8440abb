//! The listener: connections and routes. What an answer says is the API's business, and what spoils it the faults'.

use std::{error::Error, net::SocketAddr, time::UNIX_EPOCH};

use http_body_util::{BodyExt, Collected, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, DATE, HeaderValue},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    api::{self, Api},
    control::Control,
    error::ApiError,
    faults::{self, Asked, Body, Reset},
    names, request,
};

/// The longest body that is read, in bytes: far more than any of the actions needs.
const LONGEST_BODY: usize = 1 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// Accepts connections until it is dropped, and drops them with it.
pub(super) async fn serve(listener: &TcpListener, control: &Control) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(converse(stream, peer, control.clone()));
                }
                // The peer has given up already, or there are too many open files: others may still be served.
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::task::yield_now().await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, control: Control) {
    // Answers are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let control = control.clone();
        async move { respond(&control, peer, request).await }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return };
    tracing::debug!(%error, "connection ended early");
    if error.source().is_some_and(<dyn Error>::is::<Reset>) {
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

async fn respond(
    control: &Control,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Reset> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_BODY).collect().await.map(Collected::to_bytes).ok();
    match (&head.method, head.uri.path(), body) {
        (&Method::POST, "/", Some(body)) => call(control.api(), &head, &body).await,
        (method, "/_faults", Some(body)) => Ok(order(control, peer, method, &body)),
        (method, "/", body) => Ok(refuse(control.api(), method, body.is_some())),
        _ => Ok(answer(control.api(), StatusCode::NOT_FOUND, TEXT, "not found\n")),
    }
}

/// A call of an action, with all that befalls it.
async fn call(api: &Api, head: &Parts, body: &[u8]) -> Result<Response<Body>, Reset> {
    let asked = Asked {
        region: request::text(&head.headers, request::REGION).unwrap_or_default(),
        action: request::text(&head.headers, request::ACTION).unwrap_or_default(),
        offset: request::first_row(body),
    };
    let plan = api.faults.plan(&asked);
    let latency = api.latency + plan.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let now = api.clock.now().skewed(plan.skew());
    let mut response = if let Some(kind) = plan.instead() {
        api.withhold(&head.headers, body, &plan, now);
        faults::instead(kind).await?
    } else {
        faults::spoilt(&plan, api.answer(&head.headers, body, &plan, now))
    };
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(JSON);
    headers.insert(DATE, date(now.unix));
    Ok(response)
}

/// What faults there are to be from now on. Only a peer on this machine may say.
fn order(control: &Control, peer: SocketAddr, method: &Method, body: &[u8]) -> Response<Body> {
    let api = control.api();
    if !peer.ip().to_canonical().is_loopback() {
        return answer(api, StatusCode::FORBIDDEN, TEXT, "faults are ordered from this machine only\n");
    }
    if *method == Method::POST {
        let ordered = serde_json::from_slice(body).map_err(|error| format!("faults: {error}\n"));
        let ordered =
            ordered.and_then(|faults| control.set_faults(faults).map_err(|error| format!("{error}\n")));
        if let Err(problem) = ordered {
            return answer(api, StatusCode::BAD_REQUEST, TEXT, problem);
        }
    } else if *method != Method::GET {
        return answer(
            api,
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "GET shows the faults, POST replaces them\n",
        );
    }
    let faults = serde_json::to_vec(&control.faults()).expect("faults can be written");
    answer(api, StatusCode::OK, JSON, faults)
}

/// Of API 3.0's two methods only the one that is in the documents is spoken here.
fn refuse(api: &Api, method: &Method, read: bool) -> Response<Body> {
    let error = if read {
        ApiError::new("UnsupportedProtocol", format!("The request is a {method} and must be a POST."))
    } else {
        let message = format!("The body was cut off, or has more than {LONGEST_BODY} bytes.");
        ApiError::new("RequestSizeLimitExceeded", message)
    };
    answer(api, StatusCode::OK, JSON, api::refusal(&error, &names::request_id()))
}

fn answer(
    api: &Api,
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(faults::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(DATE, date(api.clock.now().unix));
    response
}

/// The server's clock as the `Date` header tells it.
fn date(unix: u64) -> HeaderValue {
    let time = UNIX_EPOCH + std::time::Duration::from_secs(unix);
    HeaderValue::try_from(httpdate::fmt_http_date(time)).expect("a date is plain ASCII")
}
