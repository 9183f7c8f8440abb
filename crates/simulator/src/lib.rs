//! A simulated VPC API for the demo, for tests and for any other client.
//!
//! It speaks real HTTP and follows Tencent's documents of `DescribeVpnConnections` and `DeleteVpnConnection`, with what
//! stands beside them: STS, the list of regions, and the metadata service. It knows nothing of the client in
//! the exporter's `tencent`: it checks signatures with its own code, so a mistake in the client is found.

mod api;
mod behaviour;
mod clock;
mod control;
mod delete;
mod describe;
mod error;
mod faults;
mod http;
mod identity;
mod journal;
mod limit;
mod metadata;
mod names;
mod options;
mod parameters;
mod regions;
mod request;
mod roles;
mod row;
mod sessions;
mod signature;
mod sts;
mod tunnel;
mod world;

use std::{future::Future, io, net::SocketAddr};

use tokio::net::TcpListener;

pub use self::{
    control::{Control, NotFound},
    faults::{Fault, FaultKind, InvalidFault},
    identity::{Account, Credentials},
    journal::Entry,
    options::{InvalidOptions, Options},
    regions::OfferedRegion,
    roles::{Role, WebIdentity},
    sessions::TOKEN_MARK,
    tunnel::PRE_SHARE_KEY_MARK,
    world::GatewayState,
};

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An option makes no sense.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose a free local address")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// A simulator that has its address and does not answer yet.
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    control: Control,
}

impl Simulator {
    /// Makes the world that the options describe, and listens on the address; port 0 picks a free one.
    pub async fn bind(options: Options, address: SocketAddr) -> Result<Self, StartError> {
        let control = Control::new(&options)?;
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, control })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What the simulated side of the wire shows and does, for a test or a demo to look at and to change.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The credentials of its first account.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        self.control.credentials()
    }

    /// Answers until `shutdown` completes. Connections are closed then; an answer under way is cut off.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = http::serve(&self.listener, &self.control) => {}
            () = shutdown => {}
        }
    }
}
