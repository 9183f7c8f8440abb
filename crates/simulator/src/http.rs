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
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    api::{self, Api},
    clock::Now,
    control::Control,
    error::ApiError,
    faults::{self, Body, Plan, RequestKey, Reset},
    listing::Listing,
    metadata::{self, MetadataRequest},
    names,
    problem::GatewayProblem,
    request::{self, Action},
};

/// The maximum length of a request body, in bytes: more than any action needs.
const LONGEST_BODY: usize = 1 << 20;
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
/// The path of the faults.
const FAULTS: &str = "/_faults";
/// The path to set the problem of a gateway.
const GATEWAY_PROBLEM: &str = "/_gateway_problem";
/// The path to change the traffic of a tunnel, or the data of a tunnel or gateway.
const TRAFFIC: &str = "/_traffic";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// Accepts connections. When the future is dropped, they are closed.
pub(super) async fn serve(listener: &TcpListener, control: &Control) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve_peer(stream, peer, control.clone()));
                }
                // The peer has disconnected, or there are too many open files. Later connections can succeed.
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_peer(stream: TcpStream, peer: SocketAddr, control: Control) {
    // Responses are written in one piece, so Nagle's algorithm would only delay them.
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
    if let (&Method::GET, Some(request)) = (&head.method, MetadataRequest::parse(head.uri.path())) {
        return call_metadata(control.api(), request).await;
    }
    match (&head.method, head.uri.path(), body) {
        (&Method::POST, "/", Some(body)) => call(control.api(), &head, &body).await,
        (method, path @ (FAULTS | GATEWAY_PROBLEM | TRAFFIC), Some(body)) => {
            Ok(handle_control(control, peer, method, path, &body))
        }
        (method, "/" | FAULTS | GATEWAY_PROBLEM | TRAFFIC, body) => {
            Ok(refuse(control.api(), method, body.is_some()))
        }
        _ => Ok(not_found(control.api())),
    }
}

/// Handles an API request, with its faults.
async fn call(api: &Api, head: &Parts, body: &[u8]) -> Result<Response<Body>, Reset> {
    let key = RequestKey {
        region: request::text(&head.headers, request::REGION).unwrap_or_default(),
        action: request::text(&head.headers, request::ACTION).unwrap_or_default(),
        offset: request::first_row(body),
    };
    let plan = api.faults.plan(&key);
    let now = delay(api, &plan).await;
    let response = if let Some(kind) = plan.replacement() {
        api.record_replaced(&head.headers, body, &plan, now);
        faults::replacement(kind, Action::listing(key.action)).await?
    } else {
        faults::modified(&plan, api.respond(&head.headers, body, &plan, now))
    };
    Ok(dated(response, JSON, now))
}

/// Handles a request to the metadata service, with its faults.
async fn call_metadata(api: &Api, request: MetadataRequest<'_>) -> Result<Response<Body>, Reset> {
    let plan = api.faults.plan(&RequestKey { region: "", action: request.name(), offset: None });
    let now = delay(api, &plan).await;
    let mut entry = request.entry(&plan, now);
    let body = match plan.error() {
        Some(code) => Some(metadata::failure(code)),
        None => request.response(api.instance_role.as_deref(), &api.identities.sessions, now.unix),
    };
    entry.error = plan.error().map(str::to_owned).or_else(|| body.is_none().then(|| "404".to_owned()));
    api.journal.write(entry);
    let response = match (plan.replacement(), body) {
        (Some(kind), _) => faults::replacement(kind, Some(Listing::VpnConnections)).await?,
        (None, Some(body)) => faults::modified(&plan, body),
        (None, None) => not_found(api),
    };
    Ok(dated(response, TEXT, now))
}

/// Waits for the planned latency and returns the time after it.
async fn delay(api: &Api, plan: &Plan) -> Now {
    let latency = api.latency + plan.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    api.clock.now().skewed(plan.skew())
}

fn dated(mut response: Response<Body>, content_type: HeaderValue, now: Now) -> Response<Body> {
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(content_type);
    headers.insert(DATE, date(now.unix));
    response
}

fn not_found(api: &Api) -> Response<Body> {
    response(api, StatusCode::NOT_FOUND, TEXT, "not found\n")
}

/// Changes the world or the faults. Only peers on this machine may do this.
fn handle_control(
    control: &Control,
    peer: SocketAddr,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Response<Body> {
    if !peer.ip().to_canonical().is_loopback() {
        let message = "only clients on this machine may change the simulated world\n";
        return response(control.api(), StatusCode::FORBIDDEN, TEXT, message);
    }
    match path {
        FAULTS => handle_faults(control, method, body),
        GATEWAY_PROBLEM => handle_gateway_problem(control, method, body),
        _ => handle_traffic(control, method, body),
    }
}

/// Shows or replaces the faults.
fn handle_faults(control: &Control, method: &Method, body: &[u8]) -> Response<Body> {
    let api = control.api();
    if *method == Method::POST {
        let result = serde_json::from_slice(body).map_err(|error| format!("faults: {error}\n"));
        let result =
            result.and_then(|faults| control.set_faults(faults).map_err(|error| format!("{error}\n")));
        if let Err(problem) = result {
            return response(api, StatusCode::BAD_REQUEST, TEXT, problem);
        }
    } else if *method != Method::GET {
        return response(
            api,
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "GET shows the faults, POST replaces them\n",
        );
    }
    let faults = serde_json::to_vec(&control.faults()).expect("faults can be written");
    response(api, StatusCode::OK, JSON, faults)
}

/// A problem for one gateway; `None` ends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProblemOfGateway {
    region: String,
    vpn_gateway_id: String,
    problem: Option<GatewayProblem>,
}

