//! Builds the TLS settings from the web configuration and the contents of its PEM files. It reads no files.

use std::{fmt::Display, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    certificate::Certificate,
    client_cert::{ClientPolicy, ClientVerifier, TrustedCertificate},
    web_config::tls::{Clients, TlsConfig},
};

/// The reason why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{file}: {cause}: check that the file exists and that this process can read it")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's message.
        cause: String,
    },
    /// A file's content cannot be used.
    #[error("{file}: {problem}: {remedy}")]
    Unusable {
        /// The file.
        file: String,
        /// The problem.
        problem: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// No allowed TLS version has an allowed cipher suite.
    #[error("tls_server_config: no allowed TLS version has an allowed cipher suite: allow more of them")]
    Impossible,
}

/// The PEM texts of `tls_server_config`, from files or from the section itself.
pub(super) struct Pem {
    /// `cert` or the content of `cert_file`.
    pub(super) cert: Vec<u8>,
    /// `key` or the content of `key_file`.
    pub(super) key: Vec<u8>,
    /// `client_ca` or the content of `client_ca_file`, if configured.
    pub(super) client_ca: Option<Vec<u8>>,
}

/// The TLS settings of the server.
#[derive(Debug)]
pub(super) struct Tls {
    /// The settings for rustls.
    pub(super) server: Arc<ServerConfig>,
    clients: Option<Arc<ClientVerifier>>,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// An ordinary client.
    Client,
    /// `healthcheck`: a client that uses the server's own certificate. It may request only the health endpoints.
    SelfProbe,
}

impl Tls {
    /// Sets up TLS from the configuration and the contents of its files.
    pub(super) fn new(config: &TlsConfig, pem: &Pem) -> Result<Self, TlsError> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: config.cipher_suites.clone(),
            kx_groups: config.curves.clone(),
            ..ring::default_provider()
        });
        let chain = certificates(&config.cert, &pem.cert)?;
        let key = private_key(&config.key, &pem.key)?;
        let clients = client_verifier(config, pem, &provider, &chain[0])?;
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&config.versions);
        let builder = builder.map_err(|_| TlsError::Impossible)?;
        let builder = match clients.clone() {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(|error| config.mismatch(&error))?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        server.ignore_client_order = config.prefers_own_cipher_suites;
        // Resumed sessions would skip the verification of client certificates.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { server: Arc::new(server), clients })
    }

    /// How strictly client certificates are verified: 0 not at all, 1 if the client sends one, 2 always.
    pub(super) fn client_verification(&self) -> u8 {
        self.clients.as_ref().map_or(0, |clients| if clients.policy.is_mandatory { 2 } else { 1 })
    }

    /// Whether client certificates need one of certain names.
    pub(super) fn limits_client_names(&self) -> bool {
        self.clients.as_ref().is_some_and(|clients| clients.policy.allowed_sans.is_some())
    }

    /// The other end of a connection after its handshake.
    pub(super) fn peer(&self, connection: &ServerConnection) -> Peer {
        match (&self.clients, connection.peer_certificates()) {
            (Some(clients), Some(chain)) if clients.is_self_probe(chain) => Peer::SelfProbe,
            _ => Peer::Client,
        }
    }
}

pub(super) fn private_key(source: &impl Display, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    const REMEDY: &str = "put the certificate's key there as PEM, not encrypted";
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable(source, "has no private key", REMEDY),
        _ => unusable(source, MALFORMED_PEM, REMEDY),
    })
}

/// The parser's own messages repeat a malformed line, which can have the whole key.
const MALFORMED_PEM: &str = "is not PEM (each BEGIN and each END needs a line of its own)";

pub(super) fn certificates(
    source: &impl Display,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const REMEDY: &str = "put PEM certificates there: first the server's own, then those of its authorities";
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(unusable(source, "has no certificate", REMEDY)),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(unusable(source, MALFORMED_PEM, REMEDY)),
    }
}

/// The verifier of client certificates. `None` if none is requested.
fn client_verifier(
    config: &TlsConfig,
    pem: &Pem,
    provider: &Arc<CryptoProvider>,
    own: &CertificateDer<'static>,
) -> Result<Option<Arc<ClientVerifier>>, TlsError> {
    const REMEDY: &str = "put the certificates of the clients' certificate authorities there";
    let (Some(source), Some(pem)) = (config.clients.ca(), &pem.client_ca) else {
        return Ok(None);
    };
    let (mut trusted, mut subjects) = (Vec::new(), Vec::new());
    for certificate in certificates(source, pem)? {
        let malformed = |error| unusable(source, format!("has a malformed certificate ({error})"), REMEDY);
        let parsed = Certificate::parse(&certificate).map_err(malformed)?;
        subjects.push(parsed.subject().map_err(malformed)?.into());
        let chains = parsed.is_authority().then(|| chain_verifier(&certificate, provider)).transpose();
        let chains = chains.map_err(|error| unusable(source, error, REMEDY))?;
        trusted.push(TrustedCertificate { certificate, chains });
    }
    let policy = match &config.clients {
        Clients::Verified { allowed_sans, .. } => {
            ClientPolicy { is_mandatory: true, allowed_sans: allowed_sans.clone() }
        }
        _ => ClientPolicy { is_mandatory: false, allowed_sans: None },
    };
    let algorithms = provider.signature_verification_algorithms;
    Ok(Some(Arc::new(ClientVerifier { policy, trusted, subjects, algorithms, own: own.clone() })))
}

/// Verifies chains that end at this authority.
fn chain_verifier(
    authority: &CertificateDer<'static>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut authorities = RootCertStore::empty();
    authorities.add(authority.clone()).map_err(|error| error.to_string())?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone());
    builder.build().map_err(|error| error.to_string())
}

impl TlsConfig {
    /// The error if rustls refuses the certificate and the key.
    fn mismatch(&self, error: &rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => {
                let problem = format!("is not the key of the certificate in {}", self.cert);
                unusable(&self.key, problem, "put a matching pair there")
            }
            rustls::Error::InvalidCertificate(error) => {
                let problem = format!("the first certificate cannot be used ({error:?})");
                unusable(&self.cert, problem, "get a new certificate")
            }
            error => unusable(
                &self.key,
                error.to_string(),
                "use a key of type ECDSA P-256, ECDSA P-384, Ed25519 or RSA",
            ),
        }
    }
}

fn unusable(source: &impl Display, problem: impl Into<String>, remedy: &'static str) -> TlsError {
    TlsError::Unusable { file: source.to_string(), problem: problem.into(), remedy }
}
