//! What clients may not do in HTTP/2.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use hyper::{HeaderMap, Request, header::HeaderValue};
use tokio::time::timeout;

use test_support::pki::{Authority, Files, Trust};
use test_support::web_server::{PATIENCE, Server, Setup};

/// A server, and a client that speaks HTTP/2 with it.
struct Conversation {
    server: Server,
    requests: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
    streams_allowed: usize,
    _files: Files,
}

async fn converse() -> Conversation {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    let server = Setup { web_config: Some(files.web_config()), ..Setup::default() }.start().await;
    let stream = Trust::in_authority(&authority).speaking(&["h2"]).connect(&server).await.unwrap().stream;
    let (requests, mut connection) = h2::client::handshake(stream).await.unwrap();
    // Its settings are known once the server has answered.
    let mut requests = requests.ready().await.unwrap();
    let (answer, _) = requests.send_request(request(HeaderMap::new()), true).unwrap();
    let streams_allowed = tokio::select! {
        _ = &mut connection => unreachable!("the connection goes on"),
        answer = answer => {
            assert_eq!(answer.unwrap().status(), 200);
            connection.max_concurrent_send_streams()
        }
    };
    Conversation { server, requests, connection: tokio::spawn(connection), streams_allowed, _files: files }
}

fn request(headers: HeaderMap) -> Request<()> {
    let mut request = Request::get("https://localhost/-/healthy").body(()).unwrap();
    *request.headers_mut() = headers;
    request
}

#[tokio::test]
async fn few_requests_may_be_in_flight_on_one_connection() {
    assert_eq!(converse().await.streams_allowed, 16);
}

#[tokio::test]
async fn header_list_that_is_too_large_is_refused() {
    let mut conversation = converse().await;
    let many = |count: usize| {
        let mut headers = HeaderMap::new();
        for _ in 0..count {
            headers.append("x", HeaderValue::from_str(&"x".repeat(1000)).unwrap());
        }
        headers
    };
    for (headers, status) in [(many(10), 200), (many(20), 431)] {
        let (answer, _) = conversation.requests.send_request(request(headers), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn body_is_not_taken_in() {
    let mut conversation = converse().await;
    let (answer, mut body) = conversation.requests.send_request(request(HeaderMap::new()), false).unwrap();
    let mut sent = 0;
    let flood = async {
        while sent < 1_000_000 {
            body.reserve_capacity(1024);
            let Some(Ok(capacity)) = poll_fn(|cx| body.poll_capacity(cx)).await else { break };
            if body.send_data(Bytes::from(vec![0; capacity]), false).is_err() {
                break;
            }
            sent += capacity;
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, flood).await.expect("the server resets the stream");
    assert!(sent < 100_000, "{sent} bytes");
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test]
async fn flood_of_resets_ends_the_connection() {
    let conversation = converse().await;
    let flood = async {
        for _ in 0..10_000 {
            let Ok(mut requests) = conversation.requests.clone().ready().await else { break };
            let Ok((_, mut stream)) = requests.send_request(request(HeaderMap::new()), true) else { break };
            stream.send_reset(Reason::CANCEL);
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, flood).await.expect("the server ends the connection");
    let end = conversation.connection.await.unwrap();
    assert_eq!(end.unwrap_err().reason(), Some(Reason::ENHANCE_YOUR_CALM));
    conversation.server.shutdown.cancel();
    conversation.server.stopped().await;
}
