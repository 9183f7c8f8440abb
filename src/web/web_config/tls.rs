//! Reads the section `tls_server_config` of the web configuration.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{SupportedKxGroup, ring},
    version::{TLS12, TLS13},
};

use super::{boolean, non_empty};
use crate::{
    config::reader::{Node, Table},
    domain::secret::Secret,
};

/// Where certificates or a key come from, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) enum PemSource {
    /// A file.
    File(PathBuf),
    /// The text of this key of the section.
    Inline(&'static str, Secret),
}

impl PemSource {
    /// The PEM text; `read` reads a file.
    pub(in crate::web) fn contents<E>(
        &self,
        read: impl FnOnce(&Path) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        match self {
            Self::File(path) => read(path),
            Self::Inline(_, text) => Ok(text.expose().into()),
        }
    }
}

impl fmt::Display for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Inline(key, _) => write!(f, "tls_server_config.{key}"),
        }
    }
}

/// `tls_server_config`.
#[derive(Debug)]
pub(in crate::web) struct TlsConfig {
    /// The server's certificate, followed by the certificates of its authorities.
    pub(in crate::web) cert: PemSource,
    /// The certificate's key.
    pub(in crate::web) key: PemSource,
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
    VerifiedIfGiven { ca: PemSource },
    /// `RequireAndVerifyClientCert`: clients with a certificate of these authorities and, if names are configured, with one of
    /// these names.
    Verified { ca: PemSource, allowed_sans: Option<Vec<String>> },
}

impl Clients {
    /// The authorities of clients.
    pub(in crate::web) fn ca(&self) -> Option<&PemSource> {
        match self {
            Self::Anyone => None,
            Self::VerifiedIfGiven { ca } | Self::Verified { ca, .. } => Some(ca),
        }
    }
}

