//! Connections to the API: TLS, the proxy, and pools of connections that can be dropped.
//!
//! A proxy or balancer can keep a connection open and silent. So a request that times out, or whose caller stops waiting,
//! drops all pooled connections, and the next request opens a new one.

use std::{
    error::Error,
    fmt,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::domain::{ca_file::CaFile, proxy::Proxy};

const CLIENT_NAME: &str = concat!("tencentcloud-vpn-exporter/", env!("CARGO_PKG_VERSION"));

/// The settings of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// The time limit for one request, its response's body included.
    pub request_timeout: Duration,
    /// Certificate authorities to trust in addition to the system's.
    pub ca_file: Option<CaFile>,
    /// The proxy for all hosts except loopback addresses and the hosts in `NO_PROXY`.
    pub proxy: Option<Proxy>,
}

/// The reason why the HTTP client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `api.ca_file` cannot be used.
    #[error("api.ca_file: {}: {problem}; give a PEM file whose certificates are all valid", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The certificate and its problem.
        problem: String,
    },
    /// There are no certificate authorities.
    #[error("cannot set up TLS: {0}; install the system's certificate authorities (package ca-certificates)")]
    Tls(String),
    /// The HTTP client refuses its settings.
    #[error("cannot set up the HTTP client: {0}; check the proxy variables")]
    Settings(String),
}

/// The system's certificate authorities.
#[derive(Debug, Clone)]
pub struct Authorities(RootCertStore);

impl Authorities {
    /// Reads the system's certificate authorities. This blocks while their mount does not respond. Files that cannot be read
    /// are logged.
    #[must_use]
    pub fn of_system() -> Self {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "some certificate authorities of the system cannot be read; continuing without them");
        }
        roots.add_parsable_certificates(system.certs);
        Self(roots)
    }
}

/// The address of a request, and the proxy on the way to it. `Display` shows both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The address.
    pub url: Url,
    /// The proxy; `None` if the request is sent directly to the address.
    pub proxy: Option<Proxy>,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proxy {
            None => write!(f, "{}", self.url),
            Some(proxy) => write!(f, "{} through the proxy {proxy}", self.url),
        }
    }
}

/// The connections of all accounts and regions.
pub(super) struct Transport {
    settings: ConnectionSettings,
    /// Decides which hosts are called through the proxy.
    matcher: Option<Matcher>,
    state: Mutex<TransportState>,
}

struct TransportState {
    connect_timeout: Duration,
    tls: ClientConfig,
    pools: Pools,
    /// Increases whenever the pools are replaced.
    generation: u64,
}

#[derive(Clone)]
struct Pools {
    direct: reqwest::Client,
    proxied: Option<reqwest::Client>,
}

/// The pool that one request uses. On drop, all pooled connections are closed, unless [`Self::keep_pools`] was called.
pub(super) struct PoolGuard {
    pub(super) http: reqwest::Client,
    transport: Arc<Transport>,
    generation: u64,
    keeps_pools: bool,
}

impl Transport {
    /// Creates pools of connections without opening one. `connect_timeout` is the time limit for one connection, TLS included.
    /// It is divided among the addresses of a host name, so it must be well below the time that a caller waits.
    pub(super) fn new(
        settings: ConnectionSettings,
        connect_timeout: Duration,
        authorities: Authorities,
    ) -> Result<Self, ClientError> {
        // The matcher only applies NO_PROXY, so a dummy proxy address is enough.
        let matcher =
            |proxy: &Proxy| Matcher::builder().all("http://proxy").no(proxy.no_proxy().to_owned()).build();
        let matcher = settings.proxy.as_ref().map(matcher);
        let tls = tls(authorities, settings.ca_file.as_ref())?;
        let pools = Pools::new(&settings, connect_timeout, &tls)?;
        let state = Mutex::new(TransportState { connect_timeout, tls, pools, generation: 0 });
        Ok(Self { settings, matcher, state })
    }

    /// Changes the certificate authorities and the time-out, and drops all pooled connections.
    pub(super) fn replace_connections(
        &self,
        authorities: Authorities,
        connect_timeout: Duration,
    ) -> Result<(), ClientError> {
        let tls = tls(authorities, self.settings.ca_file.as_ref())?;
        let pools = Pools::new(&self.settings, connect_timeout, &tls)?;
        let mut state = self.state();
        *state = TransportState { connect_timeout, tls, pools, generation: state.generation + 1 };
        Ok(())
    }

    /// The time limit for one connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.state().connect_timeout
    }

    /// A connection for one request to this URL. A `direct` request never uses the proxy.
    pub(super) fn guard(self: &Arc<Self>, url: &Url, direct: bool) -> PoolGuard {
        let is_proxied = !direct && self.proxy(url).is_some();
        let state = self.state();
        let proxied = state.pools.proxied.as_ref().filter(|_| is_proxied);
        let http = proxied.unwrap_or(&state.pools.direct).clone();
        PoolGuard { http, transport: Arc::clone(self), generation: state.generation, keeps_pools: false }
    }

    /// The proxy on the way to this URL. Loopback addresses are called without it.
    pub(super) fn proxy(&self, url: &Url) -> Option<&Proxy> {
        let matcher = self.matcher.as_ref().filter(|_| !is_loopback(url))?;
        let uri = url.as_str().parse().ok()?;
        matcher.intercept(&uri).and(self.settings.proxy.as_ref())
    }

    /// Replaces the pools, unless they were already replaced after this generation.
    fn drop_pools(&self, generation: u64) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        // The current pools were created with the same settings, so this succeeds.
        if let Ok(pools) = Pools::new(&self.settings, state.connect_timeout, &state.tls) {
            (state.pools, state.generation) = (pools, generation + 1);
        }
    }

    fn state(&self) -> MutexGuard<'_, TransportState> {
        // A poisoned lock is safe to use: each change is a single assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl PoolGuard {
    /// Keeps the pooled connections: the request has succeeded, or failed without a time-out.
    pub(super) fn keep_pools(mut self) {
        self.keeps_pools = true;
    }
}

