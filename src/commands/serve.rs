//! The daemon, which runs without a subcommand.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{net::TcpListener, task::spawn_blocking};

use super::{
    context::{context, load, shard, variables},
    error::{CommandError, client_error, usage},
    signals::Signals,
    systemd,
};
use crate::{
    app::{self, AppError, ReadConfig, Start},
    cli::{DaemonFlags, flags::WebFlags},
    config::Config,
    logging,
    poll::discovery::DiscoveryIntervals,
    tencent::transport::Authorities,
    version,
    web::{
        limits::{self, Limits},
        listen,
        protection::Protection,
    },
    wiring::{Context, Variables},
};

pub(super) async fn run(flags: &DaemonFlags, signals: Signals) -> Result<(), CommandError> {
    let _flusher = logging::start_in_background(&flags.log.level, flags.log.format)?;
    let read_config = config_reader(flags.config.file.clone(), variables());
    let prepare = app::read_in_time(prepare(&flags.web, read_config));
    let Some(prepared) = signals.shutdown.run_until_cancelled(prepare).await else { return Ok(()) };
    serve(&flags.web, prepared??, context(shard(flags.shard))?, signals).await
}

/// The prepared state of the daemon.
pub(super) struct PreparedServer {
    read_config: ReadConfig,
    config: Config,
    authorities: Authorities,
    pub(super) protection: Option<Arc<Protection>>,
    pub(super) listeners: Vec<TcpListener>,
}

/// Reads the configuration, and listens. Files are read on other threads, because a mount may not respond.
pub(super) async fn prepare(
    flags: &WebFlags,
    read_config: ReadConfig,
) -> Result<PreparedServer, CommandError> {
    tracing::info!(
        version = version::VERSION,
        revision = version::REVISION,
        rustc = version::RUSTC,
        concat!("starting ", env!("CARGO_PKG_NAME"))
    );
    let (config, authorities) = app::read(&read_config).await.map_err(usage)?;
    let protection = protection(flags).await?;
    let listeners = if flags.systemd_socket {
        listen::systemd_sockets().map_err(usage)?
    } else {
        listen::bind(&flags.listen_addresses).await?
    };
    let has_tls = protection.as_ref().is_some_and(|protection| protection.has_tls());
    tracing::info!("TLS is {}", if has_tls { "enabled" } else { "disabled" });
    Ok(PreparedServer { read_config, config, authorities, protection, listeners })
}

/// Reads the web configuration on another thread.
async fn protection(flags: &WebFlags) -> Result<Option<Arc<Protection>>, CommandError> {
    let Some(file) = flags.config_file().map(Path::to_owned) else { return Ok(None) };
    let protection = spawn_blocking(move || Protection::open(&file)).await?.map_err(usage)?;
    Ok(Some(protection))
}

/// Serves until a signal stops it.
pub(super) async fn serve(
    flags: &WebFlags,
    prepared: PreparedServer,
    context: Context,
    signals: Signals,
) -> Result<(), CommandError> {
    limits::raise_open_files();
    let start = Start {
        config: prepared.config,
        authorities: prepared.authorities,
        read_config: prepared.read_config,
        context,
        discovery_intervals: DiscoveryIntervals::default(),
        listeners: prepared.listeners,
        telemetry_path: flags.telemetry_path.clone(),
        limits: Limits { scrapes: flags.max_requests, ..Limits::default() },
        protection: prepared.protection,
        lifecycle: flags.enable_lifecycle,
        process_metrics: !flags.disable_exporter_metrics,
        reloads: signals.reloads,
    };
    tokio::select! {
        result = app::run(start, signals.shutdown) => result.map_err(|error| match error {
            AppError::Client(error) => client_error(error),
            error => error.into(),
        }),
        never = systemd::notify_loop() => match never {},
    }
}

fn config_reader(file: Option<PathBuf>, variables: Variables) -> ReadConfig {
    Arc::new(move || {
        let config = load(file.as_deref(), &variables).map_err(|problems| problems.to_string())?;
        Ok((config, Authorities::of_system()))
    })
}
