//! Verifies the certificates of clients.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use super::certificate::Certificate;

/// Accepts clients whose certificate was issued by a configured authority, or is itself configured, and has an allowed name.
///
/// rustls refuses certificates of version 1, certificates that are themselves authorities, and certificates that are trusted
/// without an authority. exporter-toolkit accepts them, and `openssl` makes them by default. So they are verified here.
///
/// It also accepts the server's own certificate, because `healthcheck` has no other one. `routes` limits the requests of such a
/// client.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pub(super) policy: ClientPolicy,
    /// The configured certificates, of authorities and of clients.
    pub(super) trusted: Vec<TrustedCertificate>,
    /// The subjects of these certificates.
    pub(super) subjects: Vec<DistinguishedName>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// The server's certificate.
    pub(super) own: CertificateDer<'static>,
}

/// A configured certificate. It admits clients that have it, and clients to which it issued a certificate.
#[derive(Debug)]
pub(super) struct TrustedCertificate {
    pub(super) certificate: CertificateDer<'static>,
    /// Verifies chains that end at this certificate; `None` if it is not an authority.
    pub(super) chains: Option<Arc<dyn ClientCertVerifier>>,
}

/// The clients that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientPolicy {
    /// Whether a client must send a certificate.
    pub(super) is_mandatory: bool,
    /// The names of which a certificate needs one; `None` if any name is allowed.
    pub(super) allowed_sans: Option<Vec<String>>,
}

impl ClientVerifier {
    /// Whether a client with this chain was accepted only because its certificate is the server's own.
    pub(super) fn is_self_probe(&self, chain: &[CertificateDer<'_>]) -> bool {
        let [leaf, intermediates @ ..] = chain else { return false };
        *leaf == self.own && self.verify(leaf, intermediates, UnixTime::now()).is_err()
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let certificate = parse(leaf)?;
        let mut refusal = CertificateError::UnknownIssuer.into();
        let is_trusted = self.trusted.iter().any(|trusted| {
            let result = trusted.verify(leaf, &certificate, intermediates, self.algorithms.all, now);
            if let Err(error) = &result
                && *error != CertificateError::UnknownIssuer.into()
            {
                refusal = error.clone();
            }
            result.is_ok()
        });
        if !is_trusted {
            return Err(refusal);
        }
        match &self.policy.allowed_sans {
            Some(allowed) if !certificate.has_any_name(allowed) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ClientCertVerified::assertion()),
        }
    }
}

impl TrustedCertificate {
    /// rustls does not check the dates and the purpose of an authority, so they are checked here.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        certificate: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        now: UnixTime,
    ) -> Result<(), Error> {
        let trusted = parse(&self.certificate)?;
        check(&trusted, now)?;
        if self.certificate == *leaf {
            return Ok(());
        }
        let chains = self.chains.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        match chains.verify_client_cert(leaf, intermediates, now) {
            Err(_) if certificate.is_issued_by(&trusted, algorithms) => Ok(check(certificate, now)?),
            verified => verified.map(|_| ()),
        }
    }
}

/// Checks the dates and the purpose of a certificate.
fn check(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), CertificateError> {
    if !certificate.is_valid_at(now) {
        return Err(CertificateError::Expired);
    }
    if !certificate.is_for_clients() {
        return Err(CertificateError::InvalidPurpose);
    }
    Ok(())
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<Certificate<'a>, CertificateError> {
    Certificate::parse(certificate).map_err(|_| CertificateError::BadEncoding)
}

impl ClientCertVerifier for ClientVerifier {
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.verify(leaf, intermediates, now) {
            Err(_) if *leaf == self.own => Ok(ClientCertVerified::assertion()),
            verified => verified,
        }
    }

    fn client_auth_mandatory(&self) -> bool {
        self.policy.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate = parse(leaf)?;
        let key = certificate.key();
        let mut mapping = self.algorithms.mapping.iter();
        let (_, algorithms) = mapping
            .find(|(scheme, _)| *scheme == signature.scheme)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        if algorithms.iter().any(|algorithm| key.verifies(*algorithm, message, signature.signature())) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = parse(leaf)?.key().to_der().map_err(|_| CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(key);
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
