//! The words of the project: accounts, regions, targets and tunnels, each a type that is valid once it exists.
//!
//! Nothing here does I/O, knows a wire format or names a metric.

mod ca_file;
pub mod display;
mod endpoint;
mod listing;
mod proxy;
mod reason;
mod role;
mod secret;
mod shard;
mod site;
mod standing;
mod tag_label;
mod target;
mod tunnel;

pub use ca_file::CaFile;
pub use endpoint::{Endpoint, InvalidEndpoint, base_url};
pub use listing::{Listing, UnknownValue};
pub use proxy::{InvalidProxy, Proxy};
pub use reason::Reason;
pub use role::Role;
pub use secret::{Secret, SecretText};
pub use shard::Shard;
pub use site::Site;
pub use standing::Standing;
pub use tag_label::TagLabel;
pub use target::{AccountName, InvalidName, Region, Target};
pub use tunnel::{
    HealthCheck, HealthCheckStatus, IkeParameters, IpsecParameters, NegotiationType, NetStatus, StatusField,
    Tunnel, TunnelId, TunnelState, Verdict,
};
