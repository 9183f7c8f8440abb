//! The version of the program, the revision of its source, and its compiler.

/// The version of the crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of the source, or `unknown`.
pub const REVISION: &str = env!("VPN_EXPORTER_REVISION");

/// The version of rustc.
pub const RUSTC: &str = env!("VPN_EXPORTER_RUSTC");

/// The text of `--version`.
pub(crate) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("VPN_EXPORTER_REVISION"),
    ", rustc ",
    env!("VPN_EXPORTER_RUSTC"),
    ")"
);
