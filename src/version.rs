//! What this program is: its version, the revision it was built from, and the compiler that built it.

/// The version of the crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built, or `unknown`.
pub const REVISION: &str = env!("VPN_EXPORTER_REVISION");

/// The version of rustc.
pub const RUSTC: &str = env!("VPN_EXPORTER_RUSTC");

/// All of them, as `--version` shows them.
pub(crate) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("VPN_EXPORTER_REVISION"),
    ", rustc ",
    env!("VPN_EXPORTER_RUSTC"),
    ")"
);
