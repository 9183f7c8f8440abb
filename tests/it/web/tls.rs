//! TLS, client certificates, and changes of their files.

use std::{fs, time::Duration};

use futures_util::future::join_all;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    NameConstraints, SanType, date_time_ymd,
};
use rustls::{
    crypto::{CryptoProvider, ring},
    version::{TLS12, TLS13},
};
use tencentcloud_vpn_exporter::web::{limits::Limits, protection::Protection};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use test_support::pki::{Authority, Files, Identity, TlsClient};
use test_support::web_server::{Server, Setup, logged, until};

const HOUR: Duration = Duration::from_secs(3600);

async fn serve(files: &Files) -> Server {
    Setup { web_config: Some(files.web_config()), ..Setup::default() }.start().await
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A server that accepts client certificates of `clients`, with `more` settings below `tls_server_config`.
async fn serve_mutual_tls(server: &Identity, clients: &Authority, more: &str) -> (Files, Server) {
    let files = Files::tls(server, &format!("  client_ca_file: clients.pem\n{more}"));
    files.write("clients.pem", &clients.pem);
    let server = serve(&files).await;
    (files, server)
}

const REQUIRED: &str = "  client_auth_type: RequireAndVerifyClientCert\n";

#[tokio::test]
async fn scrape_works_in_both_tls_versions() {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    let server = serve(&files).await;
    for version in [&TLS12, &TLS13] {
        let trust = TlsClient::build(&authority, None, &[version], ring::default_provider());
        let response = trust.get(&server, "/metrics").await.unwrap();
        assert_eq!((response.status, response.text()), (200, "tencentcloud_vpn_up 1\n"));
    }
    let stranger = TlsClient::trusting(&Authority::new("others"));
    assert_eq!(
        stranger.status(&server, "/metrics").await,
        None,
        "a client that does not trust the server ends the handshake"
    );
}

#[tokio::test]
async fn configured_versions_and_cipher_suites_are_used() {
    let authority = Authority::new("servers");
    let only = |suite: &str| {
        let suites =
            ring::ALL_CIPHER_SUITES.iter().filter(|known| format!("{:?}", known.suite()) == suite).copied();
        CryptoProvider { cipher_suites: suites.collect(), ..ring::default_provider() }
    };
    let aes128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let aes256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";

    let files = Files::tls(&authority.server(), "  min_version: TLS13\n");
    let server = serve(&files).await;
    let old = TlsClient::build(&authority, None, &[&TLS12], ring::default_provider());
    assert_eq!(old.status(&server, "/metrics").await, None);
    assert_eq!(TlsClient::trusting(&authority).status(&server, "/metrics").await, Some(200));

    let files =
        Files::tls(&authority.server(), &format!("  max_version: TLS12\n  cipher_suites: [{aes128}]\n"));
    let server = serve(&files).await;
    let new = TlsClient::build(&authority, None, &[&TLS13], ring::default_provider());
    assert_eq!(new.status(&server, "/metrics").await, None);
    let weak = TlsClient::build(&authority, None, &[&TLS12], only(aes256));
    assert_eq!(weak.status(&server, "/metrics").await, None);
    let fit = TlsClient::build(&authority, None, &[&TLS12], only(aes128));
    assert_eq!(fit.status(&server, "/metrics").await, Some(200));
}

#[tokio::test]
async fn client_that_prefers_http2_gets_http1() {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    files.write(
        "web.yml",
        "tls_server_config: {cert_file: server.pem, key_file: server.key}\nhttp_server_config: {http2: true}\n",
    );
    let server = serve(&files).await;
    let text = server.publish_large_exposition();
    let both = TlsClient::trusting(&authority).with_alpn(&["h2", "http/1.1"]);
    let response = both.get(&server, "/metrics").await.unwrap();
    assert!(response.text() == text, "the body is complete");
    let http2_alone = TlsClient::trusting(&authority).with_alpn(&["h2"]);
    assert_eq!(http2_alone.status(&server, "/metrics").await, None);
}

#[tokio::test]
async fn plain_http_on_tls_port_is_refused() {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    let server = serve(&files).await;
    let mut client = server.connect().await;
    client.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!((response.status, response.text()), (400, "this port uses TLS: use https://\n"));
    assert_eq!(client.read_rest().await, b"");
}

#[tokio::test]
async fn slow_handshake_is_cut_off() {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    let limits = Limits { header_timeout: Duration::from_millis(100), ..Limits::default() };
    let server = Setup { web_config: Some(files.web_config()), limits, ..Setup::default() }.start().await;
    for beginning in ["", "\u{16}", "\u{16}\u{3}\u{1}\u{2}\0\u{1}"] {
        let mut client = server.connect().await;
        client.send(beginning).await;
        assert_eq!(client.read_rest().await, b"");
    }
}

#[tokio::test]
async fn refused_handshake_causes_a_warning() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (_files, server) = serve_mutual_tls(&servers.server(), &clients, REQUIRED).await;
    // None of these is a refusal. If one of them were logged, it would use up the one warning per minute.
    for beginning in ["", "\u{16}\u{3}\u{1}\u{2}\0\u{1}", "GET / HTTP/1.1\r\nHost: here\r\n\r\n"] {
        let mut client = server.connect().await;
        client.send(beginning).await;
        client.stream.shutdown().await.unwrap();
        client.read_rest().await;
    }
    let stranger = TlsClient::trusting(&Authority::new("others"));
    assert_eq!(stranger.status(&server, "/metrics").await, None);

    let old = TlsClient::build(&servers, None, &[&TLS12], ring::default_provider());
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let address = client.local_addr().unwrap().to_string();
    let warned = || {
        logged(&[
            "WARN",
            "TLS handshake refused",
            &format!("client={address} reason=peer sent no certificates"),
        ])
    };
    // Another server of this process may have refused a client with the same port.
    let before = warned();
    assert!(old.handshake(&server, &mut client).await.is_err(), "the client has no certificate");
    until("it is logged", async || warned() == before + 1).await;
    let mut later = Vec::new();
    for _ in 0..3 {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        let address = client.local_addr().unwrap().to_string();
        later.push((logged(&["TLS handshake refused", &format!("client={address}")]), address));
        assert!(old.handshake(&server, &mut client).await.is_err(), "the client has no certificate");
    }
    // The server handles connections in any order: a good one that is served shows that those before it were refused.
    let known =
        TlsClient::build(&servers, Some(&clients.client(vec![])), &[&TLS12], ring::default_provider());
    assert_eq!(known.status(&server, "/-/healthy").await, Some(200));
    for (before, address) in later {
        let warned = logged(&["TLS handshake refused", &format!("client={address}")]);
        assert_eq!(warned, before, "at most one warning per minute");
    }
}

