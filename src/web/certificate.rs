//! Reads the parts of X.509 certificates (RFC 5280) that the verification of clients needs and rustls does not show.
//!
//! It does not decide which certificates are trusted.

use std::{net::IpAddr, time::Duration};

use jiff::civil::DateTime;
use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};

use super::der::{BIT_STRING, BOOLEAN, Element, GENERALIZED_TIME, SEQUENCE, UTC_TIME, first};

/// `version` and `extensions` in a certificate's data.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// The identifiers of extensions, 2.5.29.x.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];

/// The extensions that are understood here. A certificate with another critical extension must be refused.
const UNDERSTOOD: &[&[u8]] = &[KEY_USAGE, SUBJECT_ALT_NAME, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE];

/// 1.3.6.1.5.5.7.3.2 and 2.5.29.37.0.
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 37, 0];

/// `keyCertSign` in the first byte of a key usage.
const KEY_CERT_SIGN: u8 = 0x04;

/// Kinds of alternative names.
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// The parts of a certificate.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    is_version_3: bool,
    signed_data: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    not_before: UnixTime,
    not_after: UnixTime,
    key: PublicKey<'a>,
    extensions: Vec<Extension<'a>>,
}

/// A public key.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicKey<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
    /// The `SubjectPublicKeyInfo`.
    pub(super) info: &'a [u8],
}

#[derive(Debug)]
struct Extension<'a> {
    id: &'a [u8],
    is_critical: bool,
    value: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Parses a certificate in DER. `None` if it is malformed.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut parts = first(der)?.sequence()?;
        let data = parts.next()?;
        let signature_algorithm = parts.next()?.content_of(SEQUENCE)?;
        let signature = bits(parts.next()?)?;
        let version = first(data.content).filter(|field| field.tag == VERSION);
        let is_version_3 =
            version.and_then(|version| first(version.content)).is_some_and(|version| version.content == [2]);
        let mut fields = data.sequence()?.filter(|field| field.tag != VERSION);
        let _serial_number = fields.next()?;
        let same_algorithm = fields.next()?.content_of(SEQUENCE)?;
        let issuer = fields.next()?.whole;
        let mut validity = fields.next()?.sequence()?;
        let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
        let subject = fields.next()?.whole;
        let key = PublicKey::parse(fields.next()?)?;
        let extensions = match fields.find(|field| field.tag == EXTENSIONS) {
            Some(field) => first(field.content)?.sequence()?.map(Extension::parse).collect::<Option<_>>()?,
            None => Vec::new(),
        };
        (same_algorithm == signature_algorithm).then_some(Self {
            is_version_3,
            signed_data: data.whole,
            signature_algorithm,
            signature,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            extensions,
        })
    }

    /// The subject's name in DER.
    pub(super) fn subject(&self) -> &'a [u8] {
        self.subject
    }

    /// The public key.
    pub(super) fn key(&self) -> PublicKey<'a> {
        self.key
    }

    /// Whether the certificate is valid at this time.
    pub(super) fn is_valid_at(&self, time: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&time)
    }

    /// Whether a client may use it: it has no extended key usage, or one that allows clients; and no critical extension is
    /// unknown here.
    pub(super) fn is_for_clients(&self) -> bool {
        let has_unknown = self
            .extensions
            .iter()
            .any(|extension| extension.is_critical && !UNDERSTOOD.contains(&extension.id));
        let allows_clients = |usages: &[u8]| {
            let usages = first(usages).and_then(Element::sequence);
            usages.into_iter().flatten().any(|usage| [CLIENT_AUTH, ANY_USAGE].contains(&usage.content))
        };
        !has_unknown && self.extension(EXTENDED_KEY_USAGE).is_none_or(allows_clients)
    }

    /// Whether it may issue certificates: its extensions say so, or it is of an older version, which has no extensions.
    pub(super) fn is_authority(&self) -> bool {
        if !self.is_version_3 {
            return true;
        }
        let says_so = |constraints: &[u8]| {
            let is_ca = first(constraints).and_then(Element::sequence).and_then(|mut fields| fields.next());
            is_ca.is_some_and(|is_ca| is_ca.tag == BOOLEAN && is_ca.content != [0])
        };
        let may_sign = |usage: &[u8]| {
            first(usage).and_then(bits).and_then(<[u8]>::first).is_some_and(|bits| bits & KEY_CERT_SIGN != 0)
        };
        self.extension(BASIC_CONSTRAINTS).is_some_and(says_so)
            && self.extension(KEY_USAGE).is_none_or(may_sign)
    }

    /// Whether `authority` issued this certificate without limits on names.
    pub(super) fn is_issued_by(
        &self,
        authority: &Certificate<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        self.issuer == authority.subject
            && authority.extension(NAME_CONSTRAINTS).is_none()
            && algorithms
                .iter()
                .filter(|algorithm| algorithm.signature_alg_id().as_ref() == self.signature_algorithm)
                .any(|algorithm| authority.key.verifies(*algorithm, self.signed_data, self.signature))
    }

    /// Whether one of the alternative names (DNS, e-mail, URI, IP address) is exactly one of `allowed`.
    pub(super) fn has_any_name(&self, allowed: &[String]) -> bool {
        let names = self.extension(SUBJECT_ALT_NAME).and_then(first).and_then(Element::sequence);
        names.into_iter().flatten().any(|name| match name.tag {
            EMAIL | DNS | URI => allowed.iter().any(|allowed| allowed.as_bytes() == name.content),
            IP => {
                let address = ip(name.content);
                address.is_some() && allowed.iter().any(|allowed| allowed.parse().ok() == address)
            }
            _ => false,
        })
    }

    fn extension(&self, id: &[u8]) -> Option<&'a [u8]> {
        self.extensions.iter().find(|extension| extension.id == id).map(|extension| extension.value)
    }
}

