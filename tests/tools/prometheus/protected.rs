//! A Prometheus server needs the correct certificate or password to scrape.

use std::{fmt::Write, path::Path, time::Instant};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use serde_json::Value;
use tokio::time::sleep;

use super::server::{Program, Server};
use test_support::{
    MAX_WAIT,
    binary::{Process, WorkDir, exporter},
    client,
};

/// An authority that issues a server's and a client's certificate, each with its key, into a folder; all files' names begin
/// with `name`.
fn issue(folder: &Path, name: &str) {
    let write = |file: &str, text: String| {
        std::fs::write(folder.join(format!("{name}-{file}")), text).expect("the file can be written");
    };
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    write("ca.pem", params.self_signed(&key).expect("a certificate").pem());
    let issuer = Issuer::new(params, key);
    for (who, usage) in
        [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
    {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        write(&format!("{who}.pem"), params.signed_by(&key, &issuer).expect("a certificate").pem());
        write(&format!("{who}.key"), key.serialize_pem());
    }
}

/// The demo with this web configuration.
async fn demo(place: &WorkDir, name: &str, web_config: &str) -> Process {
    place.write(name, web_config);
    let mut command = exporter(&["demo", "--web.listen-address", "127.0.0.1:0", "--web.config.file", name]);
    command.current_dir(place.folder());
    Process::start_daemon(command).await
}

/// Waits until every target was scraped, and gives each job's last error, which is empty after a successful scrape.
async fn last_errors(server: &Server, jobs: usize) -> Vec<(String, String)> {
    let url = format!("http://{}/api/v1/targets", server.address);
    let deadline = Instant::now() + MAX_WAIT;
    loop {
        let answer = client().get(&url).send().await.expect("an answer").bytes().await.expect("a body");
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let targets = answer["data"]["activeTargets"].as_array().expect("targets");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let is_known = |target: &Value| {
            target["health"] != "unknown" && !text(&target["lastError"]).contains("context deadline exceeded")
        };
        if targets.len() == jobs && targets.iter().all(is_known) {
            let errors =
                targets.iter().map(|target| (text(&target["scrapePool"]), text(&target["lastError"])));
            return errors.collect();
        }
        assert!(Instant::now() < deadline, "{answer}");
        sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[ignore = "needs Prometheus; tests/run runs it"]
async fn server_scrapes_over_tls_only_when_authenticated() {
    let place = WorkDir::with("");
    let folder = place.folder();
    issue(folder, "our");
    issue(folder, "their");
    let tls = "tls_server_config:\n  cert_file: our-server.pem\n  key_file: our-server.key\n";
    let mutual =
        format!("{tls}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: our-ca.pem\n");
    let hash = bcrypt::hash("sesame", 4).expect("a hash");
    let password = format!("basic_auth_users: {{prometheus: '{hash}'}}\n");
    let encrypted = demo(&place, "tls.yml", tls).await;
    let mutual = demo(&place, "mutual.yml", &mutual).await;
    let password = demo(&place, "password.yml", &password).await;

    let file = |name: &str| folder.join(name).display().to_string();
    let trust = format!("scheme: https, tls_config: {{ca_file: '{}'", file("our-ca.pem"));
    let certificate = |name: &str| {
        let [certificate, key] = ["pem", "key"].map(|kind| file(&format!("{name}-client.{kind}")));
        format!("{trust}, cert_file: '{certificate}', key_file: '{key}'}}, ")
    };
    let secret = |password: &str| format!("basic_auth: {{username: prometheus, password: {password}}}, ");
    // In TLS 1.3 the client sends its request before it knows whether its certificate is accepted. If the server has
    // closed the connection by then, the client sees the reset or the failed write instead of the server's alert.
    let refused = ["remote error: tls: ", "connection reset by peer", "broken pipe"].as_slice();
    // Each job: its name, what it scrapes and how, and the texts of which its last error contains one. None: no error.
    let jobs = [
        ("tls", &encrypted, format!("{trust}}}, "), [].as_slice()),
        ("tls, unknown authority", &encrypted, "scheme: https, ".to_owned(), &["x509"]),
        ("tls, plain request", &encrypted, String::new(), &["400 Bad Request"]),
        ("certificate", &mutual, certificate("our"), &[]),
        ("certificate, none", &mutual, format!("{trust}}}, "), refused),
        ("certificate, unknown authority", &mutual, certificate("their"), refused),
        ("password", &password, secret("sesame"), &[]),
        ("password, wrong", &password, secret("open"), &["401 Unauthorized"]),
        ("password, none", &password, String::new(), &["401 Unauthorized"]),
    ];
    let mut config = String::new();
    for (name, demo, how, _) in &jobs {
        let address = demo.address();
        writeln!(config, "- {{job_name: '{name}', {how}static_configs: [{{targets: ['{address}']}}]}}")
            .expect("a text takes any text");
    }
    let server = Server::start(Program::Prometheus2, &config).await;
    let errors = last_errors(&server, jobs.len()).await;
    for (name, _, _, expected) in &jobs {
        let (_, error) = errors.iter().find(|(job, _)| job == name).expect("it was scraped");
        assert_eq!(error.is_empty(), expected.is_empty(), "{name}: {error}");
        assert!(error.is_empty() || expected.iter().any(|text| error.contains(text)), "{name}: {error}");
    }
    server
        .until("tencentcloud_vpn_up{job='tls'} + on (region) tencentcloud_vpn_up{job='certificate'} == 2")
        .await;
}
