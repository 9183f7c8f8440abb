//! `tunnels list` and `tunnels delete`, by the real binary against the simulated API, and the daemon, which never deletes.

mod ambiguous_delete;
mod daemon;
mod delete;
mod gateways;
mod list;
mod page;
mod pty;
mod setup;
mod terminal;
