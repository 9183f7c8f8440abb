//! A gzip member made of parts that are compressed separately, so that unchanged parts are not compressed again.
//!
//! Each part is a sequence of deflate blocks that ends on a byte boundary (RFC 1951, 3.2.4) and does not refer to earlier
//! data. The checksums of the parts are combined. The result is one ordinary gzip member (RFC 1952).

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// The gzip header: deflate, no flags, no time, unknown operating system.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// An empty block, marked as the last.
const LAST_BLOCK: &[u8] = &[0x03, 0x00];

/// A compressed text.
#[derive(Debug, Default)]
pub(super) struct Part {
    blocks: Bytes,
    crc: Crc,
}

impl Part {
    /// One part made of several that follow each other.
    pub(super) fn joined<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut blocks, mut crc) = (Vec::new(), Crc::new());
        for part in parts {
            blocks.extend_from_slice(&part.blocks);
            crc.combine(&part.crc);
        }
        Self { blocks: blocks.into_boxed_slice().into(), crc }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// The length of the text in bytes, modulo 2^32 as in gzip.
    pub(super) fn length(&self) -> usize {
        self.crc.amount() as usize
    }
}

/// Compresses parts. Its tables are large, so one compressor is used for all of them.
#[derive(Debug)]
pub(super) struct Compressor {
    deflate: Compress,
    output: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> Self {
        Self { deflate: Compress::new(Compression::fast(), false), output: Vec::new() }
    }

    /// A text as a part.
    pub(super) fn part(&mut self, text: &[u8]) -> Part {
        if text.is_empty() {
            return Part::default();
        }
        self.deflate.reset();
        self.output.clear();
        self.output.reserve(text.len() / 4);
        loop {
            let taken = usize::try_from(self.deflate.total_in()).expect("the text fits into memory");
            self.output.reserve(4096);
            self.deflate
                .compress_vec(&text[taken..], &mut self.output, FlushCompress::Sync)
                .expect("a fresh deflate stream takes any input");
            // If there is room left, all input was read and all output written.
            if self.output.len() < self.output.capacity() {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(text);
        Part { blocks: Bytes::copy_from_slice(&self.output), crc }
    }
}

/// One gzip member of these parts, in pieces that follow each other.
pub(super) fn member(parts: &[&Part]) -> Vec<Bytes> {
    let mut crc = Crc::new();
    for part in parts {
        crc.combine(&part.crc);
    }
    let mut trailer = LAST_BLOCK.to_vec();
    trailer.extend(crc.sum().to_le_bytes());
    trailer.extend(crc.amount().to_le_bytes());
    let blocks = parts.iter().map(|part| part.blocks.clone());
    [Bytes::from_static(HEADER)].into_iter().chain(blocks).chain([trailer.into()]).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn unzip(pieces: &[Bytes]) -> Vec<u8> {
        let mut text = Vec::new();
        GzDecoder::new(&*pieces.concat()).read_to_end(&mut text).expect("a gzip member");
        text
    }

    #[test]
    fn parts_unpack_as_one_member() {
        let texts = ["", "one\n", &"a long and repetitive text\n".repeat(100_000), "last"];
        let mut compressor = Compressor::new();
        let parts = texts.map(|text| compressor.part(text.as_bytes()));
        assert_eq!(unzip(&member(&parts.each_ref())), texts.concat().into_bytes());
        let joined = Part::joined(&parts[..3]);
        assert_eq!(unzip(&member(&[&joined, &parts[3]])), texts.concat().into_bytes());
    }

    #[test]
    fn part_unpacks_without_earlier_parts() {
        let text = "the same text\n".repeat(1000).into_bytes();
        let mut compressor = Compressor::new();
        let [_, second] = [compressor.part(&text), compressor.part(&text)];
        assert_eq!(unzip(&member(&[&second])), text);
    }

    #[test]
    fn random_bytes_survive_compression() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut compressor = Compressor::new();
        for size in [1, 4095, 4096, 4097, 65_535, 1_000_000] {
            let text: Vec<u8> = (0..size).map(|_| random.u8(..)).collect();
            assert_eq!(unzip(&member(&[&compressor.part(&text)])), text);
        }
    }

    #[test]
    fn no_parts_make_an_empty_gzip_member() {
        assert!(unzip(&member(&[])).is_empty());
        assert!(Compressor::new().part(&[]).is_empty());
    }
}
