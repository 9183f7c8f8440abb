//! The life of one connection: what it speaks, until when it may, and its end.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    select,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Limits, activity::Activity, connections::Seat, routes::Routes, socket::Socket};

/// How long answers in flight may take once the server stops.
const GRACE: Duration = Duration::from_millis(1500);

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The most header lines of a request.
const MAX_HEADERS: usize = 64;

/// The most that is buffered of a connection, in bytes; bodies are not copied into it.
const MAX_BUFFER: usize = 64 * 1024;

/// Serves one connection until its end, which comes by itself, by `limits` or by `stopping`.
pub(super) async fn serve(
    stream: TcpStream,
    seat: Seat,
    routes: Arc<Routes>,
    limits: Limits,
    stopping: CancellationToken,
) {
    let activity = &seat.activity;
    let socket = Socket::new(stream, activity.clone(), limits);
    let watch = Watch { activity, limits, stopping };
    select! {
        () = activity.until_cut() => tracing::debug!("connection cut to make room"),
        () = serve_http1(socket, &routes, &watch) => {}
    }
}

async fn serve_http1(socket: Socket, routes: &Arc<Routes>, watch: &Watch<'_>) {
    let service = service_fn(async |request| {
        Ok::<_, std::convert::Infallible>(routes.answer(watch.activity, request).await)
    });
    let connection = http1::Builder::new()
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER)
        // The watch measures all times, idle ones apart from those of heads.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service);
    watch.over(connection, http1::Connection::graceful_shutdown).await;
}

/// Watches over a connection: cuts it when it is overdue, and ends it when the server stops.
struct Watch<'a> {
    activity: &'a Arc<Activity>,
    limits: Limits,
    stopping: CancellationToken,
}

impl Watch<'_> {
    /// Drives `connection` to its end; `stop` is how it is told to take no more requests.
    async fn over<C>(&self, connection: C, stop: fn(Pin<&mut C>))
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        let mut stopped = pin!(self.stopping.cancelled());
        let mut grace = None;
        let mut overdue = pin!(sleep_until(Instant::now()));
        poll_fn(|cx| {
            if grace.is_none() && stopped.as_mut().poll(cx).is_ready() {
                grace = Some(Instant::now() + GRACE);
                stop(connection.as_mut());
            }
            if let Poll::Ready(end) = connection.as_mut().poll(cx) {
                if let Err(error) = end {
                    tracing::debug!(%error, "connection failed");
                }
                return Poll::Ready(());
            }
            if grace.is_some() && !self.activity.is_answering() {
                return Poll::Ready(());
            }
            // Only now, for what the connection did may have brought the deadline nearer.
            let due = self.activity.deadline(&self.limits);
            let due = grace.map_or(due, |grace| due.min(grace));
            if due != overdue.deadline() {
                overdue.as_mut().reset(due);
            }
            overdue.as_mut().poll(cx)
        })
        .await;
    }
}
