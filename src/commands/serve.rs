//! No subcommand: the flags.

use std::{path::PathBuf, sync::Arc};

use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    Failure, load, shard, signals, start_queued_log, supervisor, surroundings, unusable, usage, variables,
};
use crate::{
    app::{self, AppError, ReadConfig, Start},
    cli::{DaemonFlags, WebFlags},
    config::Config,
    poll::LookUpPauses,
    web::{self, Limits, Protection},
    wiring::{Surroundings, Variables},
};

pub(super) async fn run(flags: &DaemonFlags) -> Result<(), Failure> {
    let _log = start_queued_log(&flags.log)?;
    let variables = variables();
    let config = load(flags.config.file.as_deref(), &variables).map_err(usage)?;
    let read_config = config_reader(flags.config.file.clone(), variables);
    let protection = protection(&flags.web)?;
    let listeners = web::bind(&flags.web.listen_addresses).await?;
    let surroundings = surroundings(shard(flags.shard))?;
    serve(&flags.web, listeners, protection, config, read_config, surroundings).await
}

/// Who is served, and how.
pub(super) fn protection(flags: &WebFlags) -> Result<Option<Arc<Protection>>, Failure> {
    flags.config_file.as_deref().map(Protection::open).transpose().map_err(usage)
}

/// Runs until a signal ends it.
pub(super) async fn serve(
    flags: &WebFlags,
    listeners: Vec<TcpListener>,
    protection: Option<Arc<Protection>>,
    config: Config,
    read_config: ReadConfig,
    surroundings: Surroundings,
) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    let (reload, reloads) = mpsc::channel(1);
    let signals = signals::watch(shutdown.clone(), reload)?;
    let start = Start {
        config,
        read_config,
        surroundings,
        look_ups: LookUpPauses::default(),
        listeners,
        telemetry_path: flags.telemetry_path.clone(),
        limits: Limits { scrapes: flags.max_requests, ..Limits::default() },
        protection,
        lifecycle: flags.enable_lifecycle,
        reloads,
    };
    tokio::select! {
        result = app::run(start, shutdown) => result.map_err(|error| match error {
            AppError::Client(error) => unusable(error),
            error => error.into(),
        }),
        failure = signals => Err(failure),
        never = supervisor::keep_informed() => match never {},
    }
}

fn config_reader(file: Option<PathBuf>, variables: Variables) -> ReadConfig {
    Arc::new(move || load(file.as_deref(), &variables).map_err(|problems| problems.to_string()))
}
