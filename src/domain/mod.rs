//! The terms of the project: accounts, regions, targets and tunnels. Each is a type whose values are valid.
//!
//! It must not depend on I/O, wire formats or metrics.

mod ca_file;
mod credential_source;
pub mod display;
mod endpoint;
mod listing;
mod proxy;
mod reason;
mod role;
mod row;
mod secret;
mod shard;
mod site;
mod status;
mod tag_label;
mod target;
mod tunnel;
mod tunnel_status;

pub use ca_file::CaFile;
pub use credential_source::CredentialSource;
pub use endpoint::{Endpoint, InvalidEndpoint, base_url};
pub use listing::{Listing, UnknownValue};
pub use proxy::{InvalidProxy, Proxy};
pub use reason::Reason;
pub use role::Role;
pub use row::Row;
pub use secret::{Secret, SecretText};
pub use shard::Shard;
pub use site::Site;
pub use status::{HealthCheckStatus, NetStatus, StatusField, TunnelState};
pub use tag_label::TagLabel;
pub use target::{AccountName, InvalidName, Region, Target};
pub use tunnel::{HealthCheck, IkeParameters, IpsecParameters, NegotiationType, Tunnel, TunnelId};
pub use tunnel_status::TunnelStatus;
