//! How answers are put together.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::body::Body;

/// A few words.
pub(super) fn text(status: StatusCode, words: impl Into<Bytes>) -> Response<Body> {
    whole(status, HeaderValue::from_static("text/plain; charset=utf-8"), Body::of(vec![words.into()]))
}

/// A body of this type.
pub(super) fn whole(status: StatusCode, content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, content_type)
}

/// An answer with one more header.
pub(super) fn with(mut answer: Response<Body>, name: HeaderName, value: HeaderValue) -> Response<Body> {
    answer.headers_mut().insert(name, value);
    answer
}

/// There is no room; there will be soon.
pub(super) fn busy(words: &'static str) -> Response<Body> {
    with(text(StatusCode::SERVICE_UNAVAILABLE, words), RETRY_AFTER, HeaderValue::from_static("1"))
}

/// A user and a password are needed.
pub(super) fn unauthorized() -> Response<Body> {
    let refusal = text(StatusCode::UNAUTHORIZED, "unauthorized\n");
    with(refusal, WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))
}
