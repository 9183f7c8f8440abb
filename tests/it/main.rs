//! The exporter in process, against the simulated API: needs only Rust.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "this crate is its own only user")]

mod accounts;
mod config;
mod credentials;
mod drift;
mod faults;
mod gateways;
mod golden;
mod polling;
mod regions;
mod reload;
mod shards;
mod status_page;
mod traffic;
mod tunnel_lifecycle;
mod web;
