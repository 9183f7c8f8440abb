//! TLS: from what the web configuration asks for, and the PEM files that it names, to what a handshake needs.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier as _},
};

use super::{
    client_cert::ClientVerifier,
    config::{Clients, TlsConfig},
};

/// Why the files that the web configuration names do not make up a TLS server.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{file}: {cause}: see that it is there, and that this process may read it")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        cause: String,
    },
    /// A file has not what it is named for.
    #[error("{file}: {problem}: {remedy}")]
    Unfit {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Nothing that the configuration allows is possible.
    #[error("tls_server_config: no version and cipher suite are left that go together: allow more of them")]
    Impossible,
}

/// The contents of the files that `tls_server_config` names.
pub(super) struct Pem {
    /// Of `cert_file`.
    pub(super) cert: Vec<u8>,
    /// Of `key_file`.
    pub(super) key: Vec<u8>,
    /// Of `client_ca_file`, where one is named.
    pub(super) client_ca: Option<Vec<u8>>,
}

/// What a handshake needs.
#[derive(Debug)]
pub(super) struct Tls {
    /// For the handshake.
    pub(super) server: Arc<ServerConfig>,
    clients: Option<Arc<ClientVerifier>>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visitor {
    /// Anyone who is let in.
    Guest,
    /// Who has our own key, and no better reason to be let in: the `healthcheck` command. It may ask for health alone.
    Ourselves,
}

impl Tls {
    /// Brings `config` and the contents of its files together.
    pub(super) fn new(config: &TlsConfig, pem: &Pem) -> Result<Self, TlsError> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: config.cipher_suites.clone(),
            kx_groups: config.curves.clone(),
            ..ring::default_provider()
        });
        let Identity { chain, key } =
            Identity::new((&config.cert_file, &pem.cert), (&config.key_file, &pem.key))?;
        let clients = clients(config, pem, &provider, &chain[0])?;
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&config.versions);
        let builder = builder.map_err(|_| TlsError::Impossible)?;
        let builder = match clients.clone() {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(|error| config.mismatch(&error))?;
        let protocols: &[&[u8]] = if config.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        server.ignore_client_order = config.prefers_own_cipher_suites;
        // The certificate of a client that resumes a session would not be verified again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { server: Arc::new(server), clients })
    }

    /// How strictly certificates of clients are verified: 0 not at all, 1 if the client shows one, 2 always.
    pub(super) fn client_verification(&self) -> u8 {
        self.clients.as_ref().map_or(0, |clients| if clients.client_auth_mandatory() { 2 } else { 1 })
    }

    /// Whether only clients of certain names are let in.
    pub(super) fn limits_client_names(&self) -> bool {
        self.clients.as_ref().is_some_and(|clients| clients.limits_names())
    }

    /// Who is at the other end, once the handshake is done.
    pub(super) fn visitor(&self, connection: &ServerConnection) -> Visitor {
        match (&self.clients, connection.peer_certificates()) {
            (Some(clients), Some(chain)) if clients.knows_only_as_ourselves(chain) => Visitor::Ourselves,
            _ => Visitor::Guest,
        }
    }
}

/// The server's certificate, those that lead to its authority, and its key.
pub(super) struct Identity {
    /// The certificates, at least one, the server's own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The key of the first.
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads the contents of the two files, each with its name; whether the two belong together is not checked.
    pub(super) fn new(cert: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, TlsError> {
        let chain = certificates(cert.0, cert.1)?;
        let (key_file, key) = key;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            let problem = match error {
                pem::Error::NoItemsFound => "has no private key".to_owned(),
                error => format!("is not PEM ({error})"),
            };
            unfit(key_file, problem, "put the certificate's key there as PEM, not encrypted")
        })?;
        Ok(Self { chain, key })
    }
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const REMEDY: &str = "put certificates there as PEM, the server's own before those of its authorities";
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(unfit(file, "has no certificate".to_owned(), REMEDY))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unfit(file, format!("is not PEM ({error})"), REMEDY)),
    }
}

/// What makes a verifier of clients, where there is anything to verify.
fn clients(
    config: &TlsConfig,
    pem: &Pem,
    provider: &Arc<CryptoProvider>,
    own: &CertificateDer<'static>,
) -> Result<Option<Arc<ClientVerifier>>, TlsError> {
    const REMEDY: &str = "put there the certificates of the authorities that issue those of clients";
    let (Some(file), Some(pem)) = (config.clients.ca_file(), &pem.client_ca) else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, pem)? {
        roots.add(certificate).map_err(|error| unfit(file, error.to_string(), REMEDY))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let (builder, allowed_sans) = match &config.clients {
        Clients::Verified { allowed_sans, .. } => (builder, allowed_sans.clone()),
        Clients::VerifiedIfGiven { .. } | Clients::Anyone => (builder.allow_unauthenticated(), None),
    };
    let by_authority = builder.build().map_err(|error| unfit(file, error.to_string(), REMEDY))?;
    Ok(Some(Arc::new(ClientVerifier::new(by_authority, allowed_sans, own.clone()))))
}

impl TlsConfig {
    /// What it means that the certificate and the key were refused.
    fn mismatch(&self, error: &rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => {
                let problem = format!("is not the key of the certificate in {}", self.cert_file.display());
                unfit(&self.key_file, problem, "put the two there that belong together")
            }
            rustls::Error::InvalidCertificate(error) => {
                let problem = format!("the first certificate cannot be used ({error:?})");
                unfit(&self.cert_file, problem, "have it issued anew")
            }
            error => unfit(
                &self.key_file,
                error.to_string(),
                "use a key of type ECDSA P-256, ECDSA P-384, Ed25519 or RSA",
            ),
        }
    }
}

fn unfit(file: &Path, problem: String, remedy: &'static str) -> TlsError {
    TlsError::Unfit { file: file.display().to_string(), problem, remedy }
}
