//! Reads the web configuration file, in the format of Prometheus' exporter-toolkit.
//!
//! It parses a text into valid values and does not open the files that the text names. Keys of the format that this server does
//! not support are errors: ignoring them would leave the server less protected than intended.

pub(super) mod tls;

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

use self::tls::{TlsConfig, reject_unsupported};
use crate::{
    config::{
        problem::{Problem, Problems},
        reader::{Diagnostics, Node},
        yaml,
    },
    domain::secret::Secret,
};

/// The content of the web configuration file.
#[derive(Debug, Default)]
pub(super) struct WebConfig {
    /// `tls_server_config`.
    pub(super) tls: Option<TlsConfig>,
    /// `http_server_config.headers`: the headers of every response.
    pub(super) headers: HeaderMap,
    /// `basic_auth_users`: names and bcrypt hashes. Without any, no password is needed.
    pub(super) users: BTreeMap<String, Secret>,
    /// Valid settings that are probably mistakes.
    pub(super) warnings: Vec<Problem>,
}

/// Keys whose values are never shown.
const SECRET_KEYS: &[&str] = &["basic_auth_users", "key"];

/// Unsupported keys of the format, and the alternatives.
const UNSUPPORTED: &[(&str, &str)] =
    &[("rate_limit", "limit concurrent requests with --web.max-requests, or rates in a proxy")];

/// The headers that may be set, and their allowed values if only some are allowed.
const HEADERS: &[(&str, &[&str])] = &[
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Reads the text of the file at `path`. File names in it are relative to that path.
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

/// Finds `cert_file` and `key_file` in the text of the file at `path`, even if the text is not valid.
pub(super) fn own_files(path: &Path, text: &str) -> Option<(PathBuf, PathBuf)> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let file = |key| Some(directory.join(value_of(key, text)?));
    Some((file("cert_file")?, file("key_file")?))
}

/// The value of `key`, anywhere in the text. If the text is not valid YAML, each line is parsed separately.
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
    reject_unsupported(&table, UNSUPPORTED);
    let headers = table.read_or("http_server_config", HeaderMap::new(), http);
    let users = table.read_or("basic_auth_users", BTreeMap::new(), users);
    let tls = table.read_or("tls_server_config", None, |node| TlsConfig::read(node, directory).map(Some));
    let (headers, users, tls) = (headers?, users?, tls?);
    if let Some(section) = table.get("basic_auth_users").filter(|_| tls.is_none() && !users.is_empty()) {
        section.warning(
            "passwords cross the network unencrypted; add tls_server_config, or a proxy that has it",
        );
    }
    Some(WebConfig { tls, headers, users, warnings: Vec::new() })
}

/// The headers of `http_server_config`.
fn http(section: &Node<'_>) -> Option<HeaderMap> {
    let table = section.table(&["http2", "headers"])?;
    let http2 = table.read_or("http2", false, Node::boolean);
    if let Some(node) = table.get("http2").filter(|_| http2 == Some(true)) {
        node.warning("HTTP/2 is not served; clients use HTTP/1.1");
    }
    let headers = table.read_or("headers", HeaderMap::new(), headers);
    http2.and(headers)
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
            Err(_) => node.error("has characters that are not allowed in a header"),
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
            node.error("is not a bcrypt hash; create one with `htpasswd -nBC 10 name`, and keep what follows the colon");
        }
    }
    Some(users)
}

fn is_bcrypt(hash: &str) -> bool {
    // `$2x$` marks hashes of an implementation that had a flaw; they cannot be verified.
    !hash.starts_with("$2x$")
        && HashParts::from_str(hash).is_ok_and(|hash| (4..=31).contains(&hash.get_cost()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::version::TLS13;

    use super::{tls::Clients, *};

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/web");

    fn accepted(name: &str) -> WebConfig {
        let text = fs::read_to_string(format!("{FIXTURES}/accepted/{name}.yml")).unwrap();
        read(Path::new("/etc/exporter/web.yml"), &text)
            .unwrap_or_else(|problems| panic!("{name}: {problems}"))
    }

    /// Each file begins with what is wrong with it, as comments.
    #[test]
    fn fixtures_are_refused_for_their_reasons() {
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
    fn empty_configuration_protects_nothing() {
        for name in ["empty", "comments-alone", "blank-header"] {
            let config = accepted(name);
            assert!(config.tls.is_none() && config.headers.is_empty() && config.users.is_empty(), "{name}");
            assert!(config.warnings.is_empty(), "{name}");
        }
    }

    #[test]
    fn certificate_paths_are_found_in_broken_configuration() {
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
    fn tls_defaults_follow_the_format() {
        let tls = accepted("tls").tls.unwrap();
        assert_eq!(tls.cert_file, Path::new("/etc/exporter/server.pem"));
        assert_eq!(tls.key_file, Path::new("/etc/exporter/server.key"));
        assert_eq!(tls.clients, Clients::Anyone);
        assert_eq!(tls.versions.len(), 2);
        assert!(tls.prefers_own_cipher_suites);
    }

    #[test]
    fn every_key_is_read() {
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
            "TLS 1.3 suites are not on the list"
        );
        assert_eq!(suites.len(), 5);
        let curves: Vec<_> = tls.curves.iter().map(|curve| format!("{:?}", curve.name())).collect();
        assert_eq!(curves, ["secp384r1", "X25519"]);
        assert!(!tls.prefers_own_cipher_suites);
        assert_eq!(config.headers.len(), 5);
        assert_eq!(config.headers["x-frame-options"], "deny");
        assert_eq!(config.users.keys().collect::<Vec<_>>(), ["ann", "ben"]);
        assert!(config.warnings.is_empty());
    }

    #[test]
    fn passwords_without_tls_cause_a_warning() {
        let warnings = accepted("users-alone").warnings;
        assert_eq!(
            warnings[0].to_string(),
            "/etc/exporter/web.yml:1: basic_auth_users: passwords cross the network unencrypted; \
             add tls_server_config, or a proxy that has it"
        );
    }

    #[test]
    fn http2_causes_a_warning() {
        let read = |http2: &str| {
            read(Path::new("web.yml"), &format!("http_server_config: {{http2: {http2}}}\n")).unwrap().warnings
        };
        let [warning] = read("true").try_into().unwrap();
        assert_eq!(
            warning.to_string(),
            "web.yml:1: http_server_config.http2: HTTP/2 is not served; clients use HTTP/1.1"
        );
        assert!(read("false").is_empty());
    }
}
