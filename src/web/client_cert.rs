//! Who may connect, by the certificate that a client shows.

use std::{net::IpAddr, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// Lets in clients whose certificate is of the right authorities and has one of the allowed names.
///
/// It also accepts a client that has the server's own certificate and key: that client is the `healthcheck` command, which
/// has no other certificate. The routes decide what such a client may request.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    by_authority: Arc<dyn ClientCertVerifier>,
    allowed_sans: Option<Vec<String>>,
    own: CertificateDer<'static>,
}

impl ClientVerifier {
    /// Verifies as `by_authority` does; without `allowed_sans`, any name is allowed.
    pub(super) fn new(
        by_authority: Arc<dyn ClientCertVerifier>,
        allowed_sans: Option<Vec<String>>,
        own: CertificateDer<'static>,
    ) -> Self {
        Self { by_authority, allowed_sans, own }
    }

    /// Whether only certain names are allowed.
    pub(super) fn limits_names(&self) -> bool {
        self.allowed_sans.is_some()
    }

    /// Whether a client that was let in with this chain has no better reason to be here than the server's own
    /// certificate.
    pub(super) fn knows_only_as_ourselves(&self, chain: &[CertificateDer<'_>]) -> bool {
        let [leaf, intermediates @ ..] = chain else { return false };
        *leaf == self.own && self.verify_guest(leaf, intermediates, UnixTime::now()).is_err()
    }

    fn verify_guest(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.by_authority.verify_client_cert(leaf, intermediates, now)?;
        match &self.allowed_sans {
            Some(allowed) if !has_name_of(leaf, allowed) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(verified),
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.verify_guest(leaf, intermediates, now) {
            Err(_) if *leaf == self.own => Ok(ClientCertVerified::assertion()),
            verified => verified,
        }
    }

    fn offer_client_auth(&self) -> bool {
        self.by_authority.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.by_authority.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_authority.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}

/// Whether one of a certificate's alternative names (DNS, e-mail, URI, IP) is exactly one of `allowed`.
fn has_name_of(certificate: &CertificateDer<'_>, allowed: &[String]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            allowed.iter().any(|allowed| allowed == name)
        }
        GeneralName::IPAddress(bytes) => {
            let ip = ip(bytes);
            ip.is_some() && allowed.iter().any(|allowed| allowed.parse().ok() == ip)
        }
        _ => false,
    })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4().or_else(|_| v6()).ok()
}
