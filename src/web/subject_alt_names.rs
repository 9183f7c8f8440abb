//! Reads the alternative names of a certificate (RFC 5280, section 4.2.1.6).
//!
//! rustls has already verified the certificate, so this parses only enough DER to find the names.

use std::net::IpAddr;

/// The identifier of the extension, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

const SEQUENCE: u8 = 0x30;
/// `extensions` in a certificate's data.
const EXTENSIONS: u8 = 0xa3;

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// Whether one of a certificate's names (DNS, e-mail, URI, IP address) is exactly one of `allowed`.
pub(super) fn has_any(certificate: &[u8], allowed: &[String]) -> bool {
    general_names(certificate).is_some_and(|names| {
        elements(names).any(|(kind, name)| match kind {
            EMAIL | DNS | URI => allowed.iter().any(|allowed| allowed.as_bytes() == name),
            IP => {
                let address = ip(name);
                address.is_some() && allowed.iter().any(|allowed| allowed.parse().ok() == address)
            }
            _ => false,
        })
    })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4().or_else(|_| v6()).ok()
}

/// The content of the extension's `GeneralNames`.
fn general_names(certificate: &[u8]) -> Option<&[u8]> {
    let data = content(content(certificate, SEQUENCE)?, SEQUENCE)?;
    let (_, extensions) = elements(data).find(|&(tag, _)| tag == EXTENSIONS)?;
    elements(content(extensions, SEQUENCE)?).find_map(|(_, extension)| {
        let (_, identifier) = elements(extension).next()?;
        let (_, value) = elements(extension).last()?;
        if identifier == SUBJECT_ALT_NAME { content(value, SEQUENCE) } else { None }
    })
}

/// The content of the first element, if it has this tag.
fn content(der: &[u8], tag: u8) -> Option<&[u8]> {
    elements(der).next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// DER elements that follow each other, as tags and contents, up to the first malformed one.
fn elements(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&tag, rest) = der.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        der = rest;
        Some((tag, content))
    })
}

/// A length, and the bytes after it.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = der.split_first()?;
    if first < 0x80 {
        return Some((first.into(), rest));
    }
    // A certificate is never longer than 65,535 bytes.
    let (bytes, rest) = rest.split_at_checked((first & 0x7f).into())?;
    match *bytes {
        [low] => Some((low.into(), rest)),
        [high, low] => Some((u16::from_be_bytes([high, low]).into(), rest)),
        _ => None,
    }
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

    fn allows(allowed: &str, certificate: &[u8]) -> bool {
        has_any(certificate, &["other.example".to_owned(), allowed.to_owned()])
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
        for name in ["a.example", "ops@a.example", "spiffe://a/b", "192.0.2.7", "2001:db8:0::7"] {
            assert!(allows(name, &certificate), "{name}");
        }
        for name in ["b.example", "example", "", "192.0.2.8", "A.example"] {
            assert!(!allows(name, &certificate), "{name}");
        }
    }

    #[test]
    fn cut_certificate_does_not_panic() {
        let whole = certificate(vec![SanType::DnsName("a.example".try_into().unwrap())]);
        for end in 0..whole.len() {
            let _ = allows("a.example", &whole[..end]);
        }
        for first in 0..=u8::MAX {
            assert!(!allows("a.example", &[SEQUENCE, first, SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]));
        }
    }
}
