//! Requests `/-/healthy` or `/-/ready` from the daemon that was started with the same flags, for containers without an HTTP
//! client.
//!
//! The result depends only on the daemon's response. Certificates are not verified. Files on disk may be invalid; they are used
//! only if the daemon requests a client certificate.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD, Engine};
use reqwest::{Client, ClientBuilder, Identity, StatusCode, redirect::Policy};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{task::spawn_blocking, time::timeout};
use zeroize::Zeroizing;

use super::{
    listen::{BindError, ListenAddress, resolve},
    protection::contents,
    tls::{certificates, private_key},
    web_config,
};

/// The time limit for the whole check.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The time limit for the certificate files. A mount that does not respond must not use the whole time of the check.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// A placeholder host name for the daemon's addresses.
const HOST: &str = "localhost";

/// The kind of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process serves requests: `/-/healthy`.
    Healthy,
    /// Whether every target's first poll has finished: `/-/ready`.
    Ready,
}

impl Probe {
    fn path(self) -> &'static str {
        match self {
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
        }
    }
}

/// The reason why the check failed.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// No listen address is given.
    #[error("no listen address: give the daemon's with --web.listen-address")]
    NoAddress,
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] BindError),
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
    /// There is no connection, or it broke.
    #[error(
        "{address}: {attempts}: check that the daemon runs with the flags given here; if it requires client \
         certificates, this command sends the server's own: {certificate}"
    )]
    Unreachable {
        /// The daemon's address.
        address: String,
        /// The errors, with and without TLS.
        attempts: String,
        /// The place of the certificate that was sent, or the reason why there was none.
        certificate: String,
    },
    /// It took too long.
    #[error("{0}: no response within 3 seconds: see the daemon's log, and restart it if it hangs")]
    Timeout(String),
    /// The response is not 200.
    #[error(
        "{address}: the response to {path} is {status}, not 200: see the daemon's log, and check that the daemon listens there"
    )]
    Status {
        /// The daemon's address.
        address: String,
        /// The requested path.
        path: &'static str,
        /// The status of the response.
        status: StatusCode,
    },
}

/// Checks the daemon that listens on the first of `listen_addresses`. If the daemon requests a client certificate, the
/// certificate in `web_config` is sent. Takes up to 3 seconds; no proxy is used.
pub async fn healthcheck(
    probe: Probe,
    listen_addresses: &[String],
    web_config: Option<&Path>,
) -> Result<(), HealthcheckError> {
    let address = listen_addresses.first().ok_or(HealthcheckError::NoAddress)?;
    let addresses = reachable(resolve(address).await?);
    let check = check(probe, address, &addresses, web_config);
    timeout(TIMEOUT, check).await.map_err(|_| HealthcheckError::Timeout(address.clone()))?
}

