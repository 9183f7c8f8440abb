//! A TCP or TLS relay to the simulated API that counts connections.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::local;

/// Forwards data until it is dropped.
pub struct Relay {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    silence: watch::Sender<()>,
    task: JoinHandle<()>,
}

/// The numbers of connections.
#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    closed: AtomicUsize,
}

impl Relay {
    /// Listens on a free port and speaks plain TCP.
    pub fn start(to: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind(local()).expect("a free port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::<Counts>::default();
        let (tls, silence) = (watch::Sender::new(None), watch::Sender::new(()));
        let task = tokio::spawn(accept_connections(
            listener,
            to,
            Arc::clone(&counts),
            tls.subscribe(),
            silence.clone(),
        ));
        Self { address, counts, tls, silence, task }
    }

    /// Stops forwarding on open connections and keeps them open. New connections work.
    pub fn silence_open_connections(&self) {
        self.silence.send_replace(());
    }

    /// The numbers of connections opened and closed so far.
    pub fn connections(&self) -> (usize, usize) {
        (self.counts.opened.load(Ordering::Relaxed), self.counts.closed.load(Ordering::Relaxed))
    }

    /// Closes all connections, and uses this certificate for new ones.
    pub fn use_certificate(&self, certificate: &Certificate) {
        self.tls.send_replace(Some(Arc::clone(&certificate.server)));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A self-signed certificate for loopback.
pub struct Certificate {
    pub pem: String,
    server: Arc<ServerConfig>,
}

impl Certificate {
    pub fn new() -> Self {
        Self::of(&["127.0.0.1"])
    }

    /// The same for these names.
    pub fn of(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that the provider supports")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("the key of the certificate");
        Self { pem: cert.pem(), server: Arc::new(server) }
    }
}

async fn accept_connections(
    listener: TcpListener,
    to: SocketAddr,
    counts: Arc<Counts>,
    mut tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    silence: watch::Sender<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                counts.opened.fetch_add(1, Ordering::Relaxed);
                let (tls, silence) = (tls.borrow().clone(), silence.subscribe());
                connections.spawn(async move {
                    match tls {
                        None => forward(stream, to, silence).await,
                        Some(tls) => forward(TlsAcceptor::from(tls).accept(stream).await?, to, silence).await,
                    }
                });
            }
            Ok(()) = tls.changed() => connections.abort_all(),
            Some(_) = connections.join_next() => {
                counts.closed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

async fn forward(
    mut from: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    mut silence: watch::Receiver<()>,
) -> std::io::Result<()> {
    let mut to = TcpStream::connect(to).await?;
    tokio::select! {
        result = copy_bidirectional(&mut from, &mut to) => result.map(drop),
        Ok(()) = silence.changed() => pending().await,
    }
}
