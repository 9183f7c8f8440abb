//! The sources of credentials, one file each, and the cache in front of them.
//!
//! Variables and randomness are passed in. It must not depend on the configuration's format or on metrics.

pub mod cache;
pub(super) mod configured;
pub(super) mod issued;
pub mod source;

mod secret_file;
pub mod sts;

pub mod assumed_role;
pub mod default_chain;
pub mod environment;
pub mod instance_role;
pub mod profile;
pub mod static_keys;
pub mod workload_identity;
