//! Authorities, certificates, and the files of a web configuration.

use std::{fs, path::PathBuf, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::web_server::{Client, Response, Server};

/// An authority that issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: CertificateDer<'static>,
    pub pem: String,
}

/// A certificate with its key.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub certificate_pem: String,
    pub key_pem: String,
    key: Vec<u8>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for a server on loopback.
    pub fn server(&self) -> Identity {
        let names = vec![
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::DnsName("localhost".try_into().unwrap()),
        ];
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client of these names.
    pub fn client(&self, names: Vec<SanType>) -> Identity {
        self.issue(names, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
        }
    }
}

/// A directory with a web configuration file.
pub struct Files(TempDir);

impl Files {
    /// A directory with `yaml` in `web.yml`.
    pub fn new(yaml: &str) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write("web.yml", yaml);
        files
    }

    /// A web configuration with the certificate of `server` in `server.pem` and `server.key`, and `more` below
    /// `tls_server_config`.
    pub fn tls(server: &Identity, more: &str) -> Self {
        let files = Self::new(&format!(
            "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{more}"
        ));
        files.write_certificate(server);
        files
    }

    pub fn write_certificate(&self, server: &Identity) {
        self.write("server.pem", &server.certificate_pem);
        self.write("server.key", &server.key_pem);
    }

    pub fn write(&self, name: &str, contents: &str) {
        // Replaces the file atomically, like certificate managers.
        let new = self.path(&format!("{name}.new"));
        fs::write(&new, contents).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn web_config(&self) -> PathBuf {
        self.path("web.yml")
    }
}

/// The TLS settings of a client: authorities, certificate and protocols.
pub struct TlsClient {
    config: ClientConfig,
}

impl TlsClient {
    pub fn trusting(authority: &Authority) -> Self {
        Self::build(authority, None, rustls::ALL_VERSIONS, ring::default_provider())
    }

    pub fn with_certificate(authority: &Authority, identity: &Identity) -> Self {
        Self::build(authority, Some(identity), rustls::ALL_VERSIONS, ring::default_provider())
    }

    pub fn build(
        authority: &Authority,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
        provider: CryptoProvider,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let builder =
            ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
                builder.with_client_auth_cert(vec![identity.certificate.clone()], key).unwrap()
            }
        };
        Self { config }
    }

    pub fn with_alpn(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    pub async fn connect(&self, server: &Server) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(server.address).await?;
        Ok(Client { stream: self.handshake(server, stream).await? })
    }

    /// The handshake alone.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: &Server,
        stream: S,
    ) -> std::io::Result<TlsStream<S>> {
        let name = ServerName::from(server.address.ip());
        TlsConnector::from(Arc::new(self.config.clone())).connect(name, stream).await
    }

    /// One request on a connection of its own; none if the server refuses the connection.
    pub async fn get(&self, server: &Server, path: &str) -> Option<Response> {
        use tokio::io::AsyncWriteExt;
        let mut client = self.connect(server).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
        client.stream.write_all(request.as_bytes()).await.ok()?;
        crate::web_server::read_response(&mut client.stream).await
    }

    pub async fn status(&self, server: &Server, path: &str) -> Option<u16> {
        self.get(server, path).await.map(|response| response.status)
    }
}
