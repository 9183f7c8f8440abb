//! The web configuration file, in the format of Prometheus' exporter-toolkit.
//!
//! It reads a text into values that are valid once they exist, and opens no file that is named there. What the format
//! has and this server has not is a problem, never ignored: it would leave open what the file's author meant to close.

mod tls;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use bcrypt::HashParts;
use config::ValueKind;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use yaml_rust2::{Event, parser::Parser};

pub(super) use tls::{Clients, TlsConfig};

use crate::{
    config::{
        problem::{Problem, Problems},
        reader::{Diagnostics, Node, Table},
        yaml,
    },
    domain::secret::Secret,
};

/// What the web configuration file says.
#[derive(Debug, Default)]
pub(super) struct WebConfig {
    /// `tls_server_config`, and `http_server_config.http2`, which is for TLS alone.
    pub(super) tls: Option<TlsConfig>,
    /// `http_server_config.headers`: on every answer.
    pub(super) headers: HeaderMap,
    /// `basic_auth_users`: names and bcrypt hashes. None at all means that no password is asked for.
    pub(super) users: BTreeMap<String, Secret>,
    /// What is likely not meant.
    pub(super) warnings: Vec<Problem>,
}

const SECRET_KEYS: &[&str] = &["basic_auth_users", "key"];

/// Keys of the format that are not supported, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("cert", "put the certificate into a file, and name that with cert_file"),
    ("key", "put the key into a file, and name that with key_file"),
    ("client_ca", "put the certificates into a file, and name that with client_ca_file"),
    ("rate_limit", "limit what is answered at once with --web.max-requests, or rates in a proxy"),
];

/// The headers that may be set, and their values where those are not free.
const HEADERS: &[(&str, &[&str])] = &[
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Reads the text of the file at `path`; the files that it names are relative to that.
pub(super) fn read(path: &Path, text: &str) -> Result<WebConfig, Problems> {
    let name = path.display().to_string();
    let document = yaml::parse(&name, text)?;
    if matches!(document.kind, ValueKind::Nil) {
        return Ok(WebConfig::default());
    }
    let diagnostics = Diagnostics::new(name, SECRET_KEYS);
    let directory = path.parent().unwrap_or(Path::new(""));
    let config = sections(&diagnostics.root(&document), directory);
    let warnings = diagnostics.finish()?;
    let config = config.expect("a reader that finds no problem gives a value");
    Ok(WebConfig { warnings, ..config })
}

/// Finds `cert_file` and `key_file` in the text of the file at `path`, which may be no valid configuration.
pub(super) fn own_files(path: &Path, text: &str) -> Option<(PathBuf, PathBuf)> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let file = |key| Some(directory.join(value_of(key, text)?));
    Some((file("cert_file")?, file("key_file")?))
}

/// The scalar behind `key`: in the whole text, or where that is no YAML, in one of its lines.
fn value_of(key: &str, text: &str) -> Option<String> {
    std::iter::once(text).chain(text.lines()).find_map(|text| {
        let mut parser = Parser::new_from_str(text);
        let mut is_key = false;
        while let Ok((event, _)) = parser.next_token() {
            match event {
                Event::StreamEnd => return None,
                Event::Scalar(value, ..) if is_key => return Some(value),
                Event::Scalar(scalar, ..) => is_key = scalar == key,
                _ => is_key = false,
            }
        }
        None
    })
}

/// Reads each section. Here and below, `None` means that a problem has been reported.
fn sections(root: &Node<'_>, directory: &Path) -> Option<WebConfig> {
    let table = root.table(&["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"])?;
    refuse_unsupported(&table);
    let http = table.read_or("http_server_config", Http::default(), http);
    let users = table.read_or("basic_auth_users", BTreeMap::new(), users);
    let tls = table.read_or("tls_server_config", None, |node| TlsConfig::read(node, directory).map(Some));
    let (http, users, tls) = (http?, users?, tls?);
    if let Some(section) = table.get("basic_auth_users").filter(|_| tls.is_none() && !users.is_empty()) {
        section.warning(
            "passwords cross the network unencrypted; add tls_server_config, or a proxy that has it",
        );
    }
    let tls = tls.map(|tls| TlsConfig { http2: http.http2, ..tls });
    Some(WebConfig { tls, headers: http.headers, users, warnings: Vec::new() })
}

/// `http_server_config`.
struct Http {
    http2: bool,
    headers: HeaderMap,
}

impl Default for Http {
    fn default() -> Self {
        Self { http2: true, headers: HeaderMap::new() }
    }
}

fn http(section: &Node<'_>) -> Option<Http> {
    let table = section.table(&["http2", "headers"])?;
    let http2 = table.read_or("http2", true, Node::boolean);
    let headers = table.read_or("headers", HeaderMap::new(), headers);
    Some(Http { http2: http2?, headers: headers? })
}

fn headers(section: &Node<'_>) -> Option<HeaderMap> {
    let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
    let table = section.table(&names)?;
    let mut headers = HeaderMap::new();
    for (name, allowed) in HEADERS {
        let Some(node) = table.get(name) else { continue };
        let Some(value) = node.text() else { continue };
        if value.is_empty() {
            continue;
        }
        if !allowed.is_empty() && !allowed.contains(&value) {
            node.error(format_args!("is not one of {}", allowed.join(", ")));
            continue;
        }
        match HeaderValue::from_str(value) {
            Ok(value) => _ = headers.insert(HeaderName::from_str(name).expect("the names are valid"), value),
            Err(_) => node.error("has characters that a header cannot carry"),
        }
    }
    Some(headers)
}