#[tokio::test]
async fn stop_does_not_wait_for_idle_tls_connections() {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    let limits = Limits { drain_timeout: HOUR, header_timeout: HOUR, ..Limits::default() };
    let server = Setup { web_config: Some(files.web_config()), limits, ..Setup::default() }.start().await;
    let idle = TlsClient::trusting(&authority).connect(&server).await.unwrap();
    let dawdling = server.connect().await;
    assert_eq!(TlsClient::trusting(&authority).status(&server, "/-/healthy").await, Some(200));
    server.shutdown.cancel();
    server.stopped().await;
    drop((idle, dawdling));
}

#[tokio::test]
async fn client_certificate_is_required_and_verified() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (_files, server) = serve_mutual_tls(&servers.server(), &clients, REQUIRED).await;
    for path in ["/metrics", "/-/healthy"] {
        let known = TlsClient::with_certificate(&servers, &clients.client(vec![]));
        assert_eq!(known.status(&server, path).await, Some(200));
        assert_eq!(
            TlsClient::trusting(&servers).status(&server, path).await,
            None,
            "the client has no certificate"
        );
        for foreign in [Authority::new("clients").client(vec![]), servers.client(vec![]), clients.server()] {
            assert_eq!(TlsClient::with_certificate(&servers, &foreign).status(&server, path).await, None);
        }
    }
}

