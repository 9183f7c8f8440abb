//! The check that containers use.

use std::{path::Path, time::Instant};

use tencentcloud_vpn_exporter::web::{HealthcheckError, healthcheck};
use tokio::net::TcpListener;

use crate::{
    pki::{Authority, Files},
    rig::{Server, Setup, until},
};

async fn check(server: &Server, web_config: Option<&Path>) -> Result<(), HealthcheckError> {
    healthcheck(&[format!(":{}", server.address.port()), "ignored".to_owned()], web_config).await
}

async fn serve(files: &Files) -> Server {
    Setup { web_config: Some(files.web_config()), ..Setup::default() }.start().await
}

#[tokio::test]
async fn daemon_that_serves_is_healthy_and_one_that_stopped_is_not() {
    let server = Server::with_defaults().await;
    check(&server, None).await.unwrap();
    let address = server.address.to_string();
    server.shutdown.cancel();
    server.stopped().await;
    let error = healthcheck(std::slice::from_ref(&address), None).await.unwrap_err();
    assert!(matches!(error, HealthcheckError::Unreachable { .. }));
    assert!(error.to_string().starts_with(&format!("{address}: ")), "{error}");
}

#[tokio::test]
async fn daemon_is_asked_over_tls_and_mutual_tls() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let hash = bcrypt::hash("sesame", 4).unwrap();
    let required = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n";
    let if_given = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: clients.pem\n";
    for more in [
        String::new(),
        required.to_owned(),
        if_given.to_owned(),
        format!("{required}  client_allowed_sans: [prometheus.example]\nbasic_auth_users:\n  ann: {hash}\n"),
        format!("{required}  min_version: TLS13\n"),
        format!("{required}  max_version: TLS12\n"),
    ] {
        let files = Files::tls(&servers.server(), &more);
        files.write("clients.pem", &clients.pem);
        let server = serve(&files).await;
        check(&server, Some(&files.web_config())).await.unwrap_or_else(|error| panic!("{more}: {error}"));
        assert!(check(&server, None).await.is_err(), "without the web configuration");
    }
}

#[tokio::test]
async fn other_certificate_than_the_configured_one_is_not_trusted() {
    let servers = Authority::new("servers");
    let files = Files::tls(&servers.server(), "");
    let server = serve(&files).await;
    let others = Files::tls(&servers.server(), "");
    assert!(check(&server, Some(&others.web_config())).await.is_err());
}

#[tokio::test]
async fn renewed_certificate_is_trusted_as_soon_as_it_is_shown() {
    let servers = Authority::new("servers");
    let files = Files::tls(&servers.server(), "");
    let server = serve(&files).await;
    files.put(&servers.server());
    until("it is shown", async || check(&server, Some(&files.web_config())).await.is_ok()).await;
}

#[tokio::test]
async fn who_does_not_answer_is_given_up_after_three_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let error = healthcheck(&[address], None).await.unwrap_err();
    assert!(matches!(error, HealthcheckError::Silent(_)), "{error}");
    assert!((2..5).contains(&begun.elapsed().as_secs()), "took {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_cannot_be_asked_is_said() {
    assert!(matches!(healthcheck(&[], None).await, Err(HealthcheckError::NoAddress)));
    let error = healthcheck(&["nonsense".to_owned()], None).await.unwrap_err();
    assert!(matches!(error, HealthcheckError::Address(_)), "{error}");
    let error = healthcheck(&[":1".to_owned()], Some(Path::new("/nowhere/web.yml"))).await.unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/web.yml: No such file"), "{error}");
}
