//! Reads the parts of X.509 certificates (RFC 5280) that the verification of clients needs and rustls does not show.
//!
//! It does not decide which certificates are trusted.

use std::net::IpAddr;

use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use x509_cert::{
    certificate::Version,
    der::{
        self, Decode, Encode, Header, Reader, SliceReader,
        asn1::AnyRef,
        oid::{AssociatedOid, ObjectIdentifier},
    },
    ext::pkix::{
        BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName, name::GeneralName,
    },
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
};

/// A certificate with another critical extension must be refused. rustls handles name constraints.
const SUPPORTED_EXTENSIONS: &[ObjectIdentifier] =
    &[BasicConstraints::OID, KeyUsage::OID, ExtendedKeyUsage::OID, SubjectAltName::OID, NameConstraints::OID];

const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// A parsed certificate.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    parsed: x509_cert::Certificate,
    /// The bytes that its signature covers.
    signed_data: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Parses a certificate in DER.
    pub(super) fn parse(der: &'a [u8]) -> der::Result<Self> {
        let parsed = x509_cert::Certificate::from_der(der)?;
        let mut reader = SliceReader::new(der)?;
        Header::decode(&mut reader)?;
        Ok(Self { parsed, signed_data: reader.tlv_bytes()? })
    }

    /// The subject's name in DER.
    pub(super) fn subject(&self) -> der::Result<Vec<u8>> {
        self.parsed.tbs_certificate().subject().to_der()
    }

    /// The public key.
    pub(super) fn key(&self) -> PublicKey<'_> {
        PublicKey(self.parsed.tbs_certificate().subject_public_key_info())
    }

    /// Whether the certificate is valid at this time.
    pub(super) fn is_valid_at(&self, time: UnixTime) -> bool {
        let validity = self.parsed.tbs_certificate().validity();
        let [start, end] =
            [validity.not_before, validity.not_after].map(|time| time.to_unix_duration().as_secs());
        (start..=end).contains(&time.as_secs())
    }

    /// Whether it is for clients: it has no extended key usage, or one that allows clients, and no unsupported critical
    /// extension.
    pub(super) fn is_for_clients(&self) -> bool {
        let mut extensions = self.parsed.tbs_certificate().extensions().into_iter().flatten();
        let allows_clients =
            |usage: ExtendedKeyUsage| usage.0.iter().any(|usage| [CLIENT_AUTH, ANY_USAGE].contains(usage));
        extensions.all(|extension| !extension.critical || SUPPORTED_EXTENSIONS.contains(&extension.extn_id))
            && self.extension().is_ok_and(|usage| usage.is_none_or(allows_clients))
    }

    /// Whether it may issue certificates: its extensions allow it, or it is of an older version, which has no extensions.
    pub(super) fn is_authority(&self) -> bool {
        if self.parsed.tbs_certificate().version() != Version::V3 {
            return true;
        }
        let is_ca =
            |constraints: Option<BasicConstraints>| constraints.is_some_and(|constraints| constraints.ca);
        let may_sign = |usage: Option<KeyUsage>| usage.is_none_or(|usage| usage.key_cert_sign());
        self.extension().is_ok_and(is_ca) && self.extension().is_ok_and(may_sign)
    }

    /// Whether `authority` signed this certificate. An authority with name constraints is refused.
    pub(super) fn is_issued_by(
        &self,
        authority: &Certificate<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let (own, signature_algorithm) = (self.parsed.tbs_certificate(), self.parsed.signature_algorithm());
        own.issuer() == authority.parsed.tbs_certificate().subject()
            && own.signature() == signature_algorithm
            && authority.extension::<NameConstraints>().is_ok_and(|limits| limits.is_none())
            && algorithms
                .iter()
                .filter(|algorithm| {
                    has_identifier(signature_algorithm, algorithm.signature_alg_id().as_ref())
                })
                .any(|algorithm| {
                    let signature = self.parsed.signature().raw_bytes();
                    authority.key().verifies(*algorithm, self.signed_data, signature)
                })
    }

    /// Whether one of the alternative names (DNS, e-mail, URI, IP address) is exactly one of `allowed`.
    pub(super) fn has_any_name(&self, allowed: &[String]) -> bool {
        let is_allowed = |name: &GeneralName| match name {
            GeneralName::Rfc822Name(name)
            | GeneralName::DnsName(name)
            | GeneralName::UniformResourceIdentifier(name) => {
                allowed.iter().any(|allowed| allowed == name.as_str())
            }
            GeneralName::IpAddress(bytes) => {
                let address = ip(bytes.as_bytes());
                let parsed = |allowed: &String| allowed.parse().ok().map(|ip: IpAddr| ip.to_canonical());
                address.is_some() && allowed.iter().any(|allowed| parsed(allowed) == address)
            }
            _ => false,
        };
        let names: der::Result<Option<SubjectAltName>> = self.extension();
        names.ok().flatten().is_some_and(|names| names.0.iter().any(is_allowed))
    }

    /// An extension; an error if it is malformed or repeated.
    fn extension<'e, T: Decode<'e, Error = der::Error> + AssociatedOid>(&'e self) -> der::Result<Option<T>> {
        Ok(self.parsed.tbs_certificate().get_extension()?.map(|(_, extension)| extension))
    }
}

/// The public key of a certificate.
pub(super) struct PublicKey<'a>(&'a SubjectPublicKeyInfoOwned);

impl PublicKey<'_> {
    /// The `SubjectPublicKeyInfo` in DER.
    pub(super) fn to_der(&self) -> der::Result<Vec<u8>> {
        self.0.to_der()
    }

    /// Whether the algorithm is for this kind of key, and the signature of `data` was made with this key.
    pub(super) fn verifies(
        &self,
        algorithm: &dyn SignatureVerificationAlgorithm,
        data: &[u8],
        signature: &[u8],
    ) -> bool {
        let bits = self.0.subject_public_key.raw_bytes();
        has_identifier(&self.0.algorithm, algorithm.public_key_alg_id().as_ref())
            && algorithm.verify_signature(bits, data, signature).is_ok()
    }
}

/// Whether the algorithm has this identifier, which is the content of a sequence.
fn has_identifier(algorithm: &AlgorithmIdentifierOwned, identifier: &[u8]) -> bool {
    let der = algorithm.to_der();
    der.is_ok_and(|der| AnyRef::from_der(&der).is_ok_and(|sequence| sequence.value() == identifier))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4().or_else(|_| v6()).ok().map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        // An extension before the names, long enough for lengths of two bytes.
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 2, 3], vec![4; 300])];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn every_kind_of_name_is_found() {
        let certificate = certificate(vec![
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::Rfc822Name("ops@a.example".try_into().unwrap()),
            SanType::URI("spiffe://a/b".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 7].into()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
        ]);
        let certificate = Certificate::parse(&certificate).unwrap();
        let allows =
            |allowed: &str| certificate.has_any_name(&["other.example".to_owned(), allowed.to_owned()]);
        for name in
            ["a.example", "ops@a.example", "spiffe://a/b", "192.0.2.7", "::ffff:192.0.2.7", "2001:db8:0::7"]
        {
            assert!(allows(name), "{name}");
        }
        for name in ["b.example", "example", "", "192.0.2.8", "A.example"] {
            assert!(!allows(name), "{name}");
        }
    }

    #[test]
    fn cut_certificate_is_malformed() {
        let whole = certificate(vec![SanType::DnsName("a.example".try_into().unwrap())]);
        assert!(Certificate::parse(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(Certificate::parse(&whole[..end]).is_err(), "{end}");
        }
    }
}
