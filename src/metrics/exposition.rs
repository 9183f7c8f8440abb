//! The text of a scrape, ready to be sent.

use bytes::Bytes;

use super::{
    compress::{self, Compressor, Part},
    plain::Plain,
};

/// The text of a scrape, compressed.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    /// One gzip member in consecutive pieces; empty before the first rendering.
    pub gzip: Vec<Bytes>,
    /// How many bytes the text has.
    plain_length: usize,
}

impl Exposition {
    /// The exposition of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self::joined(&[&Compressor::new().part(text)])
    }

    /// The exposition of several parts that follow each other.
    pub(super) fn joined(parts: &[&Part]) -> Self {
        Self { gzip: compress::member(parts), plain_length: parts.iter().map(|part| part.length()).sum() }
    }

    /// The text, unpacked while it is read.
    #[must_use]
    pub fn plain(&self) -> Plain {
        Plain::new(self.gzip.iter().skip(1).cloned().collect(), self.plain_length)
    }
}
