//! What a scrape is served: the whole text format, ready both plain and compressed.

use bytes::Bytes;

/// The exposition, rendered off the scrape's path.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    /// The text, in pieces that follow each other.
    pub plain: Vec<Bytes>,
    /// One gzip member with the same text, in pieces that follow each other.
    pub gzip: Vec<Bytes>,
}