impl Drop for PoolGuard {
    fn drop(&mut self) {
        if !self.keeps_pools {
            self.transport.drop_pools(self.generation);
        }
    }
}

impl Pools {
    fn new(
        settings: &ConnectionSettings,
        connect_timeout: Duration,
        tls: &ClientConfig,
    ) -> Result<Self, ClientError> {
        let proxy = settings.proxy.as_ref().map(|proxy| reqwest::Proxy::all(proxy.url().expose()));
        let proxy = proxy.transpose().map_err(|error| unusable(&error))?;
        let build = |builder: reqwest::ClientBuilder| builder.build().map_err(|error| unusable(&error));
        Ok(Self {
            direct: build(builder(connect_timeout, tls))?,
            proxied: proxy.map(|proxy| build(builder(connect_timeout, tls).proxy(proxy))).transpose()?,
        })
    }
}

fn builder(connect_timeout: Duration, tls: &ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(CLIENT_NAME)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(16)
        .connect_timeout(connect_timeout)
        .tls_backend_preconfigured(tls.clone())
        // This turns off reqwest's own reading of the environment.
        .no_proxy()
}

/// Whether the address is on this host.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// TLS settings that trust the system's certificate authorities and those of the file.
fn tls(authorities: Authorities, ca_file: Option<&CaFile>) -> Result<ClientConfig, ClientError> {
    let Authorities(mut roots) = authorities;
    if let Some(ca_file) = ca_file {
        add_certificates(&mut roots, ca_file)?;
    }
    if roots.is_empty() {
        return Err(ClientError::Tls("there is no certificate authority".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Tls(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Adds all certificates of a PEM file, or returns an error for the first invalid one.
fn add_certificates(roots: &mut RootCertStore, CaFile { path, pem }: &CaFile) -> Result<(), ClientError> {
    let failed = |problem: String| ClientError::CaFile { path: path.clone(), problem };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        count += 1;
        let added = certificate.map_err(|error| error.to_string());
        let added = added.and_then(|der| roots.add(der).map_err(|error| error.to_string()));
        added.map_err(|error| failed(format!("certificate {count} cannot be used ({error})")))?;
    }
    if count == 0 { Err(failed("no certificate in it".to_owned())) } else { Ok(()) }
}

fn unusable(error: &reqwest::Error) -> ClientError {
    ClientError::Settings(root_cause(error))
}

/// The innermost cause, which is the most specific one.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    use reqwest::dns::{Addrs, Name, Resolve, Resolving};
    use socket2::{Domain, Socket, Type};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Resolves every name to these addresses, in this order.
    struct Addresses(Vec<SocketAddr>);

    impl Resolve for Addresses {
        fn resolve(&self, _name: Name) -> Resolving {
            let addresses: Addrs = Box::new(self.0.clone().into_iter());
            Box::pin(std::future::ready(Ok(addresses)))
        }
    }

    /// A listener with a full queue, to which the system accepts no further connection: packets are dropped.
    fn dropping(address: SocketAddr) -> (Socket, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener.bind(&address.into()).expect("a free address");
        listener.listen(0).expect("a listener");
        let waiting = || {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            client.set_nonblocking(true).expect("a socket");
            let _ = client.connect(&address.into());
            client
        };
        let clients = std::iter::repeat_with(waiting).take(4).collect();
        let refused = TcpStream::connect_timeout(&address, Duration::from_millis(200));
        assert!(refused.is_err(), "the queue is not full");
        (listener, clients)
    }

    #[tokio::test]
    async fn second_address_is_tried_after_dropped_packets() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let good = listener.local_addr().expect("an address");
        let bad = SocketAddr::from(([127, 0, 0, 2], good.port()));
        let _full = dropping(bad);
        listener.set_nonblocking(true).expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.read_u8().await.expect("a request");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("a response");
            stream
        });

        let _ = ring::default_provider().install_default();
        let tls = tls(Authorities::of_system(), None).expect("the system's authorities");
        let http =
            builder(Duration::from_secs(4), &tls).dns_resolver(Arc::new(Addresses(vec![bad, good]))).build();
        let request = http.expect("a client").get(format!("http://api.example:{}/", good.port())).send();
        let response =
            tokio::time::timeout(Duration::from_secs(30), request).await.expect("a response in time");
        assert_eq!(response.expect("a response").status(), 204);
        server.await.expect("the server");
    }

    #[test]
    fn loopback_and_no_proxy_hosts_bypass_proxy() {
        let variables = [("HTTPS_PROXY", "http://proxy.example:3128"), ("NO_PROXY", "direct.example")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let proxy = Proxy::from_variables(&variables).expect("a proxy");
        let timeout = Duration::from_secs(10);
        let settings = ConnectionSettings { request_timeout: timeout, ca_file: None, proxy };
        let transport = Transport::new(settings, timeout, Authorities::of_system());
        let transport = transport.expect("the system's authorities");
        for (url, is_proxied) in [
            ("https://vpc.intl.tencentcloudapi.com", true),
            ("https://vpc.direct.example", false),
            ("https://127.0.0.1:8443", false),
            ("https://localhost", false),
            ("https://[::1]", false),
        ] {
            assert_eq!(transport.proxy(&Url::parse(url).expect("a URL")).is_some(), is_proxied, "{url}");
        }
    }
}
