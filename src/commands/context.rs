//! The setup that all commands share: the environment variables, the exporter's own metrics, and the configuration.

use std::{env, ffi::OsString, path::Path};

use crate::{
    cli::flags::ShardFlags,
    config::{Config, problem::Problems},
    domain::shard::Shard,
    telemetry::{BuildInfo, Telemetry},
    version,
    wiring::{Context, Variables},
};

pub(super) fn context(shard: Shard) -> Result<Context, prometheus::Error> {
    let build = BuildInfo { version: version::VERSION, revision: version::REVISION, rustc: version::RUSTC };
    Ok(Context { variables: variables(), telemetry: Telemetry::new(&build)?, shard })
}

/// The variables of the environment. A value that is not UTF-8 is kept with replacement characters, so that the
/// configuration refuses it.
pub(super) fn variables() -> Variables {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    env::vars_os().filter_map(text).collect()
}

pub(super) fn shard(flags: ShardFlags) -> Shard {
    flags.shard().expect("the command line was checked")
}

/// Reads the configuration, and logs its warnings.
pub(super) fn load(file: Option<&Path>, variables: &Variables) -> Result<Config, Problems> {
    let loaded = Config::load(file, variables)?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration warning");
    }
    Ok(loaded.config)
}
