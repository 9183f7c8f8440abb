//! The check that containers use.

use std::{fs, path::Path};

use tencentcloud_vpn_exporter::web::healthcheck::{HealthcheckError, Probe, healthcheck};
use tokio::{net::TcpListener, time::Instant};

use test_support::pki::{Authority, Files, Identity};
use test_support::web_server::{Server, Setup, until};

const REQUIRED: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n";

async fn check(server: &Server, web_config: Option<&Path>) -> Result<(), HealthcheckError> {
    ask(Probe::Healthy, server, web_config).await
}

async fn ask(probe: Probe, server: &Server, web_config: Option<&Path>) -> Result<(), HealthcheckError> {
    healthcheck(probe, &[format!(":{}", server.address.port()), "ignored".to_owned()], web_config).await
}

async fn serve(files: &Files) -> Server {
    Setup { web_config: Some(files.web_config()), ..Setup::default() }.start().await
}

#[tokio::test]
async fn serving_daemon_is_healthy_and_stopped_is_not() {
    let server = Server::with_defaults().await;
    check(&server, None).await.unwrap();
    let address = server.address.to_string();
    server.shutdown.cancel();
    server.stopped().await;
    let error = healthcheck(Probe::Healthy, std::slice::from_ref(&address), None).await.unwrap_err();
    assert!(matches!(error, HealthcheckError::Unreachable { .. }));
    assert!(error.to_string().starts_with(&format!("{address}: ")), "{error}");
}

#[tokio::test]
async fn daemon_is_checked_over_mutual_tls() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let hash = bcrypt::hash("sesame", 4).unwrap();
    let if_given = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: clients.pem\n";
    for more in [
        String::new(),
        REQUIRED.to_owned(),
        if_given.to_owned(),
        format!("{REQUIRED}  client_allowed_sans: [prometheus.example]\nbasic_auth_users:\n  ann: {hash}\n"),
        format!("{REQUIRED}  min_version: TLS13\n"),
        format!("{REQUIRED}  max_version: TLS12\n"),
    ] {
        let files = Files::tls(&servers.server(), &more);
        files.write("clients.pem", &clients.pem);
        let server = serve(&files).await;
        check(&server, Some(&files.web_config())).await.unwrap_or_else(|error| panic!("{more}: {error}"));
        let without = check(&server, None).await;
        assert_eq!(without.is_err(), more.contains(REQUIRED), "{more} without the web configuration");
    }
}

#[tokio::test]
async fn inline_certificate_serves_for_the_check() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let Identity { certificate_pem, key_pem, .. } = servers.server();
    let block = |pem: &str| pem.replace('\n', "\n    ");
    let files = Files::new(&format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n{REQUIRED}",
        block(&certificate_pem),
        block(&key_pem)
    ));
    files.write("clients.pem", &clients.pem);
    let server = serve(&files).await;
    check(&server, Some(&files.web_config())).await.expect("it is healthy");
    assert!(check(&server, None).await.is_err(), "without the certificate");
}

