//! Decides when targets are polled, gateways are listed, traffic is queried and regions are discovered, and reads complete
//! listings.
//!
//! It must not depend on how results are shown.

pub mod discovery;
pub mod failure;
pub mod fleet;
pub mod gateways;
pub mod listing;
mod log;
pub mod poller;
mod reading;
mod schedule;
pub mod traffic;
