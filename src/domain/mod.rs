//! The words of the project: accounts, regions, targets and tunnels, each a type that is valid once it exists.
//!
//! Nothing here does I/O, knows a wire format or names a metric.

mod endpoint;
mod secret;
mod target;
mod tunnel;

pub use endpoint::{Endpoint, InvalidEndpoint, base_url};
pub use secret::Secret;
pub use target::{AccountName, InvalidName, Region, Target};
pub use tunnel::{
    HealthCheck, HealthCheckStatus, IkeParameters, IpsecParameters, NegotiationType, NetStatus, Tunnel,
    TunnelId, TunnelState, Verdict,
};
