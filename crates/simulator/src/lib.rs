//! A simulated VPC API, with Cloud Monitor, for demos, tests and other clients.
//!
//! It uses real HTTP and follows Tencent's documents of `DescribeVpnConnections`, `DescribeVpnGateways`,
//! `DescribeCustomerGateways` and `DeleteVpnConnection`, and of Cloud Monitor's `GetMonitorData`. It also simulates STS,
//! the list of regions, and the metadata service. It shares no code with the client and checks signatures with its own
//! code, so that it detects mistakes in the client.

mod api;
mod behaviour;
mod changes;
mod clock;
mod control;
mod customer_gateway;
mod delete;
mod error;
mod faults;
mod gateway;
mod hash;
mod http;
mod identity;
mod journal;
mod limit;
mod listing;
mod metadata;
mod monitor;
mod names;
mod options;
mod parameters;
mod problem;
mod region_world;
mod regions;
mod request;
mod roles;
mod row;
mod sessions;
mod signature;
mod sts;
mod tag;
mod times;
mod traffic;
mod tunnel;
mod world;

use std::{future::Future, io, net::SocketAddr};

use tokio::net::TcpListener;

pub use self::{
    control::{Control, NotFound},
    faults::{Fault, FaultKind, InvalidFault},
    gateway::GatewayState,
    identity::{Account, Credentials},
    journal::Entry,
    options::{InvalidOptions, Options},
    problem::{GatewayProblem, InvalidProblem, PlannedProblem},
    regions::OfferedRegion,
    roles::{Role, WebIdentity},
    sessions::TOKEN_MARK,
    tunnel::PRE_SHARE_KEY_MARK,
};

/// The reason why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An option is invalid.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The simulator cannot listen on the address.
    #[error("cannot listen on {address}; choose a free local address")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// A simulator that listens on its address but sends no responses until [`run`](Self::run).
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    control: Control,
}

impl Simulator {
    /// Creates the simulated world and listens on the address; port 0 selects a free port.
    pub async fn bind(options: Options, address: SocketAddr) -> Result<Self, StartError> {
        let control = Control::new(&options)?;
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, control })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns a handle that reads and changes the simulated world.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The credentials of the first account.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        self.control.credentials()
    }

    /// Serves requests until `shutdown` completes. Then it closes all connections, even in the middle of a response.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = http::serve(&self.listener, &self.control) => {}
            () = shutdown => {}
        }
    }
}
