//! `tunnels list` and `tunnels delete`, by the real binary against the simulated API, and the daemon, which never deletes.

#![allow(unreachable_pub, reason = "this crate is its own only user")]

mod daemon;
mod delete;
mod doubt;
mod list;
mod page;
mod pty;
mod rig;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
