//! The subcommands, one short file each.

mod check_config;
mod demo;
mod healthcheck;
mod once;
mod serve;
mod signals;
mod simulate;

use std::{collections::BTreeMap, env, path::Path, process::ExitCode};

use crate::{
    cli::{Cli, Command, Daemon},
    config::{Config, Problems},
    logging,
    telemetry::{BuildInfo, Telemetry},
    wiring::Variables,
};

/// The exit status for a bad flag or configuration (`EX_USAGE`).
const USAGE: u8 = 64;

/// Does what the command line asks for.
pub async fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        None => serve::run(&cli.daemon).await,
        Some(Command::Demo(demo)) => demo::run(&cli.daemon, &demo).await,
        Some(Command::Simulate(simulate)) => simulate::run(&cli.daemon, &simulate).await,
        Some(Command::CheckConfig(check)) => check_config::run(&cli.daemon, &check).await,
        Some(Command::Once) => once::run(&cli.daemon).await,
        Some(Command::Healthcheck) => healthcheck::run(&cli.daemon).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Why a command did not succeed.
#[derive(Debug)]
enum Failure {
    /// The user has to change a flag or the configuration: status 64.
    Usage(String),
    /// Anything else: status 1.
    Other(anyhow::Error),
    /// What there is to say has been said: status 1.
    Said,
}

impl Failure {
    fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(problems) => (problems, ExitCode::from(USAGE)),
            Self::Other(error) => (format!("{error:#}"), ExitCode::FAILURE),
            Self::Said => return ExitCode::FAILURE,
        };
        eprintln!("{message}");
        code
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// The variables of the environment that are text.
fn variables() -> Variables {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    env::vars_os().filter_map(text).collect()
}

fn start_log(daemon: &Daemon) -> Result<(), Failure> {
    logging::start(&daemon.log_level, daemon.log_format).map_err(|error| {
        Failure::Usage(format!("--log.level: {error}; write error, warn, info, debug or trace"))
    })
}

/// Reads the configuration, and warns of what is allowed but hardly meant.
fn load(file: Option<&Path>, variables: &BTreeMap<String, String>) -> Result<Config, Problems> {
    let loaded = Config::load(file, variables)?;
    for warning in &loaded.warnings {
        tracing::warn!("configuration: {warning}");
    }
    Ok(loaded.config)
}

fn usage(problems: &Problems) -> Failure {
    Failure::Usage(problems.to_string())
}

fn telemetry() -> Result<Telemetry, prometheus::Error> {
    Telemetry::new(&BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("BUILD_REVISION").unwrap_or("unknown"),
        rustc: option_env!("BUILD_RUSTC").unwrap_or("unknown"),
    })
}
