//! Reads the web configuration file, in the format of Prometheus' exporter-toolkit.
//!
//! It parses a text into valid values and does not open the files that the text names. Like the toolkit it reads scalars as they
//! are written, and treats null, `''` and `[]` as absent. But where that would remove a protection, it is an error.

pub(super) mod tls;

use std::{collections::BTreeMap, path::Path, str::FromStr, time::Duration};

use bcrypt::HashParts;
use config::ValueKind;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use jiff::SignedDuration;
use yaml_rust2::{Event, parser::Parser};

use self::tls::{PemSource, TlsConfig};
use crate::{
    config::{
        problem::{Problem, Problems},
        reader::{Diagnostics, Node, Table},
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
    /// `rate_limit`.
    pub(super) rate_limit: Option<RateLimitConfig>,
    /// Valid settings that are probably mistakes.
    pub(super) warnings: Vec<Problem>,
}

/// `rate_limit`: a token bucket for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimitConfig {
    /// `interval`: after this time there is one more token.
    pub(super) interval: Duration,
    /// `burst`: the largest number of tokens.
    pub(super) burst: u32,
}

/// Keys whose values are never shown.
const SECRET_KEYS: &[&str] = &["basic_auth_users", "key"];

/// Hashes above this cost of bcrypt are refused: each check, also of a wrong password, takes many seconds of CPU.
const MAX_BCRYPT_COST: u32 = 16;

/// Above this cost there is a warning.
const USUAL_BCRYPT_COST: u32 = 14;

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
    let document = yaml::parse_as_texts(&name, text)?;
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

/// Finds the server's certificate and key in the text of the file at `path`, even if other parts of the text are invalid. If it
/// is not valid YAML, only file names are found.
pub(super) fn own_identity(path: &Path, text: &str) -> Option<(PemSource, PemSource)> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let document = yaml::parse_as_texts("", text).ok();
    let section = document.and_then(|document| document.into_table().ok()?.remove("tls_server_config"));
    let section = section.and_then(|section| section.into_table().ok()).unwrap_or_default();
    let value = |key: &str| match &section.get(key)?.kind {
        ValueKind::String(value) if !value.is_empty() => Some(value.clone()),
        _ => None,
    };
    let file = |name: String| PemSource::File(directory.join(name));
    let source = |inline, name: &str| {
        let inline_source = || Some(PemSource::Inline(inline, Secret::new(value(inline)?)));
        let in_text = || value_of(name, text).filter(|value| !value.is_empty());
        value(name).map(file).or_else(inline_source).or_else(|| in_text().map(file))
    };
    Some((source("cert", "cert_file")?, source("key", "key_file")?))
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
    let headers =
        non_empty(&table, "http_server_config").map_or(Some(HeaderMap::new()), |node| http_server(&node));
    let rate_limit = non_empty(&table, "rate_limit").map_or(Some(None), |node| rate_limit(&node).map(Some));
    let users = table.read_or("basic_auth_users", BTreeMap::new(), users);
    let tls = table.read_or("tls_server_config", None, |node| TlsConfig::read(node, directory).map(Some));
    let (headers, users, tls, rate_limit) = (headers?, users?, tls?, rate_limit?);
    if let Some(section) = table.get("basic_auth_users") {
        if users.is_empty() {
            section.warning("has no users, so no password is needed");
        } else if tls.is_none() {
            section.warning(
                "passwords cross the network unencrypted; add tls_server_config, or a proxy that has it",
            );
        }
    }
    let rate_limit = rate_limit.filter(|limit| !limit.interval.is_zero());
    Some(WebConfig { tls, headers, users, rate_limit, warnings: Vec::new() })
}

/// The value of a key, unless it is null, empty text or an empty list.
fn non_empty<'a>(table: &Table<'a>, key: &str) -> Option<Node<'a>> {
    table.get(key).filter(|node| match node.kind() {
        ValueKind::Nil => false,
        ValueKind::String(text) => !text.is_empty(),
        ValueKind::Array(items) => !items.is_empty(),
        _ => true,
    })
}

