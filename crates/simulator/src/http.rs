//! The listener: connections and routes. The API makes the responses, and the faults change them.

use std::{
    error::Error,
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};

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
    clock::Moment,
    control::Control,
    error::ApiError,
    faults::{self, Asked, Body, Plan, Reset},
    metadata::{self, Question},
    names, request,
};

/// The longest body that is read, in bytes: far more than any of the actions needs.
const LONGEST_BODY: usize = 1 << 20;
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
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
                    tokio::time::sleep(PAUSE).await;
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
    if let (&Method::GET, Some(question)) = (&head.method, Question::parse(head.uri.path())) {
        return tell(control.api(), question).await;
    }
    match (&head.method, head.uri.path(), body) {
        (&Method::POST, "/", Some(body)) => call(control.api(), &head, &body).await,
        (method, "/_faults", Some(body)) => Ok(order(control, peer, method, &body)),
        (method, "/" | "/_faults", body) => Ok(refuse(control.api(), method, body.is_some())),
        _ => Ok(not_found(control.api())),
    }
}

/// Handles a call of an action, with its faults.
async fn call(api: &Api, head: &Parts, body: &[u8]) -> Result<Response<Body>, Reset> {
    let asked = Asked {
        region: request::text(&head.headers, request::REGION).unwrap_or_default(),
        action: request::text(&head.headers, request::ACTION).unwrap_or_default(),
        offset: request::first_row(body),
    };
    let plan = api.faults.plan(&asked);
    let now = delay(api, &plan).await;
    let response = if let Some(kind) = plan.instead() {
        api.withhold(&head.headers, body, &plan, now);
        faults::instead(kind).await?
    } else {
        faults::spoilt(&plan, api.answer(&head.headers, body, &plan, now))
    };
    Ok(dated(response, JSON, now))
}

/// A question to the metadata service, with all that befalls it.
async fn tell(api: &Api, question: Question<'_>) -> Result<Response<Body>, Reset> {
    let plan = api.faults.plan(&Asked { region: "", action: question.name(), offset: None });
    let now = delay(api, &plan).await;
    let mut entry = question.entry(&plan, now);
    let told = match plan.error() {
        Some(code) => Some(metadata::failure(code)),
        None => question.answer(api.instance_role.as_deref(), &api.identities.sessions, now.unix),
    };
    entry.error = plan.error().map(str::to_owned).or_else(|| told.is_none().then(|| "404".to_owned()));
    api.journal.write(entry);
    let response = match (plan.instead(), told) {
        (Some(kind), _) => faults::instead(kind).await?,
        (None, Some(told)) => faults::spoilt(&plan, told),
        (None, None) => not_found(api),
    };
    Ok(dated(response, TEXT, now))
}

/// Waits as long as is planned, and tells the time then.
async fn delay(api: &Api, plan: &Plan) -> Moment {
    let latency = api.latency + plan.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    api.clock.now().skewed(plan.skew())
}

fn dated(mut response: Response<Body>, content_type: HeaderValue, now: Moment) -> Response<Body> {
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(content_type);
    headers.insert(DATE, date(now.unix));
    response
}

fn not_found(api: &Api) -> Response<Body> {
    answer(api, StatusCode::NOT_FOUND, TEXT, "not found\n")
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

/// Accepts only `POST`, the method of the documents, although API 3.0 has two.
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

/// The server's clock as the `Date` header tells it, which ends with the year 9999.
fn date(unix: u64) -> HeaderValue {
    const END: u64 = 253_402_300_799;
    let time = UNIX_EPOCH + Duration::from_secs(unix.min(END));
    HeaderValue::try_from(httpdate::fmt_http_date(time)).expect("a date is plain ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn faults_are_accepted_from_loopback_only() {
        let control = Control::new(&Options::default()).expect("good options");
        let status = |peer: &str| {
            let peer = SocketAddr::new(peer.parse().expect("an address"), 40_000);
            order(&control, peer, &Method::POST, b"[]").status()
        };
        for (peer, expected) in [
            ("127.0.0.1", StatusCode::OK),
            ("::1", StatusCode::OK),
            ("::ffff:127.0.0.1", StatusCode::OK),
            ("192.0.2.1", StatusCode::FORBIDDEN),
            ("::ffff:192.0.2.1", StatusCode::FORBIDDEN),
        ] {
            assert_eq!(status(peer), expected, "{peer}");
        }
    }

    #[test]
    fn time_after_year_9999_becomes_the_last_date() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
