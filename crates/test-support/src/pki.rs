//! Authorities, certificates, and the files of a web configuration.

use std::{fs, path::PathBuf, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SigningKey as _,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
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
    params: CertificateParams,
    key: KeyPair,
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
        Self::with(name, |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        })
    }

    /// A certificate that must not issue others, and does.
    pub fn without_authority(name: &str) -> Self {
        Self::with(name, |params| params.is_ca = IsCa::ExplicitNoCa)
    }

    /// An authority with these changes.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.der().clone(), pem: certificate.pem(), params, key }
    }

    /// A certificate for a server on loopback.
    pub fn server(&self) -> Identity {
        self.issue(loopback_names(), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a server on loopback, with this key.
    pub fn server_with_key(&self, key_pem: &str) -> Identity {
        let mut params = Identity::params();
        params.subject_alt_names = loopback_names();
        let key = KeyPair::from_pem(key_pem).unwrap();
        Identity::new(params.signed_by(&key, &self.issuer()).unwrap().der(), &key)
    }

    /// A certificate for a client of these names.
    pub fn client(&self, names: Vec<SanType>) -> Identity {
        self.issue(names, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A certificate without extensions, as `openssl x509 -req` makes it.
    pub fn version_1_client(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = Identity::params().signed_by(&key, &self.issuer()).unwrap();
        Identity::new(&version_1(certificate.der(), &self.key), &key)
    }

    /// A certificate with these changes.
    pub fn client_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = Identity::params();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity::new(params.signed_by(&key, &self.issuer()).unwrap().der(), &key)
    }

    fn issue(&self, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose) -> Identity {
        self.client_with(|params| {
            params.subject_alt_names = names;
            params.extended_key_usages = vec![usage];
        })
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

fn loopback_names() -> Vec<SanType> {
    vec![SanType::IpAddress([127, 0, 0, 1].into()), SanType::DnsName("localhost".try_into().unwrap())]
}

impl Identity {
    /// A certificate that no authority issued.
    pub fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = Self::params();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Self::new(params.self_signed(&key).unwrap().der(), &key)
    }

    /// The same without extensions.
    pub fn self_signed_version_1() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = Self::params().self_signed(&key).unwrap();
        Self::new(&version_1(certificate.der(), &key), &key)
    }

    /// The same certificate with a key that does not match.
    pub fn with_other_key(&self) -> Self {
        Self::new(&self.certificate, &KeyPair::generate().unwrap())
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a client or server");
        params
    }

    fn new(certificate: &[u8], key: &KeyPair) -> Self {
        let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, certificate);
        Self {
            certificate: certificate.to_vec().into(),
            certificate_pem: format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n"),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
        }
    }
}

/// The certificate without its version and its extensions, signed again.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method itself is not general enough")]
fn version_1(certificate: &[u8], issuer: &KeyPair) -> Vec<u8> {
    let parts = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|reader| {
            let fields = reader.next().collect_sequence_of(|field| field.read_der())?;
            let algorithm = reader.next().read_der()?;
            let _signature = reader.next().read_der()?;
            Ok((fields, algorithm))
        })
    });
    let (fields, algorithm) = parts.unwrap();
    let data = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| fields[1..7].iter().for_each(|field| writer.next().write_der(field)));
    });
    let signature = issuer.sign(&data).unwrap();
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(&data);
            writer.next().write_der(&algorithm);
            writer.next().write_bitvec_bytes(&signature, 8 * signature.len());
        });
    })
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
                let key = ring::sign::any_supported_type(&key).unwrap();
                // rustls itself would refuse a certificate of version 1.
                let certified = CertifiedKey::new(vec![identity.certificate.clone()], key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
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
