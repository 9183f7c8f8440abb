//! A TCP stream that tells what passes through it, and hangs up politely.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{Limits, activity::Activity};

/// How much is read after the end, so that what a client is still sending does not wipe out our last words.
const MAX_IGNORED: usize = 256 * 1024;

/// A TCP stream whose passage is noted in its connection's activity.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    limits: Limits,
    /// How much was read after the end; none before it.
    ignored: Option<usize>,
}

impl Socket {
    /// Watches `stream`.
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, limits: Limits) -> Self {
        Self { stream, activity, limits, ignored: None }
    }

    /// The first byte that the client sends, left to be read again; none if it hangs up first.
    pub(super) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let read = self.stream.peek(&mut byte).await?;
        Ok((read > 0).then_some(byte[0]))
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Ready(Ok(_)) => self.activity.sent(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.blocked(),
        }
        written
    }
}

impl Drop for Socket {
    /// What a client that was cut off did not take would stay in the kernel, for as long as it pleases the client.
    fn drop(&mut self) {
        if self.activity.is_blocked() {
            // Failing that, the kernel gives up in its own time.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut socket.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            socket.activity.received(&socket.limits);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = Pin::new(&mut socket.stream).poll_write(cx, bytes);
        socket.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = Pin::new(&mut socket.stream).poll_write_vectored(cx, slices);
        socket.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Says that nothing more will come, then waits a moment for the client to hang up.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        if socket.ignored.is_none() {
            ready!(Pin::new(&mut socket.stream).poll_shutdown(cx))?;
            socket.activity.closing();
        }
        let ignored = socket.ignored.get_or_insert(0);
        let mut scratch = [0; 4096];
        while *ignored < MAX_IGNORED {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut socket.stream).poll_read(cx, &mut buffer))?;
            match buffer.filled().len() {
                0 => break,
                read => *ignored += read,
            }
        }
        Poll::Ready(Ok(()))
    }
}