#[tokio::test]
async fn client_certificate_is_verified_if_given() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let policy = "  client_auth_type: VerifyClientCertIfGiven\n";
    let (_files, server) = serve_mutual_tls(&servers.server(), &clients, policy).await;
    let path = "/metrics";
    assert_eq!(TlsClient::trusting(&servers).status(&server, path).await, Some(200));
    assert_eq!(
        TlsClient::with_certificate(&servers, &clients.client(vec![])).status(&server, path).await,
        Some(200)
    );
    assert_eq!(
        TlsClient::with_certificate(&servers, &servers.client(vec![])).status(&server, path).await,
        None
    );
}

#[tokio::test]
async fn only_allowed_names_may_connect() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let names = "  client_allowed_sans: [prometheus.example, ops@example.org, 'spiffe://example/prom', 192.0.2.7, '2001:db8:0::7']\n";
    let (_files, server) = serve_mutual_tls(&servers.server(), &clients, &format!("{REQUIRED}{names}")).await;
    let mail = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let ip = |ip: &str| SanType::IpAddress(ip.parse().unwrap());
    let shows = async |names| {
        TlsClient::with_certificate(&servers, &clients.client(names)).status(&server, "/metrics").await
    };
    for name in [
        dns("prometheus.example"),
        mail("ops@example.org"),
        uri("spiffe://example/prom"),
        ip("192.0.2.7"),
        ip("2001:db8::7"),
    ] {
        assert_eq!(shows(vec![name.clone()]).await, Some(200), "{name:?}");
        assert_eq!(shows(vec![dns("other.example"), name]).await, Some(200));
    }
    for name in [
        dns("other.example"),
        dns("a.prometheus.example"),
        dns("*.example"),
        mail("other@example.org"),
        uri("spiffe://example/prom/x"),
        ip("192.0.2.8"),
    ] {
        assert_eq!(shows(vec![name.clone()]).await, None, "{name:?}");
    }
    assert_eq!(shows(vec![]).await, None, "a certificate without names is refused");
}

/// What a server answers to a client with this certificate, in both TLS versions.
async fn statuses(server: &Server, servers: &Authority, client: &Identity) -> [Option<u16>; 2] {
    let status = async |version| {
        let client = TlsClient::build(servers, Some(client), &[version], ring::default_provider());
        client.status(server, "/metrics").await
    };
    [status(&TLS12).await, status(&TLS13).await]
}

const ACCEPTED: [Option<u16>; 2] = [Some(200); 2];
const REFUSED: [Option<u16>; 2] = [None; 2];

fn authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn expired(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2001, 1, 1);
}

fn for_servers(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

fn with_unknown_extension(params: &mut CertificateParams) {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions = vec![extension];
}

/// By default `openssl` makes certificates of version 1, or with `CA:TRUE`.
#[tokio::test]
async fn version_1_and_authority_clients_are_accepted() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (_files, server) = serve_mutual_tls(&servers.server(), &clients, REQUIRED).await;
    for (what, client) in
        [("version 1", clients.version_1_client()), ("CA:TRUE", clients.client_with(authority))]
    {
        assert_eq!(statuses(&server, &servers, &client).await, ACCEPTED, "{what}");
    }
}

