//! What is known, as Prometheus metrics: declared families over the snapshot, the registry, and the exposition for scrapes.
//!
//! It depends on the snapshot and on telemetry. It does not know pollers or HTTP.

mod account;
mod compress;
pub mod exposition;
mod family;
pub mod plain;
mod process;
pub mod registry;
pub mod renderer;
mod section;
mod target;
mod tunnel;