/// A boolean, with the words of YAML 1.1, which the toolkit's parser understands.
fn boolean(node: &Node<'_>) -> Option<bool> {
    match node.text()?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => {
            node.error("is not a boolean; write true or false");
            None
        }
    }
}

/// The section `rate_limit`. An interval of 0 means no limit.
fn rate_limit(section: &Node<'_>) -> Option<RateLimitConfig> {
    let table = section.table(&["interval", "burst"])?;
    let interval = non_empty(&table, "interval").map_or(Some(Duration::ZERO), |node| interval(&node));
    let burst = non_empty(&table, "burst").map_or(Some(0), |node| whole_number(&node));
    let (interval, burst) = (interval?, burst?);
    if burst == 0 && !interval.is_zero() {
        table.at("burst").warning(
            "is 0, so every request but health checks is refused; write the number of requests that may come at once",
        );
    }
    Some(RateLimitConfig { interval, burst })
}

/// A duration as in Go: with units, or a number of nanoseconds.
fn interval(node: &Node<'_>) -> Option<Duration> {
    let text = node.text()?;
    if let Ok(nanoseconds) = text.parse() {
        if nanoseconds > 0 {
            node.warning("has no unit, so it is in nanoseconds; write one such as 1s");
        }
        return Some(Duration::from_nanos(nanoseconds));
    }
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    if duration.is_none() {
        node.error("is not a duration; write one such as 500ms or 1s");
    }
    duration
}

fn whole_number(node: &Node<'_>) -> Option<u32> {
    let number = node.text()?.parse().ok();
    if number.is_none() {
        node.error("is not a whole number of at least 0");
    }
    number
}

/// The headers of `http_server_config`.
fn http_server(section: &Node<'_>) -> Option<HeaderMap> {
    let table = section.table(&["http2", "headers"])?;
    let http2 = non_empty(&table, "http2").map_or(Some(false), |node| boolean(&node));
    if let Some(node) = table.get("http2").filter(|_| http2 == Some(true)) {
        node.warning("HTTP/2 is not served; clients use HTTP/1.1");
    }
    let headers = non_empty(&table, "headers").map_or(Some(HeaderMap::new()), |node| headers(&node));
    http2.and(headers)
}

