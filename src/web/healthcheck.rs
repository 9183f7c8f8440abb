//! The client of our own `/-/healthy` and `/-/ready`, for containers without another HTTP client.
//!
//! It reads the same flags as the daemon and judges nothing but the daemon's answer. It tries TLS without verifying the
//! certificate, then plain HTTP. Files on disk may be newer than the daemon's, or broken: they supply the certificate that it
//! shows where the daemon asks for one, and nothing else.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::spawn_blocking,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    BindError,
    config::own_files,
    listen::{Place, resolve},
    protection::contents,
    tls::Identity,
};

/// How long the whole check may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The time to read the certificate files. A mount that does not answer must not use up the whole check.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// What every good answer begins with.
const GOOD: &[u8] = b"HTTP/1.1 200 ";

/// What the daemon is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether the process serves: `/-/healthy`.
    Healthy,
    /// Whether every target's first poll has finished: `/-/ready`.
    Ready,
}

impl Question {
    fn path(self) -> &'static str {
        match self {
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
        }
    }
}

/// Why the daemon is not known to be healthy, or ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// There is no address to ask.
    #[error("no listen address: give the daemon's with --web.listen-address")]
    NoAddress,
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] BindError),
    /// There is no connection to be had, or it broke.
    #[error("{address}: {cause}: see that the daemon runs, and that its flags are those given here")]
    Unreachable {
        /// Whom we asked.
        address: SocketAddr,
        /// What went wrong.
        cause: io::Error,
    },
    /// It speaks TLS and does not let us in.
    #[error(
        "{address}: the daemon refuses the TLS connection: {cause}: where client certificates are required this command \
         shows the server's own; {shown}"
    )]
    Refused {
        /// Whom we asked.
        address: SocketAddr,
        /// What went wrong.
        cause: io::Error,
        /// Which certificate we showed, or why we had none.
        shown: String,
    },
    /// It took too long.
    #[error("{0}: no answer within 3 seconds: see the daemon's log, and restart it if it hangs")]
    Silent(SocketAddr),
    /// It answered, and not with 200.
    #[error(
        "{address}: the answer to {path} is not 200: see the daemon's log, and check that the daemon listens there"
    )]
    Not {
        /// Whom we asked.
        address: SocketAddr,
        /// What we asked for.
        path: &'static str,
    },
}

