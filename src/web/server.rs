//! Accepts connections, serves HTTP/1.1 on them, with or without TLS, and closes all of them before it returns.
//!
//! It owns the tasks and time-outs of connections. `routes` builds the responses.

use std::{convert::Infallible, error::Error, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    limits::Limits, protection::Protection, routes::Routes, scrape_limit::ScrapeLimit, state::WebState,
    tls::Peer, warning_limit::WarningLimit,
};

/// How long accepting pauses when the system cannot accept a connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// The maximum length of a request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The maximum number of header lines of a request.
const MAX_HEADERS: usize = 64;

/// How much hyper buffers for each connection, in bytes; the pieces of a body are not copied into its buffer.
const MAX_BUFFER: usize = 64 * 1024;

/// The first byte of a TLS connection: the record type of a handshake.
const TLS_HANDSHAKE: u8 = 22;

/// The response to plain HTTP on a TLS port.
const TLS_REQUIRED: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 33\r\ncache-control: no-store\r\nconnection: close\r\n\r\nthis port uses TLS: use https://\n";

/// Serves `state` on `listeners` until `shutdown`.
///
/// Then it accepts no more connections and closes idle ones. Responses in progress have `limits.drain_timeout` to finish before
/// their connections are closed.
pub async fn serve(
    listeners: Vec<TcpListener>,
    state: WebState,
    limits: Limits,
    protection: Option<Arc<Protection>>,
    shutdown: CancellationToken,
) {
    let scrape_limit = ScrapeLimit::new(limits.scrapes, limits.slow_after);
    let server = Arc::new(Server {
        routes: Routes::new(state, scrape_limit, protection.clone(), shutdown.clone()),
        connections: Arc::new(Semaphore::new(limits.max_connections().min(Semaphore::MAX_PERMITS))),
        limits,
        protection,
        connections_full: WarningLimit::default(),
        accept_failed: WarningLimit::default(),
        handshake_refused: WarningLimit::default(),
        shutdown,
    });
    let mut acceptors: JoinSet<()> =
        listeners.into_iter().map(|listener| server.clone().accept_loop(listener)).collect();
    while let Some(ended) = acceptors.join_next().await {
        resume_panic(ended);
    }
}

/// The data that all connections share.
struct Server {
    routes: Routes,
    limits: Limits,
    protection: Option<Arc<Protection>>,
    connections: Arc<Semaphore>,
    connections_full: WarningLimit,
    accept_failed: WarningLimit,
    handshake_refused: WarningLimit,
    shutdown: CancellationToken,
}

type ConnectionResult = Result<(), Box<dyn Error + Send + Sync>>;

