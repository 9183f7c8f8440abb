//! Faults of bytes and sockets: replaced, damaged, slow and incomplete responses.

use std::{
    convert::Infallible,
    io::{self, Write},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::{Bytes, Frame},
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    },
};
use serde_json::Value;

use super::{FaultKind, Plan};
use crate::listing::Listing;

/// A response body, which may be sent in parts or end early.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The connection must be reset without a response.
#[derive(Debug, thiserror::Error)]
#[error("a fault resets the connection")]
pub(crate) struct Reset;

/// The interval between two parts of a slow body.
const DRIP: Duration = Duration::from_millis(100);
const HTML: &str = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>\n";

/// A normal body.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The response that replaces the API's. For `StallHeaders` this never completes. Replaced rows are of this listing, or are
/// data points.
pub(crate) async fn replacement(kind: &FaultKind, listing: Option<Listing>) -> Result<Response<Body>, Reset> {
    match kind {
        FaultKind::Reset => Err(Reset),
        FaultKind::StallHeaders => std::future::pending().await,
        FaultKind::Body { content_type, text } => {
            Ok(with(Response::new(whole(text.clone())), CONTENT_TYPE, content_type))
        }
        FaultKind::Endless => Ok(Response::new(endless(listing))),
        FaultKind::Inflate { mebibytes } => {
            Ok(with(Response::new(whole(inflating(*mebibytes))), CONTENT_ENCODING, "gzip"))
        }
        FaultKind::Rows { count } => Ok(Response::new(whole(rows(listing, *count)))),
        FaultKind::Status { status, retry_after } => {
            let mut response = with(Response::new(whole(HTML)), CONTENT_TYPE, "text/html");
            *response.status_mut() = StatusCode::from_u16(*status).expect("the status was checked");
            Ok(match retry_after {
                Some(after) => with(response, RETRY_AFTER, after),
                None => response,
            })
        }
        FaultKind::Redirect { location } => {
            let mut response = with(Response::new(whole("")), LOCATION, location);
            *response.status_mut() = StatusCode::FOUND;
            Ok(response)
        }
        other => unreachable!("{} does not replace the response", other.name()),
    }
}

/// The API's response with the planned faults applied.
pub(crate) fn modified(plan: &Plan, body: Vec<u8>) -> Response<Body> {
    let body = Bytes::from(plan.kinds().iter().fold(body, edited));
    let length = body.len().to_string();
    let damaged = plan.kinds().iter().find_map(|kind| damaged_body(kind, &body));
    match damaged {
        Some(body) => with(Response::new(body), CONTENT_LENGTH, &length),
        None => Response::new(whole(body)),
    }
}

/// The slow or incomplete body, if this fault makes one.
fn damaged_body(kind: &FaultKind, body: &Bytes) -> Option<Body> {
    let half = stream::iter([Ok(body.slice(..body.len() / 2))]);
    match kind {
        FaultKind::StallBody => Some(streamed(half.chain(stream::pending()))),
        FaultKind::Drip { bytes_per_second } => Some(streamed(drip(body.clone(), *bytes_per_second))),
        FaultKind::Truncate => Some(streamed(half.chain(stream::once(async {
            // The pause lets the first half leave before the connection ends.
            tokio::time::sleep(DRIP).await;
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))
        })))),
        _ => None,
    }
}

fn with(mut response: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    let value = HeaderValue::from_str(value).expect("the text was checked");
    response.headers_mut().insert(name, value);
    response
}

fn streamed(bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(bytes.map(|bytes| bytes.map(Frame::data))).boxed_unsync()
}

fn drip(bytes: Bytes, bytes_per_second: usize) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(DRIP).await;
        let drop = rest.split_to(rest.len().min(bytes_per_second / 10));
        Some((Ok(drop), rest))
    })
}