impl<'a> PublicKey<'a> {
    fn parse(info: Element<'a>) -> Option<Self> {
        let mut parts = info.sequence()?;
        let algorithm = parts.next()?.content_of(SEQUENCE)?;
        Some(Self { algorithm, bits: bits(parts.next()?)?, info: info.whole })
    }

    /// Whether the algorithm is for this kind of key, and the signature of `data` was made with this key.
    pub(super) fn verifies(
        self,
        algorithm: &dyn SignatureVerificationAlgorithm,
        data: &[u8],
        signature: &[u8],
    ) -> bool {
        algorithm.public_key_alg_id().as_ref() == self.algorithm
            && algorithm.verify_signature(self.bits, data, signature).is_ok()
    }
}

impl<'a> Extension<'a> {
    fn parse(extension: Element<'a>) -> Option<Self> {
        let parts: Vec<_> = extension.sequence()?.collect();
        let (id, value) = (parts.first()?.content, parts.last()?.content);
        let is_critical = parts.iter().any(|part| part.tag == BOOLEAN && part.content != [0]);
        Some(Self { id, is_critical, value })
    }
}

/// The content of a bit string.
fn bits(element: Element<'_>) -> Option<&[u8]> {
    // The first byte counts the unused bits at the end.
    element.content_of(BIT_STRING)?.split_first().map(|(_, bits)| bits)
}

/// A time with seconds in UTC, such as `260102030405Z` or `20260102030405Z`. Two digits of a year mean 1950 to 2049.
fn time(element: Element<'_>) -> Option<UnixTime> {
    let text = str::from_utf8(element.content).ok()?;
    let digits = match (element.tag, text) {
        (UTC_TIME, text) if text.starts_with(|century: char| century >= '5') => format!("19{text}"),
        (UTC_TIME, text) => format!("20{text}"),
        (GENERALIZED_TIME, text) => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", &digits).ok()?;
    let since_epoch = time.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(UnixTime::since_unix_epoch(Duration::try_from(since_epoch).unwrap_or_default()))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4().or_else(|_| v6()).ok()
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
        for name in ["a.example", "ops@a.example", "spiffe://a/b", "192.0.2.7", "2001:db8:0::7"] {
            assert!(allows(name), "{name}");
        }
        for name in ["b.example", "example", "", "192.0.2.8", "A.example"] {
            assert!(!allows(name), "{name}");
        }
    }

    #[test]
    fn cut_certificate_is_malformed() {
        let whole = certificate(vec![SanType::DnsName("a.example".try_into().unwrap())]);
        assert!(Certificate::parse(&whole).is_some());
        for end in 0..whole.len() {
            assert!(Certificate::parse(&whole[..end]).is_none(), "{end}");
        }
        for first in 0..=u8::MAX {
            let _ = Certificate::parse(&[SEQUENCE, first, SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]);
        }
    }

    #[test]
    fn times_are_read_in_both_formats() {
        let read = |tag, content: &str| time(Element { tag, content: content.as_bytes(), whole: &[] });
        let table = [
            (UTC_TIME, "260102030405Z", Some(1_767_323_045)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "991231235959Z", Some(946_684_799)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (UTC_TIME, "2601020304Z", None),
            (GENERALIZED_TIME, "20260102030405", None),
            (GENERALIZED_TIME, "20261302030405Z", None),
            (BOOLEAN, "260102030405Z", None),
        ];
        for (tag, text, seconds) in table {
            assert_eq!(read(tag, text).map(|time| time.as_secs()), seconds, "{text}");
        }
    }
}
