//! The text of an exposition, unpacked while it is read: uncompressed it would need ten times the memory.

use std::vec;

use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress};

/// How many bytes are unpacked at once. Each client that reads slowly holds about four times as many bytes.
const PIECE: usize = 16 * 1024;

/// A compressed text. It is unpacked by iterating.
#[derive(Debug)]
pub struct Plain {
    packed: vec::IntoIter<Bytes>,
    present: Bytes,
    inflate: Decompress,
    remaining: usize,
}

impl Plain {
    /// The text of this length in the deflate blocks of these pieces.
    pub(super) fn new(packed: Vec<Bytes>, length: usize) -> Self {
        let inflate = Decompress::new(false);
        Self { packed: packed.into_iter(), present: Bytes::new(), inflate, remaining: length }
    }

    /// The bytes of text that are not yet unpacked.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.remaining
    }
}

impl Iterator for Plain {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut text = Vec::with_capacity(PIECE.min(self.remaining));
        while text.len() < PIECE.min(self.remaining) {
            if self.present.is_empty() {
                self.present = self.packed.next().expect("the blocks hold the whole text");
            }
            let before = self.inflate.total_in();
            self.inflate
                .decompress_vec(&self.present, &mut text, FlushDecompress::None)
                .expect("the blocks are valid deflate");
            let taken = self.inflate.total_in() - before;
            self.present.advance(usize::try_from(taken).expect("the input fits into memory"));
        }
        self.remaining -= text.len();
        (!text.is_empty()).then(|| text.into())
    }
}
