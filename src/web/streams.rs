//! The streams of one HTTP/2 connection, run within that connection's task: they end with it, and panic in it.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::rt::Executor;

type Stream = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes in the streams that a connection begins.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<Vec<Stream>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Begun {
    fn execute(&self, stream: F) {
        self.0.lock().expect("nothing panics while it holds this lock").push(Box::pin(stream));
    }
}

/// A connection with its streams.
pub(super) struct WithStreams<C> {
    connection: Pin<Box<C>>,
    begun: Begun,
    running: FuturesUnordered<Stream>,
}

impl<C> WithStreams<C> {
    /// Runs what `connection` puts into `begun` along with it.
    pub(super) fn new(connection: C, begun: Begun) -> Self {
        Self { connection: Box::pin(connection), begun, running: FuturesUnordered::new() }
    }

    /// The connection itself.
    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }
}

impl<C: Future> Future for WithStreams<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let all = self.get_mut();
        let end = all.connection.as_mut().poll(cx);
        all.running
            .extend(mem::take(&mut *all.begun.0.lock().expect("nothing panics while it holds this lock")));
        while let Poll::Ready(Some(())) = all.running.poll_next_unpin(cx) {}
        end
    }
}
