//! `tunnels list` and `tunnels delete`, by the real binary against the simulated API, and the daemon, which never deletes.

mod daemon;
mod delete;
mod doubt;
mod list;
mod page;
mod pty;
mod rig;
mod terminal;
