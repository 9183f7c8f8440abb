//! The routes, over plain HTTP.

use std::{io::Read, sync::Arc};

use tokio::io::AsyncWriteExt;

use test_support::web_server::{Server, Setup, exposition};

#[tokio::test]
async fn scrape_gets_the_text_format() {
    let server = Server::with_defaults().await;
    let response = server.get("/metrics").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.text(), "tencentcloud_vpn_up 1\n");
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(response.header("content-length"), Some("22"));
    assert_eq!(response.header("content-encoding"), None);
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn scrape_is_compressed_if_accepted() {
    let server = Server::with_defaults().await;
    let response =
        server.send_request("GET /metrics HTTP/1.1\r\nHost: here\r\nAccept-Encoding: gzip\r\n\r\n").await;
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(response.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "tencentcloud_vpn_up 1\n");

    let response =
        server.send_request("GET /metrics HTTP/1.1\r\nHost: here\r\nAccept-Encoding: gzip;q=0\r\n\r\n").await;
    assert_eq!((response.header("content-encoding"), response.text()), (None, "tencentcloud_vpn_up 1\n"));
}

#[tokio::test]
async fn every_scrape_gets_the_latest_exposition() {
    let server = Server::with_defaults().await;
    let mut client = server.connect().await;
    for value in 0..3 {
        let text = format!("tencentcloud_vpn_up {value}\n");
        server.exposition.send_replace(Arc::new(exposition(&text)));
        client.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await;
        assert_eq!(client.response().await.text(), text);
    }
}

#[tokio::test]
async fn head_gets_the_headers_of_get() {
    let server = Server::with_defaults().await;
    for (path, length) in [("/metrics", "22"), ("/", "6"), ("/-/healthy", "8")] {
        let mut client = server.connect().await;
        client.send(&format!("HEAD {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")).await;
        let response = String::from_utf8(client.read_rest().await).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.contains(&format!("content-length: {length}\r\n")), "{response}");
        assert!(response.ends_with("\r\n\r\n"), "{response}");
    }
}

#[tokio::test]
async fn page_is_rendered_for_its_query() {
    let server = Server::with_defaults().await;
    let response = server.get("/?search=x").await;
    assert_eq!((response.status, response.text()), (200, "query=search=x"));
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.header("content-security-policy"), Some("default-src 'none'"));
}

#[tokio::test]
async fn telemetry_path_can_replace_the_page() {
    let server = Setup { telemetry_path: "/", ..Setup::default() }.start().await;
    assert_eq!(server.get("/").await.text(), "tencentcloud_vpn_up 1\n");
    assert_eq!(server.get("/metrics").await.status, 404);
}

#[tokio::test]
async fn health_does_not_depend_on_readiness() {
    let server = Server::with_defaults().await;
    assert_eq!(server.get("/-/healthy").await.status, 200);
    assert_eq!(server.get("/-/ready").await.status, 503);
    server.ready.send_replace(true);
    let response = server.get("/-/ready").await;
    assert_eq!((response.status, response.text()), (200, "ready\n"));
}

#[tokio::test]
async fn refusals_do_not_repeat_the_request() {
    let server = Server::with_defaults().await;
    for path in
        ["/metrics/", "/Metrics", "//metrics", "/-/", "/<script>", "/metrics%00", "/a?<b>", "/%2e%2e/metrics"]
    {
        let response =
            server.send_request(&format!("GET {path} HTTP/1.1\r\nHost: <evil>.example\r\n\r\n")).await;
        let refused = matches!(response.status, 400 | 404);
        assert!(
            refused && !response.text().contains("evil") && !response.text().contains(path),
            "{path}: {response:?}"
        );
        assert!(!response.head.contains("evil"), "{response:?}");
    }
    for (method, path, allowed) in [
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("OPTIONS", "/-/healthy", "GET, HEAD"),
        ("PUT", "/-/ready", "GET, HEAD"),
        ("GET", "/-/reload", "POST, PUT"),
        ("get", "/metrics", "GET, HEAD"),
    ] {
        let response = server.send_request(&format!("{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n")).await;
        assert_eq!((response.status, response.header("allow")), (405, Some(allowed)), "{method} {path}");
    }
    assert_eq!(server.send_request("POST /nowhere HTTP/1.1\r\nHost: here\r\n\r\n").await.status, 404);
}

