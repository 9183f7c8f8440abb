//! A gzip member made of parts that are compressed apart, so that a part which did not change is not compressed again.
//!
//! Each part is a run of deflate blocks that ends on a byte boundary (RFC 1951, 3.2.4) and refers to nothing before it;
//! their checksums are combined. Any client reads the result: it is one ordinary member (RFC 1952).

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The fixed header: deflate, no flags, no time, unknown operating system.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// An empty block that says it is the last.
const LAST_BLOCK: &[u8] = &[0x03, 0x00];

/// Some text, compressed.
#[derive(Debug, Default)]
pub(super) struct Part {
    blocks: Bytes,
    crc: Crc,
}

impl Part {
    /// Compresses pieces of text that follow each other.
    pub(super) fn new(pieces: &[Bytes]) -> Self {
        let mut deflate = Compress::new(Compression::fast(), false);
        let mut crc = Crc::new();
        let mut blocks = Vec::new();
        for piece in pieces {
            crc.update(piece);
            run(&mut deflate, piece, &mut blocks, FlushCompress::None);
        }
        run(&mut deflate, &[], &mut blocks, FlushCompress::Sync);
        Self { blocks: blocks.into(), crc }
    }
}

/// One gzip member of all parts, in pieces that follow each other.
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

/// Feeds all input, and on a flush takes all output.
fn run(deflate: &mut Compress, mut input: &[u8], output: &mut Vec<u8>, flush: FlushCompress) {
    loop {
        output.reserve(4096);
        let before = deflate.total_in();
        let status =
            deflate.compress_vec(input, output, flush).expect("a fresh deflate stream takes any input");
        let taken = usize::try_from(deflate.total_in() - before).expect("no more was taken than given");
        input = &input[taken..];
        let room_left = output.len() < output.capacity();
        if input.is_empty() && (room_left || status == Status::BufError) {
            return;
        }
    }
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
    fn parts_read_as_one_member() {
        let texts = ["", "one\n", &"a long and repetitive text\n".repeat(100_000), "last"];
        let parts = texts.map(|text| Part::new(&[Bytes::from(text.to_owned())]));
        let member = member(&parts.iter().collect::<Vec<_>>());
        assert_eq!(unzip(&member), texts.concat().into_bytes());
    }

    #[test]
    fn pieces_that_do_not_compress_are_kept_whole() {
        let mut random = fastrand::Rng::with_seed(1);
        let pieces: Vec<Bytes> =
            [1, 4096, 100_000].map(|size| (0..size).map(|_| random.u8(..)).collect()).into();
        assert_eq!(unzip(&member(&[&Part::new(&pieces)])), pieces.concat());
    }

    #[test]
    fn nothing_at_all_is_an_empty_member() {
        assert!(unzip(&member(&[])).is_empty());
    }
}
