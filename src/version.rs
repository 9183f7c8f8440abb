//! The version of the program, the revision of its source, and its compiler.

/// The version of the crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of the source, or `unknown`.
pub const REVISION: &str = env!("VPN_EXPORTER_REVISION");

/// The version of rustc.
pub const RUSTC: &str = env!("VPN_EXPORTER_RUSTC");

/// The text of `--version`, in the form of Prometheus' exporters.
#[must_use]
pub fn text() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "{}, version {VERSION} (revision: {REVISION})\n  rustc version: {RUSTC}\n  platform:      {os}/{arch}\n",
        env!("CARGO_PKG_NAME")
    )
}
