//! The subcommands of `tunnels`.

pub(super) mod delete;
pub(super) mod list;
