//! No subcommand: the flags.

use std::{path::PathBuf, sync::Arc};

use tokio::{net::TcpListener, task::spawn_blocking};

use super::{
    Failure, load, shard, signals::Requests, start_queued_log, supervisor, surroundings, unusable, usage,
    variables,
};
use crate::{
    app::{self, AppError, ReadConfig, Start},
    cli::{DaemonFlags, WebFlags},
    config::Config,
    poll::LookUpPauses,
    tencent::transport::Authorities,
    web::{
        limits::{self, Limits},
        listen,
        protection::Protection,
    },
    wiring::{Surroundings, Variables},
};

pub(super) async fn run(flags: &DaemonFlags, requests: Requests) -> Result<(), Failure> {
    let _log = start_queued_log(&flags.log)?;
    let read_config = config_reader(flags.config.file.clone(), variables());
    let prepare = app::read_in_time(prepare(&flags.web, &read_config));
    let Some(prepared) = requests.shutdown.run_until_cancelled(prepare).await else { return Ok(()) };
    let (config, protection, listeners) = prepared??;
    let surroundings = surroundings(shard(flags.shard))?;
    serve(&flags.web, listeners, protection, config, read_config, surroundings, requests).await
}

/// Reads what is configured, and listens. Files are read on other threads, so that a hung mount does not block this one.
async fn prepare(
    flags: &WebFlags,
    read_config: &ReadConfig,
) -> Result<((Config, Authorities), Option<Arc<Protection>>, Vec<TcpListener>), Failure> {
    let config = app::read_first(read_config).await.map_err(usage)?;
    let protection = protection(flags).await?;
    let listeners = listen::bind(&flags.listen_addresses).await?;
    Ok((config, protection, listeners))
}

/// Reads TLS and authentication settings, on another thread.
pub(super) async fn protection(flags: &WebFlags) -> Result<Option<Arc<Protection>>, Failure> {
    let Some(file) = flags.config_file.clone() else { return Ok(None) };
    let protection = spawn_blocking(move || Protection::open(&file)).await?.map_err(usage)?;
    Ok(Some(protection))
}

/// Runs until a signal ends it.
pub(super) async fn serve(
    flags: &WebFlags,
    listeners: Vec<TcpListener>,
    protection: Option<Arc<Protection>>,
    (config, authorities): (Config, Authorities),
    read_config: ReadConfig,
    surroundings: Surroundings,
    requests: Requests,
) -> Result<(), Failure> {
    limits::raise_open_files();
    let start = Start {
        config,
        authorities,
        read_config,
        surroundings,
        look_ups: LookUpPauses::default(),
        listeners,
        telemetry_path: flags.telemetry_path.clone(),
        limits: Limits { scrapes: flags.max_requests, ..Limits::default() },
        protection,
        lifecycle: flags.enable_lifecycle,
        reloads: requests.reloads,
    };
    tokio::select! {
        result = app::run(start, requests.shutdown) => result.map_err(|error| match error {
            AppError::Client(error) => unusable(error),
            error => error.into(),
        }),
        never = supervisor::keep_informed() => match never {},
    }
}

fn config_reader(file: Option<PathBuf>, variables: Variables) -> ReadConfig {
    Arc::new(move || {
        let config = load(file.as_deref(), &variables).map_err(|problems| problems.to_string())?;
        Ok((config, Authorities::of_system()))
    })
}