pub(super) const TLS_KEYS: &[&str] = &[
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
        let cert = PemNode::find(&table, "cert", "cert_file");
        let cert =
            read_pem(&table, cert, "cert_file", "name the PEM file with the server's certificate", directory);
        let key = PemNode::find(&table, "key", "key_file");
        let key =
            read_pem(&table, key, "key_file", "name the PEM file with the certificate's key", directory);
        let clients = Clients::read(&table, directory);
        let versions = versions(&table);
        let cipher_suites = read_or(&table, "cipher_suites", ring::ALL_CIPHER_SUITES.to_vec(), cipher_suites);
        let prefers_own_cipher_suites = read_or(&table, "prefer_server_cipher_suites", true, boolean);
        let curves = read_or(&table, "curve_preferences", ring::ALL_KX_GROUPS.to_vec(), curves);
        Some(Self {
            cert: cert?,
            key: key?,
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
        let policy = read_or(table, "client_auth_type", "NoClientCert", Node::text)?;
        let ca = PemNode::find(table, "client_ca", "client_ca_file");
        match policy {
            "NoClientCert" => {
                for key in ["client_ca", "client_ca_file"] {
                    reject_unused(table, key, "VerifyClientCertIfGiven or RequireAndVerifyClientCert");
                }
                reject_unused(table, "client_allowed_sans", "RequireAndVerifyClientCert");
                Some(Self::Anyone)
            }
            "VerifyClientCertIfGiven" => {
                reject_unused(table, "client_allowed_sans", "RequireAndVerifyClientCert");
                let Some(ca) = ca else {
                    let node = table.get("client_auth_type")?;
                    node.warning(
                        "has no effect without client_ca_file or client_ca: no certificate is requested",
                    );
                    return Some(Self::Anyone);
                };
                Some(Self::VerifiedIfGiven { ca: ca.read(directory)? })
            }
            "RequireAndVerifyClientCert" => {
                let remedy = "name the PEM file with the clients' authorities";
                let ca = read_pem(table, ca, "client_ca_file", remedy, directory);
                let allowed_sans =
                    table.read_or("client_allowed_sans", None, |node| allowed_sans(node).map(Some));
                Some(Self::Verified { ca: ca?, allowed_sans: allowed_sans? })
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
fn reject_unused(table: &Table<'_>, key: &str, policy: &str) {
    if let Some(node) = non_empty(table, key) {
        node.problem(format_args!("has no effect unless client_auth_type is {policy}"));
    }
}

/// Reads the value of a key; returns `absent` if the key is absent or its value empty.
fn read_or<'a, T>(
    table: &Table<'a>,
    key: &str,
    absent: T,
    read: impl FnOnce(&Node<'a>) -> Option<T>,
) -> Option<T> {
    non_empty(table, key).map_or(Some(absent), |node| read(&node))
}

/// The value that has certificates or a key, or their file's name.
struct PemNode<'a> {
    node: Node<'a>,
    /// The key for inline text.
    inline: &'static str,
    is_file: bool,
}

impl<'a> PemNode<'a> {
    /// Prefers the file to the inline text, as the toolkit does.
    fn find(table: &Table<'a>, inline: &'static str, file: &str) -> Option<Self> {
        let text = non_empty(table, inline);
        let Some(node) = non_empty(table, file) else {
            return Some(Self { node: text?, inline, is_file: false });
        };
        if let Some(text) = text {
            text.warning(format_args!("has no effect, because {file} is set"));
        }
        Some(Self { node, inline, is_file: true })
    }

    fn read(self, directory: &Path) -> Option<PemSource> {
        let Self { node, inline, is_file } = self;
        let text = node.text()?;
        if !is_file {
            return Some(PemSource::Inline(inline, Secret::new(text)));
        }
        // Messages repeat file names, but must not repeat a key.
        if text.contains(['\n', '\r']) || text.contains("-----BEGIN") {
            node.problem(format_args!("is not a file name; write PEM text as {inline}"));
            return None;
        }
        Some(PemSource::File(directory.join(text)))
    }
}

/// Reads a value that must not be absent.
fn read_pem(
    table: &Table<'_>,
    node: Option<PemNode<'_>>,
    key: &str,
    remedy: &str,
    directory: &Path,
) -> Option<PemSource> {
    if node.is_none() {
        table.at(key).problem(format_args!("is missing; {remedy}"));
    }
    node?.read(directory)
}

fn versions(table: &Table<'_>) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let least = read_or(table, "min_version", &TLS12, version);
    let most = read_or(table, "max_version", &TLS13, version);
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
    let suites = find_each(
        section,
        &known,
        &[
            ("_CBC_", ": CBC suites are not secure"),
            ("TLS_RSA_", ": suites without forward secrecy are not secure"),
        ],
    )?;
    // In this format the list applies only to TLS 1.2. All suites of TLS 1.3 are kept.
    let later = ring::ALL_CIPHER_SUITES.iter().copied().filter(|suite| suite.tls13().is_some());
    Some(later.chain(suites.into_iter().filter(|suite| suite.tls13().is_none())).collect())
}

/// The name of a cipher suite in the IANA registry, which the format uses.
pub(super) fn suite_name(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

fn curves(section: &Node<'_>) -> Option<Vec<&'static dyn SupportedKxGroup>> {
    let known: Vec<_> = CURVES.iter().map(|(name, curve)| ((*name).to_owned(), *curve)).collect();
    find_each(
        section,
        &known,
        &[("CurveP521", ": the TLS library (rustls with ring) does not have this curve")],
    )
}

/// The values of the names in a list, looked up in `known`. `refusals` has parts of other names, and why those are refused.
fn find_each<T: Copy>(
    section: &Node<'_>,
    known: &[(String, T)],
    refusals: &[(&str, &str)],
) -> Option<Vec<T>> {
    let nodes = section.list()?;
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let choice = |node: &Node<'_>| {
        let text = node.text()?;
        let found = known.iter().find(|(name, _)| name == text);
        if found.is_none() {
            let reason =
                refusals.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, reason)| reason);
            node.error(format_args!("is not supported{reason}; supported are {}", names.join(", ")));
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
