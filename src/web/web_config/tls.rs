//! Reads the section `tls_server_config` of the web configuration.

use std::path::{Path, PathBuf};

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{SupportedKxGroup, ring},
    version::{TLS12, TLS13},
};

use crate::config::reader::{Node, Table};

/// Reports each unsupported key, with the alternative.
pub(super) fn reject_unsupported(table: &Table<'_>, unsupported: &[(&str, &str)]) {
    for (key, remedy) in unsupported {
        if let Some(node) = table.get(key) {
            node.problem(format_args!("is not supported; {remedy}"));
        }
    }
}

/// `tls_server_config`.
#[derive(Debug)]
pub(in crate::web) struct TlsConfig {
    /// The server's certificate, followed by the certificates of its authorities.
    pub(in crate::web) cert_file: PathBuf,
    /// The certificate's key.
    pub(in crate::web) key_file: PathBuf,
    /// The clients that may connect.
    pub(in crate::web) clients: Clients,
    /// From `min_version` to `max_version`.
    pub(in crate::web) versions: Vec<&'static SupportedProtocolVersion>,
    /// `cipher_suites`, by preference.
    pub(in crate::web) cipher_suites: Vec<SupportedCipherSuite>,
    /// `prefer_server_cipher_suites`: whether the server's order is preferred to the client's.
    pub(in crate::web) prefers_own_cipher_suites: bool,
    /// `curve_preferences`.
    pub(in crate::web) curves: Vec<&'static dyn SupportedKxGroup>,
}

/// `client_auth_type`: the clients that may connect.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web) enum Clients {
    /// `NoClientCert`: all.
    Anyone,
    /// `VerifyClientCertIfGiven`: clients without a certificate, or with one of these authorities.
    VerifiedIfGiven { ca_file: PathBuf },
    /// `RequireAndVerifyClientCert`: clients with a certificate of these authorities and, if names are configured, with one of
    /// these names.
    Verified { ca_file: PathBuf, allowed_sans: Option<Vec<String>> },
}

impl Clients {
    /// The file with the authorities of clients.
    pub(in crate::web) fn ca_file(&self) -> Option<&Path> {
        match self {
            Self::Anyone => None,
            Self::VerifiedIfGiven { ca_file } | Self::Verified { ca_file, .. } => Some(ca_file),
        }
    }
}

const TLS_KEYS: &[&str] = &[
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
    "cert",
    "key",
    "client_ca",
];

/// Unsupported keys of the section, and the alternatives.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("cert", "put the certificate into a file, and name that with cert_file"),
    ("key", "put the key into a file, and name that with key_file"),
    ("client_ca", "put the certificates into a file, and name that with client_ca_file"),
];

/// The policies that accept unverified certificates.
const UNVERIFIED: &[&str] = &["RequestClientCert", "RequireAnyClientCert", "RequireClientCert"];

/// The elliptic curves and their names in the file.
const CURVES: &[(&str, &dyn SupportedKxGroup)] = &[
    ("X25519", ring::kx_group::X25519),
    ("CurveP256", ring::kx_group::SECP256R1),
    ("CurveP384", ring::kx_group::SECP384R1),
];

impl TlsConfig {
    /// Reads the section. File names in it are relative to `directory`.
    pub(super) fn read(section: &Node<'_>, directory: &Path) -> Option<Self> {
        let table = section.table(TLS_KEYS)?;
        reject_unsupported(&table, UNSUPPORTED);
        let cert_file =
            file(&table, "cert_file", "name the PEM file with the server's certificate", directory);
        let key_file = file(&table, "key_file", "name the PEM file with the certificate's key", directory);
        let clients = Clients::read(&table, directory);
        let versions = versions(&table);
        let cipher_suites = table.read_or("cipher_suites", ring::ALL_CIPHER_SUITES.to_vec(), cipher_suites);
        let prefers_own_cipher_suites = table.read_or("prefer_server_cipher_suites", true, Node::boolean);
        let curves = table.read_or("curve_preferences", ring::ALL_KX_GROUPS.to_vec(), curves);
        Some(Self {
            cert_file: cert_file?,
            key_file: key_file?,
            clients: clients?,
            versions: versions?,
            cipher_suites: cipher_suites?,
            prefers_own_cipher_suites: prefers_own_cipher_suites?,
            curves: curves?,
        })
    }
}

