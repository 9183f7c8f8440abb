//! Tests the simulator over real HTTP, with a client that shares no code with it.

mod client;
mod credentials;
mod delete;
mod describe;
mod faults;
mod refusals;
mod world;