/// Starts or ends the problem of one gateway.
fn handle_gateway_problem(control: &Control, method: &Method, body: &[u8]) -> Response<Body> {
    if *method != Method::POST {
        let message = "POST sets the problem of a gateway\n";
        return response(control.api(), StatusCode::METHOD_NOT_ALLOWED, TEXT, message);
    }
    let result = serde_json::from_slice(body).map_err(|error| format!("gateway problem: {error}\n"));
    let result = result.and_then(|ProblemOfGateway { region, vpn_gateway_id, problem }| {
        control.set_gateway_problem(&region, &vpn_gateway_id, problem).map_err(|error| format!("{error}\n"))
    });
    changed(control.api(), result)
}

/// A change of the traffic of a tunnel, or of the data of a tunnel or gateway. A missing key changes nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Traffic {
    region: String,
    id: String,
    /// The factor for bandwidth and packets of a tunnel; 1 is normal.
    #[serde(default)]
    share: Option<f64>,
    #[serde(default)]
    without_data: Option<bool>,
}

/// Changes the traffic of a tunnel, or switches data off or on.
fn handle_traffic(control: &Control, method: &Method, body: &[u8]) -> Response<Body> {
    if *method != Method::POST {
        let message = "POST changes the traffic of a tunnel, or its data\n";
        return response(control.api(), StatusCode::METHOD_NOT_ALLOWED, TEXT, message);
    }
    let result = serde_json::from_slice(body).map_err(|error| format!("traffic: {error}\n"));
    let result = result.and_then(|Traffic { region, id, share, without_data }| {
        let share = share.map_or(Ok(()), |share| control.set_traffic(&region, &id, Some(share)));
        let set_data = |without_data| control.set_without_data(&region, &id, without_data);
        share.and_then(|()| without_data.map_or(Ok(()), set_data)).map_err(|error| format!("{error}\n"))
    });
    changed(control.api(), result)
}

/// The response to a change of the world.
fn changed(api: &Api, result: Result<(), String>) -> Response<Body> {
    match result {
        Ok(()) => response(api, StatusCode::OK, TEXT, "set\n"),
        Err(problem) => response(api, StatusCode::BAD_REQUEST, TEXT, problem),
    }
}

/// Refuses a method other than `POST`, or an unreadable body. API 3.0 also has `GET`, which is not simulated.
fn refuse(api: &Api, method: &Method, read: bool) -> Response<Body> {
    let error = if read {
        ApiError::new("UnsupportedProtocol", format!("The request is a {method} and must be a POST."))
    } else {
        let message = format!("The body was cut off, or has more than {LONGEST_BODY} bytes.");
        ApiError::new("RequestSizeLimitExceeded", message)
    };
    response(api, StatusCode::OK, JSON, api::refusal(&error, &names::request_id()))
}

fn response(
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

/// The `Date` header for a time in Unix seconds, at most the end of the year 9999.
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
            handle_control(&control, peer, &Method::POST, FAULTS, b"[]").status()
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
    fn gateway_problem_is_set_over_http() {
        let control = Control::new(&Options { frozen: true, ..Options::default() }).expect("good options");
        let region = "eu-frankfurt";
        let row = || control.gateway_rows(region).expect("the region").swap_remove(0);
        let id = row()["VpnGatewayId"].clone();
        let set = |body: String| handle_gateway_problem(&control, &Method::POST, body.as_bytes()).status();
        let body =
            |problem| format!(r#"{{"region": "{region}", "vpn_gateway_id": {id}, "problem": {problem}}}"#);
        assert_eq!(set(body(r#""isolated""#)), StatusCode::OK);
        assert_eq!(row()["RestrictState"], "PROTECTIVELY_ISOLATED");
        assert_eq!(set(body("null")), StatusCode::OK);
        assert_eq!(row()["RestrictState"], "NORMAL");
        for bad in [body(r#""broken""#), body("null").replace("vpngw", "vpnx"), "[]".to_owned()] {
            assert_eq!(set(bad.clone()), StatusCode::BAD_REQUEST, "{bad}");
        }
    }

    #[test]
    fn traffic_and_data_are_changed_over_http() {
        let control = Control::new(&Options { frozen: true, ..Options::default() }).expect("good options");
        let region = "eu-frankfurt";
        let id = control.ids(region).expect("the region").swap_remove(0);
        let gateway = control.gateway_rows(region).expect("the region")[0]["VpnGatewayId"].clone();
        let bandwidth = || control.data_point(region, &id, "OutBandwidth", 60, 1_800_000_000);
        let usual = bandwidth().expect("data");
        let set = |id: &str, change: &str| {
            let body = format!(r#"{{"region": "{region}", "id": {id}, {change}}}"#);
            handle_traffic(&control, &Method::POST, body.as_bytes()).status()
        };
        let tunnel = format!("{id:?}");
        assert_eq!(set(&tunnel, r#""share": 0"#), StatusCode::OK);
        assert_eq!(bandwidth(), Some(0.0));
        assert_eq!(set(&tunnel, r#""share": 1, "without_data": true"#), StatusCode::OK);
        assert_eq!(bandwidth(), None);
        assert_eq!(set(&tunnel, r#""without_data": false"#), StatusCode::OK);
        assert_eq!(bandwidth(), Some(usual));
        assert_eq!(set(&gateway.to_string(), r#""without_data": true"#), StatusCode::OK);
        for (id, change) in
            [(&*tunnel, r#""shares": 1"#), (&gateway.to_string(), r#""share": 1"#), ("5", r#""share": 1"#)]
        {
            assert_eq!(set(id, change), StatusCode::BAD_REQUEST, "{id} {change}");
        }
    }

    #[test]
    fn time_after_year_9999_becomes_the_last_date() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