#[tokio::test]
async fn request_needs_one_valid_host() {
    let server = Server::with_defaults().await;
    let status = async |head: &str| server.send_request(&format!("{head}\r\n\r\n")).await.status;
    for path in ["/metrics", "/", "/-/healthy", "/nowhere"] {
        let allowed = status(&format!("GET {path} HTTP/1.1\r\nHost: here")).await;
        for host in ["Host:", "Host: here:14500", "Host: [::1]:14500"] {
            assert_eq!(status(&format!("GET {path} HTTP/1.1\r\n{host}")).await, allowed, "{host}");
        }
        for host in ["Accept: */*", "Host: here\r\nHost: here", "Host: he re", "Host: <here>", "Host: a@here"]
        {
            assert_eq!(status(&format!("GET {path} HTTP/1.1\r\n{host}")).await, 400, "{path} {host}");
        }
        assert_eq!(status(&format!("GET {path} HTTP/1.0")).await, allowed, "HTTP/1.0 needs no host");
    }
}

#[tokio::test]
async fn no_response_is_cached() {
    let server = Server::with_defaults().await;
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\nHost: here", 200),
        ("GET / HTTP/1.1\r\nHost: here", 200),
        ("GET /-/healthy HTTP/1.1\r\nHost: here", 200),
        ("GET /-/ready HTTP/1.1\r\nHost: here", 503),
        ("GET /nowhere HTTP/1.1\r\nHost: here", 404),
        ("POST / HTTP/1.1\r\nHost: here", 405),
        ("GET / HTTP/1.1", 400),
    ] {
        let response = server.send_request(&format!("{request}\r\n\r\n")).await;
        let expected = (status, Some("no-store"));
        assert_eq!((response.status, response.header("cache-control")), expected, "{request}");
    }
}

#[tokio::test]
async fn other_sites_cannot_reload() {
    let mut server = Setup { lifecycle: true, ..Setup::default() }.start().await;
    let mut reloads = server.reloads.take().unwrap();
    let request = |header: &str| format!("POST /-/reload HTTP/1.1\r\nHost: here:14500\r\n{header}\r\n\r\n");
    for header in [
        "Origin: http://elsewhere",
        "Origin: http://here",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Origin: http://here:14500\r\nSec-Fetch-Site: same-site",
    ] {
        assert_eq!(server.send_request(&request(header)).await.status, 403, "{header}");
    }
    assert!(reloads.try_recv().is_err(), "no request was passed on");
    for header in
        ["Accept: */*", "Origin: http://here:14500\r\nSec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"]
    {
        let reload = async { reloads.recv().await.unwrap().reply.send(Ok(())).unwrap() };
        let request = request(header);
        let (response, ()) = tokio::join!(server.send_request(&request), reload);
        assert_eq!(response.status, 200, "{header}");
    }
}

const RELOAD: &str = "POST /-/reload HTTP/1.1\r\nHost: here\r\n\r\n";

#[tokio::test]
async fn reload_is_forbidden_unless_enabled() {
    let server = Server::with_defaults().await;
    let response = server.send_request(RELOAD).await;
    assert_eq!(response.status, 403);
    assert!(response.text().contains("--web.enable-lifecycle"));
}

#[tokio::test]
async fn reload_reports_its_outcome() {
    let mut server = Setup { lifecycle: true, ..Setup::default() }.start().await;
    let mut reloads = server.reloads.take().unwrap();
    let outcomes =
        [(Ok(()), 200, "reloaded\n"), (Err("poll.interval: bad".to_owned()), 400, "poll.interval: bad\n")];
    for (outcome, status, text) in outcomes {
        let reload = async { reloads.recv().await.unwrap().reply.send(outcome).unwrap() };
        let (response, ()) = tokio::join!(server.send_request(RELOAD), reload);
        assert_eq!((response.status, response.text()), (status, text));
    }
    let reload = async { reloads.recv().await.unwrap().reply.send(Ok(())).unwrap() };
    let put = RELOAD.replace("POST", "PUT");
    let (response, ()) = tokio::join!(server.send_request(&put), reload);
    assert_eq!(response.status, 200, "PUT does the same");
    drop(reloads);
    assert_eq!(server.send_request(RELOAD).await.status, 503, "nothing handles reloads");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let server = Server::with_defaults().await;
    let mut client = server.connect().await;
    client
        .send("GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\nGET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        .await;
    assert_eq!(client.response().await.text(), "healthy\n");
    assert_eq!(client.response().await.text(), "tencentcloud_vpn_up 1\n");
}

#[tokio::test]
async fn half_closed_client_is_served() {
    let server = Server::with_defaults().await;
    for request in ["GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n", "GET /metrics HTTP/1.0\r\n\r\n"] {
        let mut client = server.connect().await;
        client.send(request).await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(client.response().await.text(), "tencentcloud_vpn_up 1\n");
        assert_eq!(client.read_rest().await, b"");
    }
    let mut idle = server.connect().await;
    idle.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await;
    idle.response().await;
    idle.stream.shutdown().await.unwrap();
    assert_eq!(idle.read_rest().await, b"");
}
