//! Passwords and headers of the web configuration.

use std::pin::pin;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::{Either, select};

use test_support::pki::{Authority, Files, TlsClient};
use test_support::web_server::{Response, Server, Setup, logged, until};

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

async fn serve(files: &Files) -> Server {
    Setup { web_config: Some(files.web_config()), ..Setup::default() }.start().await
}

async fn log_in(server: &Server, path: &str, name: &str, password: &str) -> Response {
    let credentials = STANDARD.encode(format!("{name}:{password}"));
    server
        .send_request(&format!(
            "GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Basic {credentials}\r\n\r\n"
        ))
        .await
}

#[tokio::test]
async fn only_health_needs_no_password() {
    let files = Files::new(&format!("basic_auth_users:\n  ann: {}\n", hash("sesame")));
    let server = serve(&files).await;
    for path in ["/metrics", "/", "/nowhere", "/-/reload"] {
        let refusal = server.get(path).await;
        assert_eq!((refusal.status, refusal.header("www-authenticate")), (401, Some("Basic")), "{path}");
        for (name, password) in [("ann", "wrong"), ("ben", "sesame"), ("", "")] {
            assert_eq!(log_in(&server, path, name, password).await.status, 401, "{path} {name}:{password}");
        }
    }
    for (path, status) in [("/metrics", 200), ("/", 200), ("/nowhere", 404), ("/-/reload", 405)] {
        assert_eq!(log_in(&server, path, "ann", "sesame").await.status, status, "{path}");
    }
    assert_eq!(server.get("/-/healthy").await.status, 200);
    assert_eq!(server.get("/-/ready").await.status, 503);
    assert_eq!(server.get("/-/healthy/").await.status, 401, "only this path is open");
}

#[tokio::test]
async fn guesses_do_not_delay_known_passwords() {
    let slow = bcrypt::hash("sesame", 10).unwrap();
    let files = Files::new(&format!("basic_auth_users:\n  ann: {slow}\n"));
    let server = serve(&files).await;
    assert_eq!(log_in(&server, "/metrics", "ann", "sesame").await.status, 200);
    let guesses = async {
        let guess =
            async |number: usize| log_in(&server, "/metrics", "ann", &number.to_string()).await.status;
        futures_util::future::join_all((0..8).map(guess)).await
    };
    let scrapes = async {
        for _ in 0..20 {
            assert_eq!(log_in(&server, "/metrics", "ann", "sesame").await.status, 200);
        }
    };
    // The guesses are checked one after the other, and each check costs more than a scrape.
    match select(pin!(guesses), pin!(scrapes)).await {
        Either::Left(_) => panic!("all guesses were checked before the scrapes were served"),
        Either::Right(((), guesses)) => assert_eq!(guesses.await, [401; 8]),
    }
}

#[tokio::test]
async fn changed_password_needs_no_restart() {
    let files = Files::new(&format!("basic_auth_users:\n  ann: {}\n", hash("old")));
    let server = serve(&files).await;
    assert_eq!(log_in(&server, "/metrics", "ann", "old").await.status, 200);
    files.write("web.yml", &format!("basic_auth_users:\n  ann: {}\n", hash("new")));
    until("the new one is known", async || log_in(&server, "/metrics", "ann", "new").await.status == 200)
        .await;
    assert_eq!(
        log_in(&server, "/metrics", "ann", "old").await.status,
        401,
        "the password was correct before"
    );
    files.write("web.yml", "basic_auth_users: nonsense\n");
    let file = files.web_config();
    let refused = || logged(&[file.to_str().unwrap(), "the old one stays in use"]) == 1;
    until("it is refused", async || server.get("/metrics").await.status == 401 && refused()).await;
    assert_eq!(server.get("/metrics").await.status, 401, "a broken file does not remove protection");
}

#[tokio::test]
async fn rate_limit_does_not_apply_to_probes() {
    let files = Files::new("rate_limit: {interval: 1h, burst: 2}\n");
    let server = serve(&files).await;
    for _ in 0..2 {
        assert_eq!(server.get("/metrics").await.status, 200);
    }
    let response = server.get("/metrics").await;
    assert_eq!(response.status, 429);
    let wait: u64 = response.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert_eq!(server.get("/").await.status, 429);
    assert_eq!(server.get("/-/healthy").await.status, 200);
    assert_eq!(server.get("/-/ready").await.status, 503);
}

#[tokio::test]
async fn every_response_has_configured_headers() {
    let files = Files::new(&format!(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: default-src 'self'\n\
         \x20   Strict-Transport-Security: max-age=60\nbasic_auth_users:\n  ann: {}\n",
        hash("sesame")
    ));
    let server = serve(&files).await;
    let page = log_in(&server, "/", "ann", "sesame").await;
    assert_eq!(page.header("x-frame-options"), Some("deny"), "{page:?}");
    assert_eq!(
        page.header("content-security-policy"),
        Some("default-src 'none'"),
        "its own is what it works with"
    );
    let responses = [
        log_in(&server, "/metrics", "ann", "sesame").await,
        log_in(&server, "/nowhere", "ann", "sesame").await,
        server.get("/metrics").await,
        server.get("/-/healthy").await,
    ];
    for response in responses {
        assert_eq!(response.header("x-frame-options"), Some("deny"), "{response:?}");
        assert_eq!(response.header("strict-transport-security"), Some("max-age=60"), "{response:?}");
        assert_eq!(response.header("content-security-policy"), Some("default-src 'self'"), "{response:?}");
        assert_eq!(response.head.matches("content-security-policy").count(), 1, "{response:?}");
    }
}

#[tokio::test]
async fn client_certificate_does_not_replace_the_password() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = Files::tls(
        &servers.server(),
        &format!(
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n\
             basic_auth_users:\n  ann: {}\n",
            hash("sesame")
        ),
    );
    files.write("clients.pem", &clients.pem);
    let server = serve(&files).await;
    let client = TlsClient::with_certificate(&servers, &clients.client(vec![]));
    assert_eq!(client.status(&server, "/metrics").await, Some(401));
    assert_eq!(client.status(&server, "/-/healthy").await, Some(200));
}

#[tokio::test]
async fn emptied_web_configuration_keeps_passwords() {
    let files = Files::new(&format!("basic_auth_users:\n  ann: {}\n", hash("sesame")));
    let server = serve(&files).await;
    files.write("web.yml", "");
    let file = files.web_config();
    until("it is refused", async || {
        assert_eq!(server.get("/metrics").await.status, 401);
        logged(&[file.to_str().unwrap(), "needs a restart"]) == 1
    })
    .await;
    assert_eq!(log_in(&server, "/metrics", "ann", "sesame").await.status, 200);
}

#[tokio::test]
async fn emptied_web_configuration_keeps_the_rate_limit() {
    let files = Files::new("rate_limit: {interval: 1h, burst: 1}\n");
    let server = serve(&files).await;
    assert_eq!(server.get("/metrics").await.status, 200);
    files.write("web.yml", "");
    let file = files.web_config();
    until("it is refused", async || {
        assert_eq!(server.get("/metrics").await.status, 429);
        logged(&[file.to_str().unwrap(), "needs a restart", "the rate limit"]) == 1
    })
    .await;
}
