//! The subcommands, one short file each.

mod check_config;
mod demo;
mod healthcheck;
mod once;
mod probe;
mod serve;
mod signals;
mod simulate;
mod supervisor;
mod tunnels;

use std::{
    env, fmt,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    thread,
    time::Duration,
};

use comfy_table::{Cell, ContentArrangement, Table, TableStyle};
use futures_util::future::join_all;
use simulator::{Simulator, StartError};
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};

use crate::{
    cli::{Command, ConfigFlags, EXIT_USAGE, LogFlags, ShardFlags},
    config::{Config, Problems},
    domain::{AccountName, Shard, is_deceptive},
    logging,
    poll::{self, Plan, failure},
    snapshot::TargetSnapshot,
    telemetry::{BuildInfo, Telemetry},
    tencent::{
        ApiError, regions,
        transport::{Authorities, ClientError},
    },
    version,
    wiring::{Surroundings, Variables, Wiring},
};

/// How long a command waits for an account's regions, retries included.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(45);

/// Does what the command line asks for.
pub async fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Serve(flags) => signals::handled(async |requests| serve::run(&flags, requests).await).await,
        Command::Demo(flags) => signals::handled(async |requests| demo::run(&flags, requests).await).await,
        Command::Simulate(flags) => {
            signals::handled(async |requests| simulate::run(&flags, requests).await).await
        }
        Command::CheckConfig(flags) => check_config::run(&flags).await,
        Command::Once(flags) => once::run(&flags).await,
        Command::Healthcheck(flags) => healthcheck::run(&flags).await,
        Command::Tunnels(command) => tunnels::run(&command).await,
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
        let (message, status) = match self {
            Self::Usage(problems) => (problems, EXIT_USAGE),
            Self::Other(error) => (format!("{error:#}"), 1),
            Self::Said => return ExitCode::FAILURE,
        };
        end_soon(status);
        // Nobody is left to tell if standard error is gone, and the status says it too.
        let _ = writeln!(io::stderr(), "{message}");
        ExitCode::from(status)
    }
}

/// Ends the process with this status in a second, for last words that nobody may read: those would be waited for.
pub fn end_soon(status: u8) {
    // Without another thread there is nothing for it but to wait.
    let _ = thread::Builder::new().spawn(move || {
        thread::sleep(Duration::from_secs(1));
        std::process::exit(status.into());
    });
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// The variables of the environment. What is no UTF-8 in a value stays visible, so that it is told as wrong.
fn variables() -> Variables {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    env::vars_os().filter_map(text).collect()
}

fn start_log(flags: &LogFlags) -> Result<(), Failure> {
    logging::start(&flags.level, flags.format).map_err(no_log)
}

fn start_queued_log(flags: &LogFlags) -> Result<logging::Queue, Failure> {
    logging::start_queued(&flags.level, flags.format).map_err(no_log)
}

fn no_log(error: logging::StartError) -> Failure {
    match error {
        logging::StartError::Level(_) => usage(error),
        logging::StartError::Thread(_) => error.into(),
    }
}

/// Reads the configuration, and warns of what is allowed but hardly meant.
fn load(file: Option<&Path>, variables: &Variables) -> Result<Config, Problems> {
    let loaded = Config::load(file, variables)?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "the configuration is valid; is it meant so?");
    }
    Ok(loaded.config)
}

fn usage(problem: impl fmt::Display) -> Failure {
    Failure::Usage(problem.to_string())
}

/// A file that is configured and cannot be used is the user's to change.
fn unusable(error: ClientError) -> Failure {
    match error {
        ClientError::CaFile { .. } => usage(error),
        ClientError::Tls(_) | ClientError::Settings(_) => error.into(),
    }
}

/// What commands that poll once begin with.
struct Prepared {
    wiring: Wiring,
    telemetry: Telemetry,
    /// Whether the regions of all accounts that are to have all could be looked up.
    regions_known: bool,
}

async fn prepare(config: &ConfigFlags, shard: Shard) -> Result<Prepared, Failure> {
    let surroundings = surroundings(shard)?;
    let config = load(config.file.as_deref(), &surroundings.variables).map_err(usage)?;
    let telemetry = surroundings.telemetry.clone();
    let mut wiring = Wiring::new(config, surroundings, Authorities::of_system()).map_err(unusable)?;
    let regions_known = look_up_regions(&mut wiring).await.is_empty();
    Ok(Prepared { wiring, telemetry, regions_known })
}

fn surroundings(shard: Shard) -> Result<Surroundings, prometheus::Error> {
    Ok(Surroundings { variables: variables(), telemetry: telemetry()?, shard })
}

fn shard(flags: ShardFlags) -> Shard {
    flags.shard().expect("the command line was checked")
}

/// Looks up the regions of accounts that are to have all, once, and says of each that failed why it did; these it returns.
async fn look_up_regions(wiring: &mut Wiring) -> Vec<(AccountName, ApiError)> {
    let deadline = Instant::now() + LOOK_UP_TIMEOUT;
    let look_ups = wiring.discoveries().into_iter().map(|(account, api)| async move {
        let result = api.available_regions(deadline).await;
        (account, api.route(), result)
    });
    let mut failed = Vec::new();
    for (account, route, result) in join_all(look_ups).await {
        match result {
            Ok(regions) => drop(wiring.discovered(&account, &regions)),
            Err(error) => {
                let failure = failure::from_error(&error, &route, regions::PERMISSION);
                say(format_args!("{account}: the regions cannot be looked up: {}", failure.message));
                failed.push((account, error));
            }
        }
    }
    failed
}

/// Polls every target once, and says of each one that failed why it did.
async fn poll_each_once(plan: Plan) -> Result<Vec<TargetSnapshot>, JoinError> {
    let mut polls: JoinSet<TargetSnapshot> = plan
        .into_iter()
        .map(|(target, settings)| async move { poll::poll(&settings, &TargetSnapshot::new(target)).await.0 })
        .collect();
    let mut states = Vec::new();
    while let Some(state) = polls.join_next().await {
        states.push(state?);
    }
    states.sort_by(|a, b| a.target.cmp(&b.target));
    for state in &states {
        if let Some(failure) = state.failure() {
            say(format_args!("{}: {}", state.target, failure.message));
        }
    }
    Ok(states)
}

fn telemetry() -> Result<Telemetry, prometheus::Error> {
    Telemetry::new(&BuildInfo {
        version: version::VERSION,
        revision: version::REVISION,
        rustc: version::RUSTC,
    })
}

/// Says on standard error, in one line, what went wrong.
fn say(problem: impl fmt::Display) {
    // Nobody is left to tell if standard error is gone, and the status says it too.
    let _ = writeln!(io::stderr(), "{}", one_line(&problem.to_string()));
}

/// A text from the cloud in one line of a terminal, whatever is in it.
fn one_line(text: &str) -> String {
    text.replace(is_deceptive, " ")
}

/// Columns without lines between them; in colour only on a terminal.
fn plain_table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl Iterator<Item = [Cell; COLUMNS]>,
) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
    if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        table.force_no_tty();
    }
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// Writes to standard output. A reader that has seen enough, as `head` has, needs no words.
fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Said,
        _ => anyhow::Error::new(error).context("cannot write to standard output").into(),
    })
}

/// Starts the embedded API; options that make no sense are the user's to change.
async fn bind(options: simulator::Options, address: SocketAddr) -> Result<Simulator, Failure> {
    Simulator::bind(options, address).await.map_err(|error| match error {
        StartError::Options(problem) => usage(problem),
        error @ StartError::Listen { .. } => error.into(),
    })
}