#[tokio::test]
async fn unsuitable_client_certificates_are_refused() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (_files, server) = serve_mutual_tls(&servers.server(), &clients, REQUIRED).await;
    let impostor = Authority::new("clients");
    let authority_and = |change: fn(&mut CertificateParams)| {
        clients.client_with(|params| {
            authority(params);
            change(params);
        })
    };
    for (what, client) in [
        ("version 1, of another authority", impostor.version_1_client()),
        ("CA:TRUE, of another authority", impostor.client_with(authority)),
        ("CA:TRUE, expired", authority_and(expired)),
        ("CA:TRUE, for servers", authority_and(for_servers)),
        ("CA:TRUE, with an unknown critical extension", authority_and(with_unknown_extension)),
        ("CA:TRUE, self-signed", Identity::self_signed(authority)),
        ("version 1, self-signed", Identity::self_signed_version_1()),
    ] {
        assert_eq!(statuses(&server, &servers, &client).await, REFUSED, "{what}");
    }
}

/// Serves with these clients' certificates.
async fn serve_with_clients(servers: &Authority, pem: &str) -> (Files, Server) {
    let files = Files::tls(&servers.server(), &format!("  client_ca_file: clients.pem\n{REQUIRED}"));
    files.write("clients.pem", pem);
    let server = serve(&files).await;
    (files, server)
}

#[tokio::test]
async fn unsuitable_authority_admits_nobody() {
    let servers = Authority::new("servers");
    for (what, change, expected) in [
        ("suitable", authority as fn(&mut CertificateParams), ACCEPTED),
        ("expired", expired, REFUSED),
        ("for servers", for_servers, REFUSED),
        ("with an unknown critical extension", with_unknown_extension, REFUSED),
    ] {
        let clients = Authority::with("clients", |params| {
            authority(params);
            change(params);
        });
        let (_files, server) = serve_with_clients(&servers, &clients.pem).await;
        for client in [clients.client(vec![]), clients.version_1_client()] {
            assert_eq!(statuses(&server, &servers, &client).await, expected, "{what}");
        }
    }
}

#[tokio::test]
async fn authority_limits_the_names_of_clients() {
    let servers = Authority::new("servers");
    let clients = Authority::with("clients", |params| {
        authority(params);
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    });
    let (_files, server) = serve_with_clients(&servers, &clients.pem).await;
    let inside = clients.client(vec![dns("prometheus.example.org")]);
    assert_eq!(statuses(&server, &servers, &inside).await, ACCEPTED);
    let outside = clients.client(vec![dns("prometheus.example")]);
    assert_eq!(statuses(&server, &servers, &outside).await, REFUSED);
    assert_eq!(statuses(&server, &servers, &clients.version_1_client()).await, REFUSED, "without names");
}

#[tokio::test]
async fn pinned_certificate_is_accepted_with_its_key() {
    let servers = Authority::new("servers");
    for (what, pinned) in [
        ("not an authority", Identity::self_signed(|_| {})),
        ("CA:TRUE", Identity::self_signed(authority)),
        ("version 1", Identity::self_signed_version_1()),
    ] {
        let (_files, server) = serve_with_clients(&servers, &pinned.certificate_pem).await;
        assert_eq!(statuses(&server, &servers, &pinned).await, ACCEPTED, "{what}");
        let stolen = pinned.with_other_key();
        assert_eq!(statuses(&server, &servers, &stolen).await, REFUSED, "{what}: without its key");
    }
}

#[tokio::test]
async fn unsuitable_pinned_certificate_is_refused() {
    let servers = Authority::new("servers");
    for (what, pinned) in [
        ("expired", Identity::self_signed(expired)),
        ("not valid yet", Identity::self_signed(|params| params.not_before = date_time_ymd(3000, 1, 1))),
        ("for servers", Identity::self_signed(for_servers)),
    ] {
        let (_files, server) = serve_with_clients(&servers, &pinned.certificate_pem).await;
        assert_eq!(statuses(&server, &servers, &pinned).await, REFUSED, "{what}");
    }
}

