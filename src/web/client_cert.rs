//! Verifies the certificates of clients.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use super::subject_alt_names;

/// Accepts clients whose certificate was issued by a configured authority and has an allowed name.
///
/// It also accepts the server's own certificate, because `healthcheck` has no other one. `routes` limits the requests of such a
/// client.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    by_authority: Arc<dyn ClientCertVerifier>,
    allowed_sans: Option<Vec<String>>,
    own: CertificateDer<'static>,
}

impl ClientVerifier {
    /// Uses the same verification as `by_authority`. Without `allowed_sans` any name is allowed. `own` is the server's
    /// certificate.
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

    /// Whether a client with this chain was accepted only because its certificate is the server's own.
    pub(super) fn is_self_probe(&self, chain: &[CertificateDer<'_>]) -> bool {
        let [leaf, intermediates @ ..] = chain else { return false };
        *leaf == self.own && self.verify_by_authority(leaf, intermediates, UnixTime::now()).is_err()
    }

    fn verify_by_authority(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.by_authority.verify_client_cert(leaf, intermediates, now)?;
        match &self.allowed_sans {
            Some(allowed) if !subject_alt_names::has_any(leaf, allowed) => {
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
        match self.verify_by_authority(leaf, intermediates, now) {
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
