//! Tests the simulator over real HTTP, with a client that shares no code with it.

mod client;
mod credentials;
mod delete;
mod describe;
mod faults;
mod gateway_changes;
mod gateways;
mod listing;
mod monitor;
mod monitor_faults;
mod problems;
mod refusals;
mod traffic;
mod world;
