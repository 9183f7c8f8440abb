//! Tencent Cloud's API, version 3.0: one signed call, its errors, and the wire shapes of the actions in use.
//!
//! It knows nothing of when tunnels are polled, nor which metrics there are; credentials are renewed and asked for again here.

pub mod answer;
mod body;
pub mod client;
pub mod credentials;
pub mod deletion;
pub mod error;
pub mod regions;
pub mod sign;
pub mod sts;
pub mod transport;
pub mod vpn;

pub use client::{Call, Client, Service};
pub use credentials::Credentials;
pub use error::{ApiError, ErrorCode, Remedy};
