//! The text of an exposition, unpacked while it is read: kept plain it would take ten times the memory.

use std::vec;

use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress};

/// How much is unpacked at once, in bytes.
const PIECE: usize = 64 * 1024;

/// A text that is still compressed, in pieces that follow each other.
#[derive(Debug)]
pub struct Plain {
    packed: vec::IntoIter<Bytes>,
    present: Bytes,
    inflate: Decompress,
    remaining: usize,
}

impl Plain {
    /// So many bytes of text, from the deflate blocks that these pieces are.
    pub(super) fn new(packed: Vec<Bytes>, length: usize) -> Self {
        let inflate = Decompress::new(false);
        Self { packed: packed.into_iter(), present: Bytes::new(), inflate, remaining: length }
    }

    /// How many bytes of text are still to come.
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
                .expect("these blocks were made here");
            let taken = self.inflate.total_in() - before;
            self.present.advance(usize::try_from(taken).expect("no more was taken than given"));
        }
        self.remaining -= text.len();
        (!text.is_empty()).then(|| text.into())
    }
}
