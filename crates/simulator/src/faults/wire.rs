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

/// The body of an answer, which may come in pieces or break off.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The connection is to be reset, without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset by order of a fault")]
pub(crate) struct Reset;

/// Drips come this often.
const DRIP: Duration = Duration::from_millis(100);
const HTML: &str = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>\n";

/// A body that comes as it should.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// What comes in place of an answer; nothing ever does for a stall.
pub(crate) async fn instead(kind: &FaultKind) -> Result<Response<Body>, Reset> {
    match kind {
        FaultKind::Reset => Err(Reset),
        FaultKind::StallHeaders => std::future::pending().await,
        FaultKind::Body { content_type, text } => {
            Ok(with(Response::new(whole(text.clone())), CONTENT_TYPE, content_type))
        }
        FaultKind::Endless => Ok(Response::new(endless())),
        FaultKind::Inflate { mebibytes } => {
            Ok(with(Response::new(whole(inflating(*mebibytes))), CONTENT_ENCODING, "gzip"))
        }
        FaultKind::Rows { count } => Ok(Response::new(whole(rows(*count)))),
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
        other => unreachable!("{} leaves the answer to the API", other.name()),
    }
}

/// The API's answer, spoilt as planned.
pub(crate) fn spoilt(plan: &Plan, answer: Vec<u8>) -> Response<Body> {
    let answer = Bytes::from(plan.kinds().iter().fold(answer, edited));
    let length = answer.len().to_string();
    let delivery = plan.kinds().iter().find_map(|kind| delivered(kind, &answer));
    match delivery {
        Some(body) => with(Response::new(body), CONTENT_LENGTH, &length),
        None => Response::new(whole(answer)),
    }
}

/// The body of an answer that comes badly, if this is what makes it so.
fn delivered(kind: &FaultKind, answer: &Bytes) -> Option<Body> {
    let half = stream::iter([Ok(answer.slice(..answer.len() / 2))]);
    match kind {
        FaultKind::StallBody => Some(streamed(half.chain(stream::pending()))),
        FaultKind::Drip { bytes_per_second } => Some(streamed(drip(answer.clone(), *bytes_per_second))),
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

fn endless() -> Body {
    let start = stream::iter([r#"{"Response": {"VpnConnectionSet": ["#]);
    let row = Bytes::from(r#"{"VpnConnectionId": "vpnx-00000000"},"#.repeat(400));
    streamed(start.map(Bytes::from).chain(stream::repeat(row)).map(Ok))
}

/// A gzip member of so much white space.
fn inflating(mebibytes: usize) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mebibyte = vec![b' '; 1 << 20];
    for _ in 0..mebibytes {
        gzip.write_all(&mebibyte).expect("writing to memory cannot fail");
    }
    gzip.finish().expect("memory takes every byte")
}

fn rows(count: usize) -> Vec<u8> {
    let rows: Vec<_> = (0..count).map(|row| format!(r#"{{"VpnConnectionId":"vpnx-{row:08}"}}"#)).collect();
    let (rows, request_id) = (rows.join(","), crate::names::request_id());
    format!(
        r#"{{"Response":{{"TotalCount":{count},"VpnConnectionSet":[{rows}],"RequestId":"{request_id}"}}}}"#
    )
    .into_bytes()
}

/// The answer with one part changed or left out. Where there is no such part, or no JSON, it stays as
/// it is.
fn edited(answer: Vec<u8>, kind: &FaultKind) -> Vec<u8> {
    let (pointer, value) = match kind {
        FaultKind::Replace { pointer, value } => (pointer, Some(value)),
        FaultKind::Remove { pointer } => (pointer, None),
        _ => return answer,
    };
    let Ok(mut whole) = serde_json::from_slice::<Value>(&answer) else { return answer };
    let (parent, key) = pointer.rsplit_once('/').expect("the pointer was checked");
    let key = key.replace("~1", "/").replace("~0", "~");
    match (whole.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => drop(fields.insert(key, value.clone())),
        (Some(Value::Object(fields)), None) => drop(fields.remove(&key)),
        (Some(Value::Array(items)), value) => {
            if let Some(place) = key.parse().ok().filter(|place| *place < items.len()) {
                match value {
                    Some(value) => items[place] = value.clone(),
                    None => drop(items.remove(place)),
                }
            }
        }
        _ => return answer,
    }
    whole.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn response_fields_can_be_replaced_and_removed() {
        let answer = || br#"{"Response":{"A":[{"B":1},2]}}"#.to_vec();
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
            let text = String::from_utf8(edited(answer(), &kind)).expect("text");
            assert_eq!(text, expected, "{kind:?}");
        }
    }
}
