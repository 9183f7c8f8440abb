//! The server: takes connections in, and ends them all before it returns.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    select,
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Limits, Protection,
    connection::{self, Host, Refusals},
    connections::Connections,
    places::Places,
    routes::Routes,
    site::Site,
};

/// How long to wait when the system has nothing left to accept a connection with.
const BREATH: Duration = Duration::from_millis(50);

/// The least time between two complaints that connections cannot be accepted.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Serves `site` on `listeners` until `shutdown`.
///
/// From then on no connection is accepted, idle ones are closed at once, and answers in flight get 1.5 seconds to
/// finish; then it returns.
pub async fn serve(
    listeners: Vec<TcpListener>,
    site: Site,
    limits: Limits,
    protection: Option<Arc<Protection>>,
    shutdown: CancellationToken,
) {
    let connections = Arc::new(Connections::default());
    let places = Places::new(&limits, connections.clone());
    let routes = Routes::new(site, places, protection.clone(), shutdown.clone());
    let host =
        Arc::new(Host { routes, limits, protection, refusals: Refusals::default(), stopping: shutdown });
    let door = |listener| Door { listener, connections: connections.clone(), host: host.clone() };
    let mut doors: JoinSet<()> = listeners.into_iter().map(door).map(Door::keep).collect();
    while let Some(kept) = doors.join_next().await {
        go_on_with(kept);
    }
}

/// One listener, with what its connections need.
struct Door {
    listener: TcpListener,
    connections: Arc<Connections>,
    host: Arc<Host>,
}

impl Door {
    /// Accepts until the server stops, then waits for all that came in here.
    async fn keep(self) {
        let mut tasks = JoinSet::new();
        let mut complained = None;
        loop {
            select! {
                biased;
                () = self.host.stopping.cancelled() => break,
                Some(ended) = tasks.join_next() => go_on_with(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, client)) => self.admit(stream, client, &mut tasks),
                    Err(error) => self.bear(&error, &mut complained).await,
                },
            }
        }
        drop(self.listener);
        while let Some(ended) = tasks.join_next().await {
            go_on_with(ended);
        }
    }

    fn admit(&self, stream: TcpStream, client: SocketAddr, tasks: &mut JoinSet<()>) {
        // What is written is whole answers: nothing is gained by holding back their last part.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let seat = self.connections.admit(&self.host.limits);
        tasks.spawn(connection::serve(self.host.clone(), stream, client, seat));
    }

    /// Handles an accept error. Per-connection errors are ignored; when file descriptors run out, accepting pauses.
    async fn bear(&self, error: &io::Error, complained: &mut Option<Instant>) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        if complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
            *complained = Some(Instant::now());
            tracing::warn!(%error, "cannot accept connections: closing idle ones; raise the limit of open files if that is what is short");
        }
        self.connections.cut_quarter();
        select! {
            () = self.host.stopping.cancelled() => {}
            () = sleep(BREATH) => {}
        }
    }
}

/// A panic in a connection's task is one here.
fn go_on_with(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}
