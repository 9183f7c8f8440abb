//! The life of one connection: what it speaks, until when it may, and its end.

use std::{
    convert::Infallible,
    error::Error,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    select,
    time::{Instant, sleep_until},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    Limits, Protection,
    activity::Activity,
    body::Body,
    connections::Seat,
    routes::Routes,
    socket::Socket,
    streams::{Begun, WithStreams},
    tls::Visitor,
};

/// The longest head of a request, in bytes.
const MAX_HEAD: u32 = 16 * 1024;

/// The most header lines of a request, in HTTP/1.
const MAX_HEADERS: usize = 64;

/// The most that is buffered of a connection or stream, in bytes; bodies are not copied into it.
const MAX_BUFFER: usize = 64 * 1024;

/// The most that is taken in of requests' bodies, which nobody reads: the least that HTTP/2 has a word for.
const BODY_WINDOW: u32 = 65_535;

/// The most requests at once on one connection, in HTTP/2.
const MAX_STREAMS: u32 = 16;

/// The most streams that a client may begin only to have them reset, before it is sent away.
const MAX_RESETS: usize = 32;

/// The least time between two warnings about refused TLS handshakes.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The first byte of every TLS connection: the record type of a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// The answer to a client that speaks plain HTTP where TLS is spoken.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 33\r\nconnection: close\r\n\r\nTLS is spoken here: ask https://\n";

/// What connections need, all of them the same.
pub(super) struct Host {
    /// Answers requests.
    pub(super) routes: Routes,
    /// What clients may use up.
    pub(super) limits: Limits,
    /// What clients must be, if anything.
    pub(super) protection: Option<Arc<Protection>>,
    /// Warns of TLS handshakes that the server refuses.
    pub(super) refusals: Refusals,
    /// Ends all connections.
    pub(super) stopping: CancellationToken,
}

/// Warns of TLS handshakes that the server refuses, at most once a minute for all clients together.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last_warned: Mutex<Option<Instant>>,
}

impl Refusals {
    /// Warns if `error` is a refusal: not where the client disconnects, nor where it is the client that refuses.
    fn warn(&self, client: SocketAddr, error: &io::Error) {
        let reason = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let Some(reason) = reason.filter(|reason| !matches!(reason, rustls::Error::AlertReceived(_))) else {
            return;
        };
        if self.is_due() {
            let client = SocketAddr::new(client.ip().to_canonical(), client.port());
            tracing::warn!(%client, %reason, "TLS handshake refused; more refusals within a minute are not logged");
        }
    }

    fn is_due(&self) -> bool {
        let mut last_warned = self.last_warned.lock().expect("nothing panics while it holds this lock");
        let is_due = last_warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL);
        if is_due {
            *last_warned = Some(Instant::now());
        }
        is_due
    }
}

/// How a connection ended.
type End = Result<(), Box<dyn Error + Send + Sync>>;

/// Serves one connection until its end, which comes by itself, by the limits or by the server's stop.
pub(super) async fn serve(host: Arc<Host>, stream: TcpStream, client: SocketAddr, seat: Seat) {
    let connection = Connection { host, client, activity: seat.activity.clone() };
    select! {
        () = seat.activity.until_cut() => tracing::debug!("connection cut to make room"),
        end = connection.serve(stream) => if let Err(error) = end {
            tracing::debug!(error, "connection failed");
        }
    }
}

struct Connection {
    host: Arc<Host>,
    client: SocketAddr,
    activity: Arc<Activity>,
}

