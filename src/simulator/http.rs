//! The listener: connections and routes. What an answer says is the API's business.

use std::convert::Infallible;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, DATE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{api, api::Api, control::Control, error::ApiError, names};

/// The longest body that is read, in bytes: far more than any of the actions needs.
const LONGEST_BODY: usize = 1 << 20;

/// Accepts connections until it is dropped, and drops them with it.
pub(super) async fn serve(listener: &TcpListener, control: &Control) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, control.clone()));
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

async fn converse(stream: TcpStream, control: Control) {
    // Answers are written whole; waiting for more only delays them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let control = control.clone();
        async move { Ok::<_, Infallible>(respond(&control, request).await) }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn respond(control: &Control, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let api = control.api();
    let (head, body) = request.into_parts();
    if head.uri.path() != "/" {
        return answer(api, StatusCode::NOT_FOUND, "text/plain", "not found\n".into());
    }
    if head.method != Method::POST {
        // Of API 3.0's two methods only the one that is in the documents is spoken here.
        let error = ApiError::new("UnsupportedProtocol", "The request must be an HTTP POST.");
        return json(api, api::refusal(&error, &names::request_id()));
    }
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        let message = format!("The body was cut off, or has more than {LONGEST_BODY} bytes.");
        let error = ApiError::new("RequestSizeLimitExceeded", message);
        return json(api, api::refusal(&error, &names::request_id()));
    };
    if !api.latency.is_zero() {
        tokio::time::sleep(api.latency).await;
    }
    json(api, api.answer(&head.headers, &body.to_bytes(), api.clock.now()))
}

fn json(api: &Api, body: Vec<u8>) -> Response<Full<Bytes>> {
    answer(api, StatusCode::OK, "application/json", body.into())
}

fn answer(api: &Api, status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(DATE, date(api.clock.now().unix));
    response
}

/// The server's clock as the `Date` header tells it.
fn date(unix: u64) -> HeaderValue {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix);
    HeaderValue::try_from(httpdate::fmt_http_date(time)).expect("a date is plain ASCII")
}