impl Clients {
    fn read(table: &Table<'_>, directory: &Path) -> Option<Self> {
        let policy = table.read_or("client_auth_type", "NoClientCert", Node::text)?;
        let ca_file =
            || file(table, "client_ca_file", "name the PEM file with the clients' authorities", directory);
        match policy {
            "NoClientCert" => {
                reject_unused(table, "client_ca_file");
                reject_unused(table, "client_allowed_sans");
                Some(Self::Anyone)
            }
            "VerifyClientCertIfGiven" => {
                reject_unused(table, "client_allowed_sans");
                Some(Self::VerifiedIfGiven { ca_file: ca_file()? })
            }
            "RequireAndVerifyClientCert" => {
                let ca_file = ca_file();
                let allowed_sans =
                    table.read_or("client_allowed_sans", None, |node| allowed_sans(node).map(Some));
                Some(Self::Verified { ca_file: ca_file?, allowed_sans: allowed_sans? })
            }
            _ => {
                let node = table.get("client_auth_type")?;
                if UNVERIFIED.contains(&policy) {
                    node.error("accepts unverified certificates; use RequireAndVerifyClientCert");
                } else {
                    node.error(
                        "is not one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
                    );
                }
                None
            }
        }
    }
}

/// Reports a key that has no effect without client certificates.
fn reject_unused(table: &Table<'_>, key: &str) {
    if let Some(node) = table.get(key) {
        node.problem("has no effect unless client_auth_type is RequireAndVerifyClientCert");
    }
}

fn file(table: &Table<'_>, key: &str, remedy: &str, directory: &Path) -> Option<PathBuf> {
    let node = table.require(key, remedy)?;
    let name = node.text()?;
    if name.is_empty() {
        node.error("names no file");
        return None;
    }
    Some(directory.join(name))
}

fn versions(table: &Table<'_>) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let least = table.read_or("min_version", &TLS12, version);
    let most = table.read_or("max_version", &TLS13, version);
    let range = u16::from(least?.version)..=u16::from(most?.version);
    if range.is_empty() {
        table.get("max_version")?.error("is less than min_version");
    }
    Some([&TLS13, &TLS12].into_iter().filter(|version| range.contains(&version.version.into())).collect())
}

fn version(node: &Node<'_>) -> Option<&'static SupportedProtocolVersion> {
    match node.text()? {
        "TLS12" => Some(&TLS12),
        "TLS13" => Some(&TLS13),
        "TLS10" | "TLS11" => {
            node.error("is no longer secure, and not supported; use TLS12 or TLS13");
            None
        }
        _ => {
            node.error("is not one of TLS12, TLS13");
            None
        }
    }
}

fn cipher_suites(section: &Node<'_>) -> Option<Vec<SupportedCipherSuite>> {
    let known: Vec<_> = ring::ALL_CIPHER_SUITES.iter().map(|suite| (suite_name(*suite), *suite)).collect();
    let suites = chosen(section, &known)?;
    if suites.iter().any(|suite| suite.tls13().is_some()) {
        return Some(suites);
    }
    // In this format the list applies only to TLS 1.2; the suites of TLS 1.3 are kept.
    let later = ring::ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_some());
    Some(later.copied().chain(suites).collect())
}

/// The name of a cipher suite in the IANA registry, which the format uses.
fn suite_name(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

fn curves(section: &Node<'_>) -> Option<Vec<&'static dyn SupportedKxGroup>> {
    let known: Vec<_> = CURVES.iter().map(|(name, curve)| ((*name).to_owned(), *curve)).collect();
    chosen(section, &known)
}

/// The values of the names in a list, at least one, looked up in `known`.
fn chosen<T: Copy>(section: &Node<'_>, known: &[(String, T)]) -> Option<Vec<T>> {
    let nodes = section.list()?;
    if nodes.is_empty() {
        section.problem("is empty; name at least one, or remove the key");
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let choice = |node: &Node<'_>| {
        let text = node.text()?;
        let found = known.iter().find(|(name, _)| name == text);
        if found.is_none() {
            node.error(format_args!("is not supported; supported are {}", names.join(", ")));
        }
        found.map(|(_, value)| *value)
    };
    Some(nodes.iter().filter_map(choice).collect())
}

fn allowed_sans(section: &Node<'_>) -> Option<Vec<String>> {
    let nodes = section.list()?;
    if nodes.is_empty() {
        section.problem("is empty, so no client could connect; add at least one name, or remove the key");
    }
    nodes.iter().map(|node| node.text().map(str::to_owned)).collect()
}
