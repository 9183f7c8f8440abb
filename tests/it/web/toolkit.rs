//! The test cases of exporter-toolkit, each with its expected outcome: `tests/fixtures/web/toolkit/README.md`.

use std::{collections::BTreeSet, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::SanType;
use rustls::{ALL_VERSIONS, crypto::ring};
use tencentcloud_vpn_exporter::web::protection::Protection;
use test_support::{
    pki::{Authority, Files, Identity, TlsClient},
    web_server::{Client, Server, Setup, read_response},
    with_timeout,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/web/toolkit");

/// Numbers of RFC 8446, section 6.
const ALERT: u8 = 21;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;

const NO_CONNECTION: &str = "no connection";

/// One row of the table.
#[derive(Debug)]
struct Case {
    file: String,
    client: String,
    toolkit: String,
    here: String,
    reason: String,
    is_marked_different: bool,
}

impl Case {
    fn parse(line: &str) -> Self {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [file, client, toolkit, here, reason] =
            cells.try_into().unwrap_or_else(|_| panic!("{line} has five cells"));
        let bare = |cell: &str| cell.trim_matches(['*', '`']).to_owned();
        let is_marked_different = here.starts_with("**");
        Self {
            file: bare(file),
            client: bare(client),
            toolkit: bare(toolkit),
            here: bare(here),
            reason: reason.to_owned(),
            is_marked_different,
        }
    }

    /// `start`, `http` or `https`.
    fn scheme(&self) -> &str {
        self.client.split(' ').next().unwrap()
    }

    /// The value of an option of the client.
    fn option(&self, name: &str) -> Option<&str> {
        self.client.split(' ').find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(format!("{FOLDER}/README.md")).unwrap();
    text.lines().filter(|line| line.starts_with("| `")).map(Case::parse).collect()
}

/// The certificates that the files name.
struct Certificates {
    authority: Authority,
    server: Identity,
    client: Identity,
    other_client: Identity,
}

impl Certificates {
    fn new() -> Self {
        let authority = Authority::new("servers");
        let key = fs::read_to_string(format!("{FOLDER}/server.key")).unwrap();
        let names =
            ["one", "two"].map(|name| SanType::DnsName(format!("{name}.example").try_into().unwrap()));
        let other_names = ["test1", "test2", "test3"].map(|name| SanType::DnsName(name.try_into().unwrap()));
        Self {
            server: authority.server_with_key(&key),
            authority,
            client: Identity::self_signed(|params| params.subject_alt_names = names.to_vec()),
            other_client: Identity::self_signed(|params| params.subject_alt_names = other_names.to_vec()),
        }
    }

    /// A folder with the certificates, and this file as `web.yml`.
    fn files(&self, file: &str) -> Files {
        let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
        let text = fs::read_to_string(Path::new(FOLDER).join(file)).unwrap_or_default();
        let text = text.replace("@server.crt@", &indented(&self.server.certificate_pem));
        let files = Files::new(&text.replace("@server.key@", &indented(&self.server.key_pem)));
        files.write("server.crt", &self.server.certificate_pem);
        files.write("server.key", &self.server.key_pem);
        files.write("client_selfsigned.pem", &self.client.certificate_pem);
        files.write("client2_selfsigned.pem", &self.other_client.certificate_pem);
        files
    }

    /// The outcome of a case, and the message if the file is refused.
    async fn run(&self, case: &Case) -> (String, String) {
        let files = self.files(&case.file);
        let path = if Path::new(FOLDER).join(&case.file).exists() {
            files.web_config()
        } else {
            files.path(&case.file)
        };
        if let Err(error) = Protection::open(&path) {
            return ("refused".to_owned(), error.to_string());
        }
        let server = Setup { web_config: Some(path), ..Setup::default() }.start().await;
        let outcome = match case.scheme() {
            "start" => "starts".to_owned(),
            "http" => get(&mut server.connect().await, case).await,
            "https" => self.get_with_tls(&server, case).await,
            other => panic!("unknown client {other}"),
        };
        (outcome, String::new())
    }

    async fn get_with_tls(&self, server: &Server, case: &Case) -> String {
        let suites: Vec<_> = case.option("suites").into_iter().flat_map(|names| names.split(',')).collect();
        if case.option("version") == Some("TLS11") {
            return answer_to_hello(server, [3, 2], [0xc0, 0x13]).await;
        }
        // rustls has no CBC suites.
        if suites == ["TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"] {
            return answer_to_hello(server, [3, 3], [0xc0, 0x14]).await;
        }
        let mut provider = ring::default_provider();
        if !suites.is_empty() {
            let known = provider.cipher_suites.clone();
            let named = |name: &&str| known.iter().find(|suite| format!("{:?}", suite.suite()) == **name);
            provider.cipher_suites = suites.iter().filter_map(named).copied().collect();
            assert_eq!(provider.cipher_suites.len(), suites.len(), "{case:?}");
        }
        let identity = case.option("cert").map(|name| match name {
            "client_selfsigned" => &self.client,
            "client2_selfsigned" => &self.other_client,
            other => panic!("unknown certificate {other}"),
        });
        let client = TlsClient::build(&self.authority, identity, ALL_VERSIONS, provider);
        let Ok(mut client) = client.connect(server).await else { return NO_CONNECTION.to_owned() };
        if suites.len() > 1 {
            let suite = client.stream.get_ref().1.negotiated_cipher_suite().expect("a handshake has ended");
            return format!("{:?}", suite.suite());
        }
        get(&mut client, case).await
    }
}

/// The status of the response. Sends the request again, up to the option `times`, until the status is not 200.
async fn get<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, case: &Case) -> String {
    let login = case.option("user").map_or_else(String::new, |user| {
        format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{user}123")))
    });
    let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{login}\r\n");
    let mut status = 200;
    for _ in 0..case.option("times").map_or(1, |times| times.parse().unwrap()) {
        if client.stream.write_all(request.as_bytes()).await.is_err() {
            return NO_CONNECTION.to_owned();
        }
        match read_response(&mut client.stream).await {
            Some(response) => status = response.status,
            None => return NO_CONNECTION.to_owned(),
        }
        if status != 200 {
            break;
        }
    }
    status.to_string()
}

/// The outcome for a client that offers only this version of TLS and this cipher suite.
async fn answer_to_hello(server: &Server, version: [u8; 2], suite: [u8; 2]) -> String {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    // No session, one cipher suite, no compression.
    body.extend([0, 0, 2, suite[0], suite[1], 1, 0]);
    // Curves X25519 and P-256, uncompressed points, signatures of RSA with SHA-256 and SHA-1.
    let extensions =
        [&[0, 10, 0, 6, 0, 4, 0, 29, 0, 23][..], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 6, 0, 4, 4, 1, 2, 1]]
            .concat();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    body.extend(length(&extensions));
    body.extend(extensions);
    let handshake = [&[1, 0][..], &length(&body), &body].concat();
    let hello = [&[22, 3, 1][..], &length(&handshake), &handshake].concat();
    let mut client = server.connect().await;
    client.stream.write_all(&hello).await.unwrap();
    let mut record = [0; 7];
    client.stream.read_exact(&mut record).await.unwrap();
    let [kind, .., description] = record;
    match (kind, description) {
        (ALERT, HANDSHAKE_FAILURE | PROTOCOL_VERSION) => NO_CONNECTION.to_owned(),
        other => format!("record {other:?}"),
    }
}

#[tokio::test]
async fn toolkit_cases_have_their_expected_outcomes() {
    let certificates = Certificates::new();
    let cases = cases();
    for case in &cases {
        let (outcome, message) = with_timeout(certificates.run(case)).await;
        assert_eq!(outcome, case.here, "{case:?}: {message}");
        assert!(message.contains(&case.reason), "{case:?}: {message}");
        assert_eq!(case.reason.is_empty(), case.here != "refused", "{case:?}");
        assert_eq!(case.is_marked_different, case.here != case.toolkit, "{case:?}");
    }
    let tried: BTreeSet<_> = cases.iter().map(|case| case.file.clone()).collect();
    let files = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files.filter(|file| file.contains(".y")).collect();
    assert!(files.is_subset(&tried), "{:?} are not tried", &files - &tried);
}
