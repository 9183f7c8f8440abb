//! The real binary, as a user starts it, against the simulated API.

#![allow(missing_docs, unreachable_pub, reason = "this crate is its own only user")]

mod connections;
mod flags;
mod logs;
mod messages;
mod once;
mod probe;
mod recording_proxy;
mod secrecy;
mod signals;
mod silent_network;
mod stuck;
mod supervisor;
mod tunnels;
