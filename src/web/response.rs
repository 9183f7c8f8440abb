//! Builds HTTP responses. It does not depend on routes or content.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::scrape_limit::ScrapePermit;

/// The body of a response.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A short plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).boxed_unsync());
    *response.status_mut() = status;
    with_header(response, CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))
}

/// A streamed body of `length` bytes. Each piece is created after the earlier ones are sent. The permit is released after the
/// last piece.
pub(super) fn streamed(
    content_type: HeaderValue,
    length: usize,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
    permit: Option<ScrapePermit>,
) -> Response<Body> {
    let frames = pieces.map(move |piece| {
        // The closure owns the permit.
        let _ = &permit;
        Ok(Frame::data(piece))
    });
    let response = Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
    let response = with_header(response, CONTENT_TYPE, content_type);
    with_header(response, CONTENT_LENGTH, length.into())
}

/// The response with one more header.
pub(super) fn with_header(
    mut response: Response<Body>,
    name: HeaderName,
    value: HeaderValue,
) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}

/// 503: try again in a second.
pub(super) fn busy(reason: &'static str) -> Response<Body> {
    let response = text(StatusCode::SERVICE_UNAVAILABLE, reason);
    with_header(response, RETRY_AFTER, HeaderValue::from_static("1"))
}

/// 429: there is a token again after `wait`.
pub(super) fn too_many_requests(wait: Duration) -> Response<Body> {
    let response = text(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests: see rate_limit in the web configuration file\n",
    );
    with_header(response, RETRY_AFTER, wait.as_secs().saturating_add(1).into())
}

/// 401: a user and a password are needed.
pub(super) fn unauthorized() -> Response<Body> {
    let response = text(StatusCode::UNAUTHORIZED, "unauthorized\n");
    with_header(response, WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))
}