fn headers(section: &Node<'_>) -> Option<HeaderMap> {
    let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
    let table = section.table(&names)?;
    let mut headers = HeaderMap::new();
    for (name, allowed) in HEADERS {
        let Some(node) = non_empty(&table, name) else { continue };
        // Long values are written on several lines.
        let Some(value) = node.text().map(|text| text.trim().replace('\n', " ")) else { continue };
        if !allowed.is_empty() && !allowed.contains(&&*value) {
            node.error(format_args!("is not one of {}", allowed.join(", ")));
            continue;
        }
        match HeaderValue::from_str(&value) {
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
        let Some(hash) = node.text().map(str::trim) else { continue };
        match bcrypt_cost(hash) {
            None => node.error(
                "is not a bcrypt hash; create one with `htpasswd -nBC 10 name`, and keep what follows the colon",
            ),
            Some(cost) if cost > MAX_BCRYPT_COST => node.error(format_args!(
                "has cost {cost}, and one check would take many seconds; create a hash with cost 10"
            )),
            Some(cost) => {
                if cost > USUAL_BCRYPT_COST {
                    node.warning(format_args!(
                        "has cost {cost}, and one check takes a second or more; create a hash with cost 10"
                    ));
                }
                users.insert(name.to_owned(), Secret::new(hash));
            }
        }
    }
    Some(users)
}

/// The cost of a bcrypt hash; `None` if the text is not one.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    // `$2x$` marks hashes of an implementation that had a flaw; they cannot be verified.
    let hash = HashParts::from_str(hash).ok().filter(|_| !hash.starts_with("$2x$"))?;
    Some(hash.get_cost()).filter(|cost| (4..=31).contains(cost))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

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
        let found = |text: &str| own_identity(Path::new("/etc/web.yml"), text);
        let file = |path: &str| PemSource::File(path.into());
        let expected = Some((file("/etc/server.pem"), file("/tls/server key")));
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
        for text in ["", "tls_server_config", &good.replace("key_file", "keyfile"), "\0", "cert_file"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn docs_list_every_key() {
        let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md")).unwrap();
        let (_, table) = page.split_once("<!-- keys of the web configuration -->\n").expect("the table");
        let listed: Vec<_> = table.lines().skip(2).map_while(|row| row.split('`').nth(1)).collect();
        let tls = tls::TLS_KEYS.iter().map(|key| format!("tls_server_config.{key}"));
        let headers = HEADERS.iter().map(|(name, _)| format!("http_server_config.headers.{name}"));
        let others =
            ["http_server_config.http2", "basic_auth_users", "rate_limit.interval", "rate_limit.burst"];
        let known: BTreeSet<_> = tls.chain(headers).chain(others.map(str::to_owned)).collect();
        assert_eq!(listed.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>(), known);
        assert_eq!(listed.len(), known.len(), "each once");
    }

    #[test]
    fn own_identity_is_that_of_the_section() {
        let text = "basic_auth_users: {cert: $2y$10$a, key_file: $2y$10$b}\n\
                    tls_server_config: {cert_file: null, cert: A, key: B, key_file: ''}\n";
        let inline = |key, text: &str| PemSource::Inline(key, Secret::new(text));
        let found = own_identity(Path::new("/etc/web.yml"), text);
        assert_eq!(found, Some((inline("cert", "A"), inline("key", "B"))));
    }

    #[test]
    fn cipher_suites_apply_only_to_tls_1_2() {
        let suites = |names: &str| {
            let text =
                format!("tls_server_config: {{cert_file: a, key_file: b, cipher_suites: [{names}]}}\n");
            let suites = read(Path::new("web.yml"), &text).unwrap().tls.unwrap().cipher_suites;
            let names = suites.iter().map(|suite| tls::suite_name(*suite));
            names.filter(|name| !name.contains("ECDHE")).count() * 10 + suites.len()
        };
        assert_eq!(suites("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), 34);
        assert_eq!(suites("TLS_AES_128_GCM_SHA256"), 33);
        assert_eq!(suites("TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), 34);
    }

    #[test]
    fn users_without_passwords_cause_a_warning() {
        let config = read(Path::new("web.yml"), "basic_auth_users: {}\n").unwrap();
        let [warning] = config.warnings.try_into().unwrap();
        assert_eq!(
            warning.to_string(),
            "web.yml:1: basic_auth_users: has no users, so no password is needed"
        );
    }

    #[test]
    fn misplaced_hash_is_not_repeated() {
        let text = "basic_auth_users: {$2y$10$fiHOWguiMLvaikYXYMR8NuPKSArSS6HN8bNN7YGJEs12Hja9ULyGG: ann}\n";
        let problems = read(Path::new("web.yml"), text).unwrap_err().to_string();
        assert!(
            problems.starts_with("web.yml:1: basic_auth_users.…: the value is not a bcrypt hash"),
            "{problems}"
        );
    }

    #[test]
    fn tls_defaults_follow_the_format() {
        let tls = accepted("tls").tls.unwrap();
        assert_eq!(tls.cert, PemSource::File("/etc/exporter/server.pem".into()));
        assert_eq!(tls.key, PemSource::File("/etc/exporter/server.key".into()));
        assert_eq!(tls.clients, Clients::Anyone);
        assert_eq!(tls.versions.len(), 2);
        assert!(tls.prefers_own_cipher_suites);
    }

    #[test]
    fn every_key_is_read() {
        let config = accepted("everything");
        let tls = config.tls.unwrap();
        assert_eq!(tls.cert, PemSource::File("/etc/tls/server.pem".into()), "an absolute path stays");
        let allowed_sans = Some(vec!["prometheus.example".to_owned(), "ops@example.org".to_owned()]);
        let ca = PemSource::File("/etc/exporter/clients.pem".into());
        assert_eq!(tls.clients, Clients::Verified { ca, allowed_sans });
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
    fn unset_values_mean_the_defaults() {
        let config = accepted("unset");
        let tls = config.tls.unwrap();
        assert_eq!(tls.cert, PemSource::File("/etc/exporter/server.pem".into()));
        assert_eq!(tls.clients, Clients::Anyone);
        assert_eq!((tls.versions.len(), tls.cipher_suites.len(), tls.curves.len()), (2, 9, 3));
        assert!(tls.prefers_own_cipher_suites && config.headers.is_empty());
        assert_eq!(config.rate_limit, None);
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    #[test]
    fn scalars_are_read_as_written() {
        let config = accepted("as-written");
        let tls = config.tls.unwrap();
        assert_eq!(tls.cert, PemSource::File("/etc/exporter/0123".into()));
        assert_eq!(tls.key, PemSource::File("/etc/exporter/1e3".into()));
        assert!(!tls.prefers_own_cipher_suites);
        assert_eq!(config.headers["x-xss-protection"], "1");
        assert_eq!(config.headers["strict-transport-security"], "1.50");
        assert_eq!(config.headers["content-security-policy"], "default-src 'self'; img-src 'none'");
        assert_eq!(config.users.keys().collect::<Vec<_>>(), ["123", "true"]);
        assert!(config.users.values().all(|hash| hash.expose().len() == 60), "without blanks");
        let interval = Duration::from_millis(1500);
        assert_eq!(config.rate_limit, Some(RateLimitConfig { interval, burst: 20 }));
        let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "/etc/exporter/web.yml:15: basic_auth_users.123: has cost 16, and one check takes a second or more; \
              create a hash with cost 10"
            ]
        );
    }

    #[test]
    fn rate_limit_without_interval_limits_nothing() {
        let limit = |yaml: &str| {
            let config = read(Path::new("web.yml"), &format!("rate_limit: {yaml}\n")).expect(yaml);
            (config.rate_limit.map(|limit| (limit.interval.as_nanos(), limit.burst)), config.warnings.len())
        };
        assert_eq!(limit("{interval: 0, burst: 0}"), (None, 0));
        assert_eq!(limit("{burst: 5}"), (None, 0));
        assert_eq!(limit("{interval: 0s}"), (None, 0));
        assert_eq!(limit("{interval: 1s, burst: 5}"), (Some((1_000_000_000, 5)), 0));
        assert_eq!(
            limit("{interval: 250, burst: 5}"),
            (Some((250, 5)), 1),
            "without a unit it is in nanoseconds"
        );
        assert_eq!(limit("{interval: 1s}"), (Some((1_000_000_000, 0)), 1), "everything is refused");
    }

    #[test]
    fn inline_certificates_are_read() {
        let config = accepted("inline");
        let tls = config.tls.unwrap();
        let inline = |key, text: &str| PemSource::Inline(key, Secret::new(text));
        assert_eq!(tls.cert, inline("cert", "-----BEGIN CERTIFICATE-----\n"));
        assert_eq!(tls.key, PemSource::File("/etc/exporter/server.key".into()), "a file is preferred");
        let ca = inline("client_ca", "-----BEGIN CERTIFICATE-----\n");
        assert_eq!(tls.clients, Clients::VerifiedIfGiven { ca });
        let [warning] = config.warnings.try_into().unwrap();
        assert_eq!(
            warning.to_string(),
            "/etc/exporter/web.yml:5: tls_server_config.key: has no effect, because key_file is set"
        );
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