impl Server {
    /// Accepts on one listener until the shutdown, then drains the connections of this listener.
    async fn accept_loop(self: Arc<Self>, listener: TcpListener) {
        let mut tasks = JoinSet::new();
        let graceful = GracefulShutdown::new();
        loop {
            select! {
                biased;
                () = self.shutdown.cancelled() => break,
                Some(ended) = tasks.join_next() => resume_panic(ended),
                (stream, client, permit) = self.accept(&listener) => {
                    let connection = self.clone().serve_connection(stream, client, graceful.watcher());
                    tasks.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
            }
        }
        drop(listener);
        if timeout(self.limits.drain_timeout, graceful.shutdown()).await.is_err() {
            tracing::debug!(connections = tasks.len(), "closing connections before their responses finished");
        }
        tasks.shutdown().await;
    }

    /// Waits until the limit allows another connection, and accepts it.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        if self.connections.available_permits() == 0 && self.connections_full.is_due() {
            let limit = self.limits.max_connections();
            tracing::warn!(limit, "connection limit reached; new connections wait");
        }
        let permit = self.connections.clone().acquire_owned().await.expect("this semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, client)) => return (stream, client, permit),
                Err(error) => on_accept_error(&error, &self.accept_failed).await,
            }
        }
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream, client: SocketAddr, watcher: Watcher) {
        if let Err(error) = set_options(&stream, &self.limits) {
            tracing::debug!(%error, "cannot set socket options");
        }
        let served = match self.protection.clone().filter(|protection| protection.has_tls()) {
            None => self.serve_http(stream, Peer::Client, watcher).await,
            Some(protection) => self.serve_tls(stream, client, &protection, watcher).await,
        };
        if let Err(error) = served {
            tracing::debug!(%client, error, "connection failed");
        }
    }

    async fn serve_tls(
        self: Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        protection: &Arc<Protection>,
        watcher: Watcher,
    ) -> ConnectionResult {
        let handshake = timeout(self.limits.header_timeout, handshake(stream, protection));
        let Some(handshake_result) = self.shutdown.run_until_cancelled(pin!(handshake)).await else {
            return Ok(());
        };
        let handshake_result = handshake_result?.inspect_err(|error| self.warn_of_refusal(client, error))?;
        let Some((stream, peer)) = handshake_result else { return Ok(()) };
        self.serve_http(stream, peer, watcher).await
    }

    async fn serve_http(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: Peer,
        watcher: Watcher,
    ) -> ConnectionResult {
        let header_timeout = self.limits.header_timeout;
        let service = service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.routes.respond(peer, &request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER)
            // A client such as `nc` may close its half after the request, and still wait for the response.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        Ok(watcher.watch(connection).await?)
    }

    /// Warns if the server refused the handshake, but not if the client disconnected or refused.
    fn warn_of_refusal(&self, client: SocketAddr, error: &io::Error) {
        let reason = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let Some(reason) = reason.filter(|reason| !matches!(reason, rustls::Error::AlertReceived(_))) else {
            return;
        };
        if self.handshake_refused.is_due() {
            let client = SocketAddr::new(client.ip().to_canonical(), client.port());
            tracing::warn!(%client, %reason, "TLS handshake refused; more refusals within a minute are not logged");
        }
    }
}

/// Per-connection errors are ignored. For others, such as too many open files, accepting pauses.
async fn on_accept_error(error: &io::Error, warning: &WarningLimit) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    if warning.is_due() {
        tracing::warn!(%error, "cannot accept connections; if there are too many open files, raise their limit");
    }
    sleep(ACCEPT_BACKOFF).await;
}

/// Sets the write time-out: the kernel closes a connection if the client acknowledges nothing, or has a full receive window,
/// for this time. Only Linux supports this.
fn set_options(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    // Responses are written as a whole, so Nagle's algorithm would only add delay.
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(limits.write_timeout))?;
    Ok(())
}

/// Performs the TLS handshake. `None` if the client does not speak TLS.
async fn handshake(
    mut stream: TcpStream,
    protection: &Arc<Protection>,
) -> io::Result<Option<(TlsStream<TcpStream>, Peer)>> {
    let mut first_byte = [0];
    if stream.peek(&mut first_byte).await? == 0 {
        return Ok(None);
    }
    if first_byte != [TLS_HANDSHAKE] {
        stream.write_all(TLS_REQUIRED).await?;
        stream.shutdown().await?;
        return Ok(None);
    }
    let rules = protection.rules().await;
    let tls = rules.tls.as_ref().expect("a reload turns TLS neither on nor off");
    let stream = TlsAcceptor::from(tls.server.clone()).accept(stream).await?;
    let peer = tls.peer(stream.get_ref().1);
    Ok(Some((stream, peer)))
}

/// Propagates the panic of a task.
fn resume_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accepting_pauses_only_when_files_run_out() {
        let warning = WarningLimit::default();
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(on_accept_error(&aborted, &warning).now_or_never(), Some(()));
        assert!(warning.is_due(), "it is not logged");
        let start = Instant::now();
        let no_files = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        on_accept_error(&no_files, &warning).await;
        assert_eq!(start.elapsed(), ACCEPT_BACKOFF, "by the paused clock");
    }
}