/// What breaks, and how.
type BrokenFile = (&'static str, fn(&Files));

/// Ways in which files on disk break while the daemon keeps what it read before.
const BROKEN_FILES: &[BrokenFile] = &[
    ("the certificate belongs to another key", |files| {
        files.write("server.pem", &Authority::new("others").server().certificate_pem);
    }),
    ("the certificate is no PEM", |files| files.write("server.pem", "rubbish")),
    ("the certificate is missing", |files| fs::remove_file(files.path("server.pem")).unwrap()),
    ("the key is missing", |files| fs::remove_file(files.path("server.key")).unwrap()),
    ("a key of the configuration is misspelt", |files| {
        let text = fs::read_to_string(files.web_config()).unwrap();
        files.write("web.yml", &text.replace("tls_server_config", "tls_server_confg"));
    }),
    ("the configuration is no YAML", |files| {
        let text = fs::read_to_string(files.web_config()).unwrap();
        files.write("web.yml", &format!("\tusers: 'ann\n{text}"));
    }),
    ("the configuration is not UTF-8", |files| {
        let text = fs::read(files.web_config()).unwrap();
        fs::write(files.web_config(), [&b"# \xff\n"[..], &text].concat()).unwrap();
    }),
    ("the configuration is missing", |files| fs::remove_file(files.web_config()).unwrap()),
    ("the configuration is a directory", |files| {
        fs::remove_file(files.web_config()).unwrap();
        fs::create_dir(files.web_config()).unwrap();
    }),
];

#[tokio::test]
async fn broken_files_do_not_matter() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let if_given = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: clients.pem\n";
    for (what, damage) in BROKEN_FILES {
        let tls = Files::tls(&servers.server(), "");
        let optional = Files::tls(&servers.server(), if_given);
        let plain = Files::new("http_server_config: {headers: {X-Frame-Options: deny}}\n");
        plain.write_certificate(&servers.server());
        for files in [tls, optional, plain] {
            files.write("clients.pem", &clients.pem);
            let server = serve(&files).await;
            damage(&files);
            check(&server, Some(&files.web_config())).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
}

#[tokio::test]
async fn mutual_tls_needs_only_certificate_and_key() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let no_authority: BrokenFile =
        ("the authority is missing", |files| fs::remove_file(files.path("clients.pem")).unwrap());
    for (what, damage) in [&[no_authority], BROKEN_FILES].concat() {
        let files = Files::tls(&servers.server(), REQUIRED);
        files.write("clients.pem", &clients.pem);
        let server = serve(&files).await;
        damage(&files);
        let checked = check(&server, Some(&files.web_config())).await;
        let needed = ["the certificate", "the key", "the configuration is missing", "the configuration is a"];
        if !needed.iter().any(|needed| what.starts_with(needed)) {
            checked.unwrap_or_else(|error| panic!("{what}: {error}"));
            continue;
        }
        let error = checked.expect_err(what);
        assert!(matches!(error, HealthcheckError::Unreachable { .. }), "{what}: {error}");
        let file = files.path("");
        assert!(error.to_string().contains(&format!("there is none: {}", file.display())), "{what}: {error}");
    }
}

#[tokio::test]
async fn other_sections_of_pem_files_are_ignored() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = Files::tls(&servers.server(), REQUIRED);
    files.write("clients.pem", &clients.pem);
    for name in ["server.pem", "server.key"] {
        let text = fs::read_to_string(files.path(name)).unwrap();
        let section = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        files.write(name, &format!("{section}{text}"));
    }
    let server = serve(&files).await;
    check(&server, Some(&files.web_config())).await.expect("the daemon accepts the files, too");
}

#[tokio::test]
async fn unused_certificate_is_named() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = Files::tls(&servers.server(), REQUIRED);
    files.write("clients.pem", &clients.pem);
    let server = serve(&files).await;
    files.write("web.yml", &fs::read_to_string(files.web_config()).unwrap().replace("_auth_", "_auht_"));
    files.write_certificate(&servers.server());
    let error = check(&server, Some(&files.web_config())).await.unwrap_err().to_string();
    let shown = format!("sends the server's own: {}", files.path("server.pem").display());
    assert!(error.contains(&shown), "{error}");
}

#[tokio::test]
async fn ready_differs_from_healthy() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let mutual = Files::tls(&servers.server(), REQUIRED);
    mutual.write("clients.pem", &clients.pem);
    for files in [mutual, Files::tls(&servers.server(), ""), Files::new("")] {
        let (server, web_config) = (serve(&files).await, files.web_config());
        let ready = || ask(Probe::Ready, &server, Some(&web_config));
        let error = ready().await.unwrap_err();
        assert!(
            error.to_string().contains("the response to /-/ready is 503 Service Unavailable, not 200"),
            "{error}"
        );
        check(&server, Some(&web_config)).await.unwrap();
        server.ready.send_replace(true);
        ready().await.unwrap();
    }
}

#[tokio::test]
async fn renewed_certificate_is_shown_to_the_daemon() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = Files::tls(&servers.server(), REQUIRED);
    files.write("clients.pem", &clients.pem);
    let server = serve(&files).await;
    files.write_certificate(&servers.server());
    until("the daemon uses it too", async || check(&server, Some(&files.web_config())).await.is_ok()).await;
}

#[tokio::test(start_paused = true)]
async fn check_ends_after_three_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let start = Instant::now();
    let error = healthcheck(Probe::Healthy, &[address], None).await.unwrap_err();
    assert!(matches!(error, HealthcheckError::Timeout(_)), "{error}");
    assert_eq!(start.elapsed().as_secs(), 3, "by tokio's clock, which skips waits");
}

#[tokio::test]
async fn unreachable_daemon_is_reported() {
    assert!(matches!(healthcheck(Probe::Healthy, &[], None).await, Err(HealthcheckError::NoAddress)));
    let error = healthcheck(Probe::Healthy, &["nonsense".to_owned()], None).await.unwrap_err();
    assert!(matches!(error, HealthcheckError::Address(_)), "{error}");
    let error = healthcheck(Probe::Healthy, &[":1".to_owned()], Some(Path::new("/nowhere/web.yml"))).await;
    let error = error.unwrap_err();
    assert!(matches!(error, HealthcheckError::Unreachable { .. }), "{error}");
}
