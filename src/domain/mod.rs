//! The shared types: accounts, regions, targets, tunnels, gateways and traffic. Their values are always valid.
//!
//! It must not depend on I/O, wire formats or metrics.

pub mod ca_file;
pub mod credential_source;
pub mod customer_gateway;
pub mod display;
pub mod endpoint;
pub mod filter;
pub mod gateway;
pub mod gateway_status;
mod id;
pub mod listing;
pub mod proxy;
pub mod reason;
pub mod role;
pub mod row;
pub mod secret;
pub mod shard;
pub mod site;
pub mod status;
pub mod tag_label;
pub mod target;
pub mod traffic;
pub mod tunnel;
pub mod tunnel_status;
