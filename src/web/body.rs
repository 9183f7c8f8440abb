//! Bodies of known length, in pieces that are written without being copied.
//!
//! An answer is in flight until its last piece has been written: each piece carries that it is.

use std::{
    convert::Infallible,
    io::IoSlice,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};

use super::activity::Answering;

/// The body of an answer.
#[derive(Default)]
pub(super) struct Body {
    /// None where there is nothing to give.
    pieces: Option<Box<dyn Iterator<Item = Bytes> + Send>>,
    remaining: u64,
    answering: Option<Arc<Answering>>,
}

impl Body {
    /// These pieces, one after the other.
    pub(super) fn of(pieces: Vec<Bytes>) -> Self {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self::made(length, pieces.into_iter())
    }

    /// Pieces that are made when their turn comes, so many bytes in all.
    pub(super) fn made(length: u64, pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self { pieces: Some(Box::new(pieces)), remaining: length, answering: None }
    }

    /// How many bytes are still to be given.
    pub(super) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Belongs to this answer, which is in flight until the last piece has been written.
    pub(super) fn belong_to(&mut self, answering: Answering) {
        self.answering = Some(Arc::new(answering));
    }
}

impl hyper::body::Body for Body {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let body = self.get_mut();
        let piece = body.pieces.as_mut().and_then(Iterator::next).map(|bytes| {
            body.remaining -= bytes.len() as u64;
            Ok(Frame::data(Piece { bytes, _answering: body.answering.clone() }))
        });
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// One piece of a body.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    _answering: Option<Arc<Answering>>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