#[tokio::test]
async fn pinned_certificate_issues_no_others() {
    let servers = Authority::new("servers");
    let pinned = Authority::without_authority("a client");
    let (_files, server) = serve_with_clients(&servers, &pinned.pem).await;
    for issued in [pinned.client(vec![]), pinned.version_1_client()] {
        assert_eq!(statuses(&server, &servers, &issued).await, REFUSED);
    }
}

#[tokio::test]
async fn own_certificate_allows_only_health_checks() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let own = servers.server();
    let names = "  client_allowed_sans: [prometheus.example]\n";
    let (_files, server) = serve_mutual_tls(&own, &clients, &format!("{REQUIRED}{names}")).await;
    let ourselves = TlsClient::with_certificate(&servers, &own);
    for (path, status) in [
        ("/-/healthy", 200),
        ("/-/ready", 503),
        ("/metrics", 403),
        ("/", 403),
        ("/-/reload", 403),
        ("/nowhere", 403),
    ] {
        assert_eq!(ourselves.status(&server, path).await, Some(status), "{path}");
    }
    let sibling = servers.server();
    assert_eq!(
        TlsClient::with_certificate(&servers, &sibling).status(&server, "/-/healthy").await,
        None,
        "only this certificate is accepted"
    );
}

#[tokio::test]
async fn renewed_certificate_needs_no_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::tls(&old.server(), "");
    let server = serve(&files).await;
    let mut kept = TlsClient::trusting(&old).connect(&server).await.unwrap();
    files.write_certificate(&new.server());
    until("the new one is shown", async || {
        TlsClient::trusting(&new).status(&server, "/metrics").await == Some(200)
    })
    .await;
    assert_eq!(TlsClient::trusting(&old).status(&server, "/metrics").await, None);
    kept.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").await;
    assert_eq!(kept.response().await.status, 200, "open connections still work");
}

#[tokio::test]
async fn broken_certificate_does_not_replace_a_good_one() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::tls(&old.server(), "");
    let server = serve(&files).await;
    let shows_old = async || TlsClient::trusting(&old).status(&server, "/metrics").await == Some(200);
    let file = files.web_config();
    let refusals = || logged(&[file.to_str().unwrap(), "the old one stays in use"]);
    let lone = new.server().certificate_pem;
    let cases = [Some(lone.as_str()), Some("rubbish"), Some(""), None];
    for (case, broken) in cases.into_iter().enumerate() {
        match broken {
            Some(broken) => files.write("server.pem", broken),
            None => fs::remove_file(files.path("server.pem")).unwrap(),
        }
        until("it is refused", async || shows_old().await && refusals() == case + 1).await;
        assert!(shows_old().await, "{broken:?}");
    }
    files.write_certificate(&new.server());
    until("the new one is shown", async || {
        TlsClient::trusting(&new).status(&server, "/metrics").await == Some(200)
    })
    .await;
    assert_eq!(refusals(), cases.len(), "each is logged once");
}

#[tokio::test]
async fn renewed_client_authority_needs_no_restart() {
    let servers = Authority::new("servers");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (files, server) = serve_mutual_tls(&servers.server(), &old, REQUIRED).await;
    let shows = async |client: &Identity| {
        TlsClient::with_certificate(&servers, client).status(&server, "/metrics").await
    };
    let (old_client, new_client) = (old.client(vec![]), new.client(vec![]));
    assert_eq!((shows(&old_client).await, shows(&new_client).await), (Some(200), None));
    files.write("clients.pem", &new.pem);
    until("the new authority is trusted", async || shows(&new_client).await == Some(200)).await;
    assert_eq!(shows(&old_client).await, None);
}

/// The error for these files, without the path of their directory.
fn refusal(files: &Files) -> String {
    let error = Protection::open(&files.web_config()).err().expect("they are refused").to_string();
    error.replace(files.path("").to_str().unwrap(), "")
}