impl Connection {
    async fn serve(&self, stream: TcpStream) -> End {
        let socket = Socket::new(stream, self.activity.clone(), self.host.limits);
        let Some(protection) = self.host.protection.as_ref().filter(|protection| protection.has_tls()) else {
            return self.serve_http1(socket, Visitor::Guest).await;
        };
        let handshake = pin!(handshake(socket, protection));
        let shaken = self.within_limits(handshake, |_| {}).await.transpose();
        let shaken = shaken.inspect_err(|error| self.host.refusals.warn(self.client, error));
        let Some((stream, visitor)) = shaken?.flatten() else {
            return Ok(());
        };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.serve_http2(stream, visitor).await,
            _ => self.serve_http1(stream, visitor).await,
        }
    }

    async fn serve_http1(&self, stream: impl AsyncRead + AsyncWrite + Unpin, visitor: Visitor) -> End {
        let connection = http1::Builder::new()
            .max_header_size(MAX_HEAD as usize)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER)
            // Who asks by `nc` may have nothing more to say, and still wait for the answer.
            .half_close(true)
            // Our own limits tell an idle connection from one that drips a head.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), self.service(visitor));
        let end = self.within_limits(pin!(connection), http1::Connection::graceful_shutdown).await;
        Ok(end.transpose().map(|_| ())?)
    }

    async fn serve_http2(&self, stream: TlsStream<Socket>, visitor: Visitor) -> End {
        self.activity.speaks_http2();
        let begun = Begun::default();
        let connection = http2::Builder::new(begun.clone())
            .max_header_list_size(MAX_HEAD)
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .max_local_error_reset_streams(MAX_RESETS)
            .initial_stream_window_size(BODY_WINDOW)
            .initial_connection_window_size(BODY_WINDOW)
            .max_send_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(stream), self.service(visitor));
        let connection = pin!(WithStreams::new(connection, begun));
        let stop = |connection: Pin<&mut WithStreams<_>>| {
            http2::Connection::graceful_shutdown(connection.get_mut().connection());
        };
        Ok(self.within_limits(connection, stop).await.transpose().map(|_| ())?)
    }

    fn service(
        &self,
        visitor: Visitor,
    ) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + use<> {
        let (host, activity) = (self.host.clone(), self.activity.clone());
        service_fn(move |request| {
            let (host, activity) = (host.clone(), activity.clone());
            async move { Ok(host.routes.answer(&activity, visitor, &request).await) }
        })
    }

    /// Drives `work` to its end, or until it is overdue: then there is no outcome. `stop` is how it learns that the
    /// server stops; what is in flight then has a moment to finish, and what is not has none.
    async fn within_limits<F: Future>(
        &self,
        mut work: Pin<&mut F>,
        stop: impl Fn(Pin<&mut F>),
    ) -> Option<F::Output> {
        let mut stopped = pin!(self.host.stopping.cancelled());
        let mut grace = None;
        let mut overdue = pin!(sleep_until(Instant::now()));
        poll_fn(|cx| {
            if grace.is_none() && stopped.as_mut().poll(cx).is_ready() {
                grace = Some(Instant::now() + self.host.limits.drain_timeout);
                stop(work.as_mut());
            }
            if let Poll::Ready(outcome) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            if grace.is_some() && !self.activity.is_answering() {
                return Poll::Ready(None);
            }
            // Only now, for what the work did may have brought the deadline nearer.
            let due = self.activity.deadline(&self.host.limits);
            let due = grace.map_or(due, |grace| due.min(grace));
            if due != overdue.deadline() {
                overdue.as_mut().reset(due);
            }
            overdue.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// Brings a client to TLS; none if it does not speak it.
async fn handshake(
    mut socket: Socket,
    protection: &Arc<Protection>,
) -> io::Result<Option<(TlsStream<Socket>, Visitor)>> {
    match socket.first_byte().await? {
        Some(TLS_HANDSHAKE) => {}
        Some(_) => {
            socket.write_all(SPEAK_TLS).await?;
            socket.shutdown().await?;
            return Ok(None);
        }
        None => return Ok(None),
    }
    let rules = protection.rules().await;
    let tls = rules.tls.as_ref().expect("TLS is neither turned on nor off while the server runs");
    let stream = TlsAcceptor::from(tls.server.clone()).accept(socket).await?;
    let visitor = tls.visitor(stream.get_ref().1);
    Ok(Some((stream, visitor)))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn warning_is_due_once_a_minute() {
        let refusals = Refusals::default();
        assert!(refusals.is_due());
        advance(WARNING_INTERVAL - Duration::from_secs(1)).await;
        assert!(!refusals.is_due());
        advance(Duration::from_secs(1)).await;
        assert!(refusals.is_due());
        assert!(!refusals.is_due());
    }
}