/// The addresses of a daemon that listens on `place`.
fn reachable(place: ListenAddress) -> Vec<SocketAddr> {
    let loopback = |port| vec![(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()];
    match place {
        ListenAddress::AllInterfaces(port) => loopback(port),
        ListenAddress::At(SocketAddr::V6(place)) if place.ip().is_unspecified() => loopback(place.port()),
        ListenAddress::At(SocketAddr::V4(place)) if place.ip().is_unspecified() => {
            vec![(Ipv4Addr::LOCALHOST, place.port()).into()]
        }
        ListenAddress::At(place) => vec![place],
    }
}

/// Tries TLS with the server's own certificate, TLS without a certificate, and plain HTTP.
async fn check(
    probe: Probe,
    address: &str,
    addresses: &[SocketAddr],
    web_config: Option<&Path>,
) -> Result<(), HealthcheckError> {
    let anonymous = client(addresses).build().map_err(|error| HealthcheckError::Client(reason(error)))?;
    let (own, certificate) = match own_client(addresses, web_config).await {
        Ok((client, certificate)) => (Some(client), certificate),
        Err(reason) => (None, format!("there is none: {reason}")),
    };
    let clients = own.iter().map(|client| ("https", client));
    let mut attempts = Vec::new();
    for (scheme, client) in clients.chain([("https", &anonymous), ("http", &anonymous)]) {
        let (port, path) = (addresses[0].port(), probe.path());
        match client.get(format!("{scheme}://{HOST}:{port}{path}")).send().await {
            Ok(response) if response.status() == StatusCode::OK => return Ok(()),
            // This is the response of a TLS port to plain HTTP.
            Ok(response) if scheme == "http" && response.status() == StatusCode::BAD_REQUEST => {}
            Ok(response) => {
                let (address, status) = (address.to_owned(), response.status());
                return Err(HealthcheckError::Status { address, path, status });
            }
            Err(error) => attempts.push(format!("{scheme}: {}", reason(error))),
        }
    }
    attempts.dedup();
    let (address, attempts) = (address.to_owned(), attempts.join("; "));
    Err(HealthcheckError::Unreachable { address, attempts, certificate })
}

/// A client that connects to these addresses and accepts any certificate.
fn client(addresses: &[SocketAddr]) -> ClientBuilder {
    // reqwest uses the crypto provider of the process. An error means that one is already installed.
    let _ = ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .resolve_to_addrs(HOST, addresses)
}

/// A client that sends the server's own certificate, and the certificate's place; or the reason why there is none.
async fn own_client(addresses: &[SocketAddr], web_config: Option<&Path>) -> Result<(Client, String), String> {
    let web_config = web_config.ok_or("give the daemon's --web.config.file")?.to_owned();
    let name = web_config.display().to_string();
    let read = timeout(READ_TIMEOUT, spawn_blocking(move || own_identity(&web_config))).await;
    let read = read.map_err(|_| format!("{name} or its files cannot be read within {READ_TIMEOUT:?}"))?;
    let (identity, certificate) = read.map_err(|error| error.to_string())??;
    let client = client(addresses).identity(identity).build();
    let client = client.map_err(|error| format!("{certificate}: {}", reason(error)))?;
    Ok((client, certificate))
}

/// The certificate and key of the web configuration, and the certificate's place.
fn own_identity(web_config: &Path) -> Result<(Identity, String), String> {
    let read = |file: &Path| contents(file).map_err(|error| error.to_string());
    let text = read(web_config)?;
    let (cert, key) = web_config::own_identity(web_config, &String::from_utf8_lossy(&text))
        .ok_or_else(|| format!("{} has no certificate and key of the server", web_config.display()))?;
    let chain = certificates(&cert, &cert.contents(read)?).map_err(|error| error.to_string())?;
    let private_key = private_key(&key, &key.contents(read)?).map_err(|error| error.to_string())?;
    let identity =
        identity(&chain, &private_key).map_err(|error| format!("{cert}, {key}: {}", reason(error)))?;
    Ok((identity, cert.to_string()))
}

/// reqwest reads an identity only from PEM, and refuses what a file can contain besides, such as a public key.
fn identity(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> reqwest::Result<Identity> {
    let key_label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let certificates = chain.iter().map(|certificate| ("CERTIFICATE", certificate.as_ref()));
    // A string that grows would leave copies of the key in memory.
    let length: usize = certificates.clone().map(|(_, der)| 2 * der.len()).sum();
    let mut pem = Zeroizing::new(String::with_capacity(length + 2 * key.secret_der().len() + 1024));
    for (label, der) in certificates.chain([(key_label, key.secret_der())]) {
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(der));
        pem.extend(["-----BEGIN ", label, "-----\n", &encoded, "\n-----END ", label, "-----\n"]);
    }
    Identity::from_pem(pem.as_bytes())
}

/// The error and its causes, without the URL.
fn reason(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::from(error.without_url()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemon_on_all_interfaces_is_reached_on_loopback() {
        let reached = |place| reachable(place).iter().map(ToString::to_string).collect::<Vec<_>>();
        let at = |place: &str| reached(ListenAddress::At(place.parse().unwrap()));
        assert_eq!(reached(ListenAddress::AllInterfaces(1)), ["[::1]:1", "127.0.0.1:1"]);
        assert_eq!(at("[::]:1"), ["[::1]:1", "127.0.0.1:1"]);
        assert_eq!(at("0.0.0.0:1"), ["127.0.0.1:1"]);
        assert_eq!(at("192.0.2.1:1"), ["192.0.2.1:1"]);
    }
}