fn endless(listing: Option<Listing>) -> Body {
    let start = stream::iter([format!(r#"{{"Response": {{"{}": ["#, set(listing))]);
    let row = Bytes::from(format!("{},", row(listing, 0)).repeat(400));
    streamed(start.map(Bytes::from).chain(stream::repeat(row)).map(Ok))
}

/// White space of this size, compressed with gzip.
fn inflating(mebibytes: usize) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mebibyte = vec![b' '; 1 << 20];
    for _ in 0..mebibytes {
        gzip.write_all(&mebibyte).expect("writing to memory cannot fail");
    }
    gzip.finish().expect("memory takes every byte")
}

fn rows(listing: Option<Listing>, count: usize) -> Vec<u8> {
    let rows: Vec<_> = (0..count).map(|number| row(listing, number)).collect();
    let (set, rows, request_id) = (set(listing), rows.join(","), crate::names::request_id());
    format!(r#"{{"Response":{{"TotalCount":{count},"{set}":[{rows}],"RequestId":"{request_id}"}}}}"#)
        .into_bytes()
}

/// The name of the list of rows or data points.
fn set(listing: Option<Listing>) -> &'static str {
    listing.map_or("DataPoints", |listing| listing.names().set)
}

/// A row that has only an identifier, or the data of an instance that has none.
fn row(listing: Option<Listing>, number: usize) -> String {
    let Some(listing) = listing else {
        let dimension = format!(r#"{{"Name":"vpnConnId","Value":"vpnx-{number:08}"}}"#);
        return format!(r#"{{"Dimensions":[{dimension}],"Timestamps":[],"Values":[]}}"#);
    };
    let names = listing.names();
    format!(r#"{{"{}":"{}-{number:08}"}}"#, names.id, names.prefix)
}

/// The response with one value replaced or removed. It is unchanged if the pointer does not match or the body is not
/// JSON.
fn edited(body: Vec<u8>, kind: &FaultKind) -> Vec<u8> {
    let (pointer, value) = match kind {
        FaultKind::Replace { pointer, value } => (pointer, Some(value)),
        FaultKind::Remove { pointer } => (pointer, None),
        _ => return body,
    };
    let Ok(mut whole) = serde_json::from_slice::<Value>(&body) else { return body };
    let (parent, key) = pointer.rsplit_once('/').expect("the pointer was checked");
    let key = key.replace("~1", "/").replace("~0", "~");
    match (whole.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => drop(fields.insert(key, value.clone())),
        (Some(Value::Object(fields)), None) => drop(fields.remove(&key)),
        (Some(Value::Array(items)), value) => {
            if let Some(index) = key.parse().ok().filter(|index| *index < items.len()) {
                match value {
                    Some(value) => items[index] = value.clone(),
                    None => drop(items.remove(index)),
                }
            }
        }
        _ => return body,
    }
    whole.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn response_fields_can_be_replaced_and_removed() {
        let body = || br#"{"Response":{"A":[{"B":1},2]}}"#.to_vec();
        let replace = |pointer: &str, value| FaultKind::Replace { pointer: pointer.into(), value };
        let remove = |pointer: &str| FaultKind::Remove { pointer: pointer.into() };
        let table = [
            (replace("/Response/A/0/B", json!("x")), r#"{"Response":{"A":[{"B":"x"},2]}}"#),
            (replace("/Response/C", json!(-1)), r#"{"Response":{"A":[{"B":1},2],"C":-1}}"#),
            (replace("/Response/A/1", json!(null)), r#"{"Response":{"A":[{"B":1},null]}}"#),
            (replace("/Response/A/2", json!(null)), r#"{"Response":{"A":[{"B":1},2]}}"#),
            (replace("/Nothing/A", json!(null)), r#"{"Response":{"A":[{"B":1},2]}}"#),
            (remove("/Response/A/0/B"), r#"{"Response":{"A":[{},2]}}"#),
            (remove("/Response/A/0"), r#"{"Response":{"A":[2]}}"#),
            (remove("/Response"), "{}"),
        ];
        for (kind, expected) in table {
            let text = String::from_utf8(edited(body(), &kind)).expect("text");
            assert_eq!(text, expected, "{kind:?}");
        }
    }
}
