//! A reader of DER (X.690): elements with a tag and a content.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// The element with its tag and length.
    pub(super) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The content, if the element has this tag.
    pub(super) fn content_of(self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }

    /// The elements in a sequence.
    pub(super) fn sequence(self) -> Option<impl Iterator<Item = Element<'a>>> {
        self.content_of(SEQUENCE).map(elements)
    }
}

/// The first element.
pub(super) fn first(der: &[u8]) -> Option<Element<'_>> {
    elements(der).next()
}

/// DER elements that follow each other, up to the first malformed one.
pub(super) fn elements(mut der: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let (&tag, rest) = der.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        let (whole, _) = der.split_at(der.len() - rest.len());
        der = rest;
        Some(Element { tag, content, whole })
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