/// Asks the daemon that listens on the first of `listen_addresses` a question. `web_config` is its web configuration file,
/// whose certificate is shown where the daemon asks for one. Answers within 3 seconds; no proxy is used.
pub async fn healthcheck(
    question: Question,
    listen_addresses: &[String],
    web_config: Option<&Path>,
) -> Result<(), HealthcheckError> {
    let address = listen_addresses.first().ok_or(HealthcheckError::NoAddress)?;
    let mut places = reachable(resolve(address).await?);
    let deadline = Instant::now() + TIMEOUT;
    let client = Client::new(question, web_config.map(Path::to_owned)).await;
    let last = places.pop().expect("every address can be reached somewhere");
    for place in places {
        if client.ask_until(deadline, place).await.is_ok() {
            return Ok(());
        }
    }
    client.ask_until(deadline, last).await
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

/// Asks one question, in every way that the daemon may understand.
struct Client {
    question: Question,
    /// With the server's own certificate, where there is one, and without.
    tls: Vec<TlsConnector>,
    /// Which certificate is shown, or why there is none.
    shown: String,
}

impl Client {
    async fn new(question: Question, web_config: Option<PathBuf>) -> Self {
        let own = match web_config {
            None => Err("give the daemon's --web.config.file".to_owned()),
            Some(path) => own_certificate(path).await,
        };
        let (own, shown) = match own {
            Ok((tls, file)) => (
                Some(tls),
                format!("that in {} was shown: see the daemon's log for why it uses another", file.display()),
            ),
            Err(reason) => (None, format!("there is none: {reason}")),
        };
        let anonymous = unverified().with_no_client_auth();
        let tls = own.into_iter().chain([anonymous]).map(|tls| TlsConnector::from(Arc::new(tls))).collect();
        Self { question, tls, shown }
    }

    async fn ask_until(&self, deadline: Instant, address: SocketAddr) -> Result<(), HealthcheckError> {
        let asked = timeout_at(deadline, self.ask(address)).await;
        if asked.map_err(|_| HealthcheckError::Silent(address))?? {
            return Ok(());
        }
        Err(HealthcheckError::Not { address, path: self.question.path() })
    }

    /// Whether the answer is good. Plain HTTP is for a daemon that speaks no TLS.
    async fn ask(&self, address: SocketAddr) -> Result<bool, HealthcheckError> {
        let mut refusal = None;
        for tls in &self.tls {
            match self.ask_over_tls(address, tls).await {
                None => {}
                Some(Ok(is_good)) => return Ok(is_good),
                Some(Err(cause)) => _ = refusal.get_or_insert(cause),
            }
        }
        if let Some(cause) = refusal {
            return Err(HealthcheckError::Refused { address, cause, shown: self.shown.clone() });
        }
        let asked = async { self.converse(TcpStream::connect(address).await?).await };
        asked.await.map_err(|cause| HealthcheckError::Unreachable { address, cause })
    }

    /// The same over TLS; none where no sign of TLS comes back.
    async fn ask_over_tls(&self, address: SocketAddr, tls: &TlsConnector) -> Option<io::Result<bool>> {
        let stream = TcpStream::connect(address).await.ok()?;
        match tls.connect(address.ip().into(), stream).await {
            // The daemon may refuse a client's certificate only after the client's part of the handshake.
            Ok(stream) => Some(self.converse(stream).await),
            Err(error) if is_alert(&error) => Some(Err(error)),
            Err(_) => None,
        }
    }

    async fn converse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
        let path = self.question.path();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut beginning = [0; GOOD.len()];
        stream.read_exact(&mut beginning).await?;
        Ok(beginning == GOOD)
    }
}

fn is_alert(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(Error::AlertReceived(_)))
}

/// TLS with the server's own certificate, and the file that it is in; or why there is none.
async fn own_certificate(web_config: PathBuf) -> Result<(ClientConfig, PathBuf), String> {
    let name = web_config.display().to_string();
    let reading = spawn_blocking(move || read_own_certificate(&web_config));
    match timeout(READ_TIMEOUT, reading).await {
        Ok(read) => read.expect("reading files does not panic"),
        Err(_) => Err(format!("{name}, or a file that it names, cannot be read within {READ_TIMEOUT:?}")),
    }
}

fn read_own_certificate(web_config: &Path) -> Result<(ClientConfig, PathBuf), String> {
    let text = contents(web_config).map_err(|error| error.to_string())?;
    let files = own_files(web_config, &String::from_utf8_lossy(&text));
    let (cert_file, key_file) =
        files.ok_or_else(|| format!("{} does not name both cert_file and key_file", web_config.display()))?;
    let read = |file| contents(file).map_err(|error| error.to_string());
    let (cert, key) = (read(&cert_file)?, read(&key_file)?);
    let Identity { chain, key } =
        Identity::new((&cert_file, &cert), (&key_file, &key)).map_err(|error| error.to_string())?;
    let tls = unverified().with_client_auth_cert(chain, key);
    let tls = tls.map_err(|error| format!("{} and {}: {error}", cert_file.display(), key_file.display()))?;
    Ok((tls, cert_file))
}

/// TLS with a server of any certificate.
fn unverified() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = ring::default_provider();
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("the default versions go with the default cipher suites")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified(schemes)))
}

/// Takes any certificate, with any signature: there is nothing to hide, and nothing to trust in the answer but its status.
#[derive(Debug)]
struct Unverified(Vec<SignatureScheme>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
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