fn users(section: &Node<'_>) -> Option<BTreeMap<String, Secret>> {
    let mut users = BTreeMap::new();
    for (name, node) in section.open_table()?.entries() {
        if name.contains(':') {
            node.problem("no client can log in with a name that has a colon");
        }
        let Some(hash) = node.text() else { continue };
        if is_bcrypt(hash) {
            users.insert(name.to_owned(), Secret::new(hash));
        } else {
            node.error("is not a bcrypt hash; make one with `htpasswd -nBC 10 name`, and keep what follows the colon");
        }
    }
    Some(users)
}

fn is_bcrypt(hash: &str) -> bool {
    // `$2x$` marks hashes of an implementation that had a flaw; they cannot be verified.
    !hash.starts_with("$2x$")
        && HashParts::from_str(hash).is_ok_and(|hash| (4..=31).contains(&hash.get_cost()))
}

fn refuse_unsupported(table: &Table<'_>) {
    for (key, remedy) in UNSUPPORTED {
        if let Some(node) = table.get(key) {
            node.problem(format_args!("is not supported; {remedy}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::version::TLS13;

    use super::*;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/web");

    fn accepted(name: &str) -> WebConfig {
        let text = fs::read_to_string(format!("{FIXTURES}/accepted/{name}.yml")).unwrap();
        read(Path::new("/etc/exporter/web.yml"), &text)
            .unwrap_or_else(|problems| panic!("{name}: {problems}"))
    }

    /// Each file begins with what is wrong with it, as comments.
    #[test]
    fn each_fixture_is_refused_for_the_reasons_that_it_begins_with() {
        let mut fixtures = 0;
        for entry in fs::read_dir(format!("{FIXTURES}/refused")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let reasons: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
            let problems = read(Path::new("web.yml"), &text).expect_err("it is refused").to_string();
            assert_eq!(problems, reasons.join("\n"), "{}", path.display());
            fixtures += 1;
        }
        assert!(fixtures > 0);
    }

    #[test]
    fn without_a_word_nothing_is_asked_for() {
        for name in ["empty", "comments-alone", "blank-header"] {
            let config = accepted(name);
            assert!(config.tls.is_none() && config.headers.is_empty() && config.users.is_empty(), "{name}");
            assert!(config.warnings.is_empty(), "{name}");
        }
    }

    #[test]
    fn own_files_are_found_in_broken_text() {
        let found = |text: &str| own_files(Path::new("/etc/web.yml"), text);
        let expected = Some((PathBuf::from("/etc/server.pem"), PathBuf::from("/tls/server key")));
        let good = "tls_server_config:\n  cert_file: server.pem\n  key_file: '/tls/server key' # ours\n";
        for text in [
            good.to_owned(),
            "tls_server_config: {cert_file: server.pem, key_file: /tls/server key}".to_owned(),
            good.replace("_config", "_confg"),
            good.replace("config:", "config"),
            format!("{good}basic_auth_users: [ann\n"),
            format!("\tusers: 'ann\n%\n{good}"),
            format!("{good}\t@\u{fffd}\0"),
        ] {
            assert_eq!(found(&text), expected, "{text}");
        }
        for text in ["", "tls_server_config", &good.replace("key_file", "key"), "\0", "cert_file"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn defaults_of_tls_are_those_of_the_format() {
        let tls = accepted("tls").tls.unwrap();
        assert_eq!(tls.cert_file, Path::new("/etc/exporter/server.pem"));
        assert_eq!(tls.key_file, Path::new("/etc/exporter/server.key"));
        assert_eq!(tls.clients, Clients::Anyone);
        assert_eq!(tls.versions.len(), 2);
        assert!(tls.http2 && tls.prefers_own_cipher_suites);
    }

    #[test]
    fn everything_that_is_said_is_taken_over() {
        let config = accepted("everything");
        let tls = config.tls.unwrap();
        assert_eq!(tls.cert_file, Path::new("/etc/tls/server.pem"), "an absolute path stays");
        let allowed_sans = Some(vec!["prometheus.example".to_owned(), "ops@example.org".to_owned()]);
        let ca_file = Path::new("/etc/exporter/clients.pem").to_owned();
        assert_eq!(tls.clients, Clients::Verified { ca_file, allowed_sans });
        let suites: Vec<_> = tls.cipher_suites.iter().map(|suite| (suite.version(), suite.suite())).collect();
        assert_eq!(
            suites.iter().filter(|(version, _)| *version == &TLS13).count(),
            3,
            "the list is not of these"
        );
        assert_eq!(suites.len(), 5);
        let curves: Vec<_> = tls.curves.iter().map(|curve| format!("{:?}", curve.name())).collect();
        assert_eq!(curves, ["secp384r1", "X25519"]);
        assert!(!tls.http2 && !tls.prefers_own_cipher_suites);
        assert_eq!(config.headers.len(), 5);
        assert_eq!(config.headers["x-frame-options"], "deny");
        assert_eq!(config.users.keys().collect::<Vec<_>>(), ["ann", "ben"]);
        assert!(config.warnings.is_empty());
    }

    #[test]
    fn passwords_without_tls_are_warned_of() {
        let warnings = accepted("users-alone").warnings;
        assert_eq!(
            warnings[0].to_string(),
            "/etc/exporter/web.yml:1: basic_auth_users: passwords cross the network unencrypted; \
             add tls_server_config, or a proxy that has it"
        );
    }
}
