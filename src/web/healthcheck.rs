//! The client of our own `/-/healthy`, for containers and other places that have no better one at hand.
//!
//! It reads the same flags as the daemon, and trusts the configured certificate alone, whatever its name, date and
//! authority. Where clients must show a certificate it shows that one too.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    BindError, TlsError, WebConfigError,
    config::{Clients, TlsConfig},
    listen::{Place, resolve},
    protection::Material,
    tls::{Identity, Pem},
};

/// How long the whole check may take.
const TIMEOUT: Duration = Duration::from_secs(3);

const REQUEST: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// What every good answer begins with.
const HEALTHY: &[u8] = b"HTTP/1.1 200 ";

/// Why the daemon is not known to be healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// There is no address to ask.
    #[error("no listen address: give the daemon's with --web.listen-address")]
    NoAddress,
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] BindError),
    /// The web configuration cannot be used.
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
    /// There is no connection to be had, or it broke.
    #[error("{address}: {cause}: see that the daemon runs, and that its flags are those given here")]
    Unreachable {
        /// Whom we asked.
        address: SocketAddr,
        /// What went wrong.
        cause: io::Error,
    },
    /// It took too long.
    #[error("{0}: no answer within 3 seconds: see the daemon's log, and restart it if it hangs")]
    Silent(SocketAddr),
    /// It answered, and not that it is healthy.
    #[error("{0}: the answer is not that all is well: see that it is the daemon that listens there")]
    Unhealthy(SocketAddr),
}

impl From<TlsError> for HealthcheckError {
    fn from(error: TlsError) -> Self {
        Self::WebConfig(error.into())
    }
}

/// Asks the daemon that listens on the first of `listen_addresses`, with the web configuration file at `web_config`,
/// whether it is healthy. Answers within 3 seconds; no proxy is used.
pub async fn healthcheck(
    listen_addresses: &[String],
    web_config: Option<&Path>,
) -> Result<(), HealthcheckError> {
    let address = listen_addresses.first().ok_or(HealthcheckError::NoAddress)?;
    let mut places = reachable(resolve(address).await?);
    let tls = web_config.map(client_config).transpose()?.flatten();
    let last = places.pop().expect("every address can be reached somewhere");
    let deadline = Instant::now() + TIMEOUT;
    for place in places {
        if ask_until(deadline, place, tls.clone()).await.is_ok() {
            return Ok(());
        }
    }
    ask_until(deadline, last, tls).await
}

/// Where a daemon can be reached that listens at `place`.
fn reachable(place: Place) -> Vec<SocketAddr> {
    let loopback = |port| vec![(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()];
    match place {
        Place::Everywhere(port) => loopback(port),
        Place::At(SocketAddr::V6(place)) if place.ip().is_unspecified() => loopback(place.port()),
        Place::At(SocketAddr::V4(place)) if place.ip().is_unspecified() => {
            vec![(Ipv4Addr::LOCALHOST, place.port()).into()]
        }
        Place::At(place) => vec![place],
    }
}

async fn ask_until(
    deadline: Instant,
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
) -> Result<(), HealthcheckError> {
    match timeout_at(deadline, ask(address, tls)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(HealthcheckError::Unhealthy(address)),
        Ok(Err(cause)) => Err(HealthcheckError::Unreachable { address, cause }),
        Err(_) => Err(HealthcheckError::Silent(address)),
    }
}

async fn ask(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> io::Result<bool> {
    let stream = TcpStream::connect(address).await?;
    match tls {
        None => converse(stream).await,
        Some(tls) => converse(TlsConnector::from(tls).connect(address.ip().into(), stream).await?).await,
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
    stream.write_all(REQUEST).await?;
    stream.flush().await?;
    let mut beginning = [0; HEALTHY.len()];
    stream.read_exact(&mut beginning).await?;
    Ok(beginning == HEALTHY)
}

/// How to speak TLS to the daemon; none if its web configuration has no TLS.
fn client_config(path: &Path) -> Result<Option<Arc<ClientConfig>>, HealthcheckError> {
    let material = Material::read(path)?;
    match (&material.config.tls, &material.pem) {
        (Some(tls), Some(pem)) => Ok(Some(trusting(tls, pem)?)),
        _ => Ok(None),
    }
}

fn trusting(tls: &TlsConfig, pem: &Pem) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let Identity { chain, key } = Identity::read(tls, pem)?;
    let verifier = Pinned { certificate: chain[0].clone(), provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the default versions go with the default cipher suites")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match tls.clients {
        Clients::Verified { .. } => {
            builder.with_client_auth_cert(chain, key).map_err(|error| tls.mismatch(&error))?
        }
        Clients::Anyone | Clients::VerifiedIfGiven { .. } => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Trusts one certificate, and whoever has its key.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *leaf == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemon_on_all_interfaces_is_reached_on_loopback() {
        let reached = |place| reachable(place).iter().map(ToString::to_string).collect::<Vec<_>>();
        let at = |place: &str| reached(Place::At(place.parse().unwrap()));
        assert_eq!(reached(Place::Everywhere(1)), ["[::1]:1", "127.0.0.1:1"]);
        assert_eq!(at("[::]:1"), ["[::1]:1", "127.0.0.1:1"]);
        assert_eq!(at("0.0.0.0:1"), ["127.0.0.1:1"]);
        assert_eq!(at("192.0.2.1:1"), ["192.0.2.1:1"]);
    }
}