#[test]
fn unusable_files_are_reported_with_their_remedy() {
    let (authority, other) = (Authority::new("servers"), Authority::new("others"));
    let good = authority.server();
    let files = || {
        Files::tls(&good, "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n")
    };

    let missing = files();
    assert_eq!(
        refusal(&missing),
        "clients.pem: No such file or directory (os error 2): check that the file exists and that this process can read it"
    );
    for (name, contents, reason) in [
        ("server.pem", "", "server.pem: has no certificate: put PEM certificates there"),
        ("server.pem", good.key_pem.as_str(), "server.pem: has no certificate: "),
        ("server.pem", "-----BEGIN CERTIFICATE-----\n", "server.pem: is not PEM ("),
        (
            "server.key",
            good.certificate_pem.as_str(),
            "server.key: has no private key: put the certificate's key there",
        ),
        (
            "server.key",
            other.server().key_pem.as_str(),
            "server.key: is not the key of the certificate in server.pem: put a matching pair there",
        ),
        ("clients.pem", "", "clients.pem: has no certificate: "),
        ("clients.pem", &"x".repeat(1_100_000), "clients.pem: it is larger than 1 MiB: "),
    ] {
        let files = files();
        files.write("clients.pem", &authority.pem);
        files.write(name, contents);
        assert!(refusal(&files).starts_with(reason), "{name}: {}", refusal(&files));
    }

    let impossible = Files::tls(&good, "  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n");
    assert_eq!(
        refusal(&impossible),
        "tls_server_config: no allowed TLS version has an allowed cipher suite: allow more of them"
    );
}

#[tokio::test]
async fn reload_never_turns_tls_off() {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    let server = serve(&files).await;
    files.write("web.yml", "");
    let over_tls = async || TlsClient::trusting(&authority).status(&server, "/metrics").await;
    let file = files.web_config();
    let refused = || logged(&[file.to_str().unwrap(), "needs a restart"]) == 1;
    until("it is refused", async || over_tls().await == Some(200) && refused()).await;
    assert_eq!(over_tls().await, Some(200));
    assert_eq!(server.get("/metrics").await.status, 400);
}

#[tokio::test]
async fn reload_never_removes_protection() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    let ca = "  client_ca_file: clients.pem\n";
    let if_given = "  client_auth_type: VerifyClientCertIfGiven\n";
    let names = "  client_allowed_sans: [prometheus.example]\n";
    let users = format!("basic_auth_users: {{ann: '{}'}}\n", bcrypt::hash("sesame", 4).unwrap());
    let full = format!("{tls}{REQUIRED}{ca}{names}{users}");
    let known = clients.client(vec![dns("prometheus.example")]);
    let nameless = clients.client(vec![]);
    let cases = [
        (&full, String::new(), "TLS, passwords, client certificates, allowed names of client certificates"),
        (&full, tls.to_owned(), "passwords, client certificates, allowed names of client certificates"),
        (&full, users.clone(), "TLS, client certificates, allowed names of client certificates"),
        (&full, format!("{tls}{REQUIRED}{ca}{names}"), "passwords"),
        (&full, format!("{tls}{REQUIRED}{ca}{names}basic_auth_users: {{}}\n"), "passwords"),
        (&full, format!("{tls}{REQUIRED}{ca}{users}"), "allowed names of client certificates"),
        (
            &full,
            format!("{tls}{if_given}{ca}{users}"),
            "client certificates, allowed names of client certificates",
        ),
        (&format!("{tls}{REQUIRED}{ca}"), format!("{tls}{if_given}{ca}"), "client certificates"),
        (&format!("{tls}{if_given}{ca}"), tls.to_owned(), "client certificates"),
        (&users, "http_server_config: {}\n".to_owned(), "passwords"),
    ];
    let foreign = servers.client(vec![]);
    let (servers, clients, known, nameless, foreign) = (&servers, &clients, &known, &nameless, &foreign);
    let check = async |before: &str, after: &str, removed: &str| {
        let files = Files::new(before);
        files.write_certificate(&servers.server());
        files.write("clients.pem", &clients.pem);
        // On a busy machine, handshakes take long.
        let limits = Limits { header_timeout: HOUR, ..Limits::default() };
        let server = Setup { web_config: Some(files.web_config()), limits, ..Setup::default() }.start().await;
        let outcomes = async || {
            let mut outcomes = vec![Some(server.get("/metrics").await.status)];
            for client in [
                TlsClient::trusting(servers),
                TlsClient::with_certificate(servers, known),
                TlsClient::with_certificate(servers, nameless),
                TlsClient::with_certificate(servers, foreign),
            ] {
                outcomes.push(client.status(&server, "/metrics").await);
            }
            outcomes
        };
        let expected = outcomes().await;
        files.write("web.yml", after);
        let file = files.web_config();
        let refused =
            || logged(&[file.to_str().unwrap(), "needs a restart", &format!("would_remove=\"{removed}\"")]);
        until(&format!("{removed} stays"), async || {
            assert_eq!(outcomes().await, expected, "{removed}");
            refused() == 1
        })
        .await;
        assert_eq!(outcomes().await, expected, "{removed}");
    };
    // The server checks its files once a second, so all cases run at the same time.
    join_all(cases.iter().map(|(before, after, removed)| check(before, after, removed))).await;
}

