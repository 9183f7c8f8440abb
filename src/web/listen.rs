//! Opens the listening sockets before the server starts, so that a port in use is reported early.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

/// The maximum number of connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;

/// The reason why the server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It is not `host:port`.
    #[error("listen address `{address}` is not host:port: write one such as `:14500` or `127.0.0.1:14500`")]
    Malformed {
        /// The given address.
        address: String,
    },
    /// Its host name has no address.
    #[error(
        "listen address `{address}`: `{host}` cannot be resolved ({cause}): give an IP address of this machine"
    )]
    Unresolved {
        /// The given address.
        address: String,
        /// Its host name.
        host: String,
        /// The resolver's message.
        cause: String,
    },
    /// systemd passed no socket.
    #[error(
        "--web.systemd-socket: systemd passed no socket: start the .socket unit of this service, or remove the flag"
    )]
    NoSystemdSocket,
    /// systemd passed something else than a listening TCP socket.
    #[error(
        "--web.systemd-socket: socket {index} is not a listening TCP socket ({cause}): use ListenStream=PORT and Accept=no in the .socket unit"
    )]
    SystemdSocket {
        /// The number of the socket, from 0.
        index: usize,
        /// The system's message.
        cause: String,
    },
    /// The system refuses to listen there.
    #[error("cannot listen on `{address}`: {cause}: {remedy}")]
    Refused {
        /// The given address.
        address: String,
        /// The system's message.
        cause: String,
        /// The remedy.
        remedy: &'static str,
    },
}

/// Listens on each of `addresses`, all of them or none.
///
/// An address without a host means all interfaces, with IPv6 and IPv4. For port 0 the system chooses a port. The addresses
/// are logged.
pub async fn bind(addresses: &[String]) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = match resolve(address).await? {
            ListenAddress::AllInterfaces(port) => listen_everywhere(port),
            ListenAddress::At(place) => listen(place),
        };
        let listener = listener.map_err(|error| refused(address, &error))?;
        let bound = listener.local_addr().map_err(|error| refused(address, &error))?;
        tracing::info!(address = %bound, "listening");
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The listening sockets that systemd passed to this process: `sd_listen_fds(3)`. Their addresses are logged.
pub fn systemd_sockets() -> Result<Vec<TcpListener>, BindError> {
    let mut passed = ListenFd::from_env();
    if passed.len() == 0 {
        return Err(BindError::NoSystemdSocket);
    }
    let unusable = |index, error: io::Error| BindError::SystemdSocket { index, cause: error.to_string() };
    (0..passed.len())
        .map(|index| take_socket(&mut passed, index).map_err(|error| unusable(index, error)))
        .collect()
}

fn take_socket(passed: &mut ListenFd, index: usize) -> io::Result<TcpListener> {
    let listener = passed.take_tcp_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
    if !SockRef::from(&listener).is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    listener.set_nonblocking(true)?;
    tracing::info!(address = %listener.local_addr()?, source = "systemd", "listening");
    TcpListener::from_std(listener)
}

/// The meaning of a listen address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListenAddress {
    /// All interfaces, at this port.
    AllInterfaces(u16),
    /// This address.
    At(SocketAddr),
}

/// Parses a listen address, `host:port`. A name is resolved; IPv4 is preferred.
pub(super) async fn resolve(address: &str) -> Result<ListenAddress, BindError> {
    let malformed = || BindError::Malformed { address: address.to_owned() };
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    if host.is_empty() {
        return Ok(ListenAddress::AllInterfaces(port));
    }
    if let Ok(place) = address.parse() {
        return Ok(ListenAddress::At(place));
    }
    if host.contains([':', '[', ']', '/']) {
        return Err(malformed());
    }
    let unresolved = |cause: &str| BindError::Unresolved {
        address: address.to_owned(),
        host: host.to_owned(),
        cause: cause.to_owned(),
    };
    let found: Vec<_> =
        lookup_host((host, port)).await.map_err(|error| unresolved(&error.to_string()))?.collect();
    let place = found.iter().find(|place| place.is_ipv4()).or(found.first());
    place.map(|place| ListenAddress::At(*place)).ok_or_else(|| unresolved("no address"))
}

/// Listens on `[::]` for both families, or on `0.0.0.0` if the machine has no IPv6.
fn listen_everywhere(port: u16) -> io::Result<TcpListener> {
    listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).or_else(|error| match error.kind() {
        // The port is the problem, not the address family.
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
        _ => listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
    })
}

fn listen(place: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(place), Type::STREAM, Some(Protocol::TCP))?;
    if place.is_ipv6() && place.ip().is_unspecified() {
        // The system default differs between machines.
        socket.set_only_v6(false)?;
    }
    // A restart must not wait until connections of the previous process time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&place.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn refused(address: &str, error: &io::Error) -> BindError {
    let (cause, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            "the port is already in use".to_owned(),
            "stop what listens there, or choose another port with --web.listen-address",
        ),
        io::ErrorKind::PermissionDenied => (
            "permission denied".to_owned(),
            "choose a port above 1023 with --web.listen-address, or grant CAP_NET_BIND_SERVICE",
        ),
        io::ErrorKind::AddrNotAvailable => (
            "this machine has no such address".to_owned(),
            "choose one of its own with --web.listen-address, or `:port` for all interfaces",
        ),
        _ => (error.to_string(), "choose another address with --web.listen-address"),
    };
    BindError::Refused { address: address.to_owned(), cause, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind_one(address: &str) -> Result<TcpListener, BindError> {
        bind(&[address.to_owned()]).await.map(|mut listeners| listeners.remove(0))
    }

    #[tokio::test]
    async fn address_without_host_serves_both_families() {
        let listener = bind_one(":0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            tokio::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn port_in_use_is_reported_with_its_remedy() {
        let first = bind_one("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind_one(&address).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "cannot listen on `{address}`: the port is already in use: \
                 stop what listens there, or choose another port with --web.listen-address"
            )
        );
    }

    #[tokio::test]
    async fn port_in_use_on_one_family_is_reported() {
        let first = bind_one(":0").await.unwrap();
        let address = format!(":{}", first.local_addr().unwrap().port());
        assert!(bind_one(&address).await.unwrap_err().to_string().contains("already in use"));
    }

    #[tokio::test]
    async fn foreign_address_is_reported_with_its_remedy() {
        let error = bind_one("192.0.2.1:0").await.unwrap_err().to_string();
        assert!(
            error.starts_with("cannot listen on `192.0.2.1:0`: this machine has no such address"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn malformed_address_is_refused() {
        for address in
            ["", "14500", "127.0.0.1", "127.0.0.1:", ":http", ":65536", "::1:80", "[::1:80", "http://a:1"]
        {
            let error = bind_one(address).await.unwrap_err();
            assert!(matches!(error, BindError::Malformed { .. }), "{address}: {error}");
        }
    }

    #[tokio::test]
    async fn names_and_literals_resolve() {
        let loopback = ListenAddress::At("127.0.0.1:80".parse().unwrap());
        assert_eq!(resolve("localhost:80").await.unwrap(), loopback);
        assert_eq!(resolve("127.0.0.1:80").await.unwrap(), loopback);
        assert_eq!(resolve("[::1]:80").await.unwrap(), ListenAddress::At("[::1]:80".parse().unwrap()));
        assert_eq!(resolve(":80").await.unwrap(), ListenAddress::AllInterfaces(80));
    }
}