#[tokio::test]
async fn reload_adds_and_changes_protection() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (files, server) =
        serve_mutual_tls(&servers.server(), &clients, "  client_auth_type: VerifyClientCertIfGiven\n").await;
    let shows = async |names| {
        TlsClient::with_certificate(&servers, &clients.client(names)).status(&server, "/metrics").await
    };
    let tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: clients.pem\n";
    for allowed in ["one.example", "other.example"] {
        files.write("web.yml", &format!("{tls}{REQUIRED}  client_allowed_sans: [{allowed}]\n"));
        until("it is in force", async || shows(vec![]).await.is_none()).await;
        until("its name is allowed", async || shows(vec![dns(allowed)]).await == Some(200)).await;
    }
    assert_eq!(shows(vec![dns("one.example")]).await, None);
    assert_eq!(TlsClient::trusting(&servers).status(&server, "/metrics").await, None);
}

/// Texts that a message must not have: pieces of a key as text, and as numbers.
fn assert_repeats_no_key(message: &str, key_pem: &str) {
    let base64: String = key_pem.lines().filter(|line| !line.starts_with("-----")).collect();
    for start in 0..base64.len() - 8 {
        let piece = &base64[start..start + 8];
        let numbers = format!("{:?}", piece.as_bytes());
        assert!(!message.contains(piece), "{piece} in {message}");
        assert!(!message.contains(numbers.trim_matches(['[', ']'])), "{piece} as numbers in {message}");
    }
}

#[tokio::test]
async fn misplaced_key_is_not_repeated() {
    let Identity { certificate_pem, key_pem, .. } = Authority::new("servers").server();
    let block = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    let forms = [
        format!(">\n    {}", block(&key_pem)),
        format!("|\n    {}", block(&key_pem)),
        format!("'{}'", block(&key_pem)),
        format!("\"{}\"", key_pem.replace('\n', "\\\\n")),
        format!("\n    {}", block(&key_pem)),
    ];
    for place in ["cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "min_version"] {
        for form in &forms {
            let others = [("cert", &certificate_pem), ("key", &key_pem), ("client_ca", &certificate_pem)]
                .map(|(name, pem)| format!("  {name}: |\n    {}\n", block(pem)));
            let others = others.iter().filter(|other| !other.starts_with(&format!("  {place}:")));
            let others: String = others.map(String::as_str).collect();
            let files = Files::new(&format!("tls_server_config:\n{REQUIRED}{others}  {place}: {form}\n"));
            if let Err(error) = Protection::open(&files.web_config()) {
                assert_repeats_no_key(&error.to_string(), &key_pem);
            }
        }
    }
}
