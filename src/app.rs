//! The daemon: builds its parts (pollers, region discovery, renderer, server), watches them, and reloads the configuration.
//!
//! It owns every top-level task. It does not know how a part works.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::{JoinError, JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    domain::{
        tag_label::TagLabel,
        target::{AccountName, Target},
    },
    metrics::{
        exposition::Exposition,
        registry::registry,
        renderer::{RenderError, RenderTask},
    },
    poll::{
        discovery::{Discovery, DiscoveryIntervals, DiscoveryResult},
        fleet::Fleet,
    },
    snapshot::{Snapshot, Snapshots},
    telemetry::Telemetry,
    tencent::{
        account::Account,
        transport::{Authorities, ClientError},
    },
    web::{
        limits::Limits,
        protection::Protection,
        server,
        state::{ReloadRequest, WebState},
        status_page::StatusPage,
        telemetry_path::TelemetryPath,
    },
    wiring::{Context, Wiring},
};

/// Reads the configuration and the system's certificate authorities; the error lists all problems. The call may block.
pub type ReadConfig = Arc<dyn Fn() -> Result<(Config, Authorities), String> + Send + Sync>;

/// The time limit for reading the configuration's files at the start and at a reload: their mount may not respond.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that the daemon needs to start.
pub struct Start {
    /// The first configuration.
    pub config: Config,
    /// The first certificate authorities.
    pub authorities: Authorities,
    /// Reads the configuration again.
    pub read_config: ReadConfig,
    /// Environment, metrics and shard.
    pub context: Context,
    /// How often the regions of accounts with `regions: all` are discovered.
    pub discovery_intervals: DiscoveryIntervals,
    /// The sockets of the server.
    pub listeners: Vec<TcpListener>,
    /// `--web.telemetry-path`.
    pub telemetry_path: TelemetryPath,
    /// The limits of the server.
    pub limits: Limits,
    /// TLS and authentication, if any.
    pub protection: Option<Arc<Protection>>,
    /// `--web.enable-lifecycle`: whether `POST /-/reload` is allowed.
    pub lifecycle: bool,
    /// Whether `process_*` is published; `--web.disable-exporter-metrics` leaves it out.
    pub process_metrics: bool,
    /// Requests to reload the configuration, besides those of the server.
    pub reloads: mpsc::Receiver<ReloadRequest>,
}

/// Why the daemon could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No connections can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A name or a label of the metrics is invalid or used twice.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// The exposition cannot be rendered any more.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A part of the daemon panicked.
    #[error("{part} panicked")]
    Part {
        /// The part.
        part: &'static str,
        /// The panic.
        source: JoinError,
    },
}

/// Runs the daemon until `shutdown`, then waits for scrapes in progress.
pub async fn run(start: Start, shutdown: CancellationToken) -> Result<(), AppError> {
    let mut app = App::new(start, &shutdown)?;
    let result = app.watch(&shutdown).await;
    shutdown.cancel();
    app.stop().await;
    result
}

/// Files were not read in time.
#[derive(Debug, thiserror::Error)]
#[error(
    "the configuration's files, or those of the system's certificate authorities, cannot be read within {READ_TIMEOUT:?}; check \
     that their mounts respond"
)]
pub struct ReadTimeout;

/// Waits at most ten seconds for files to be read.
pub async fn read_in_time<T>(reading: impl Future<Output = T>) -> Result<T, ReadTimeout> {
    timeout(READ_TIMEOUT, reading).await.map_err(|_| ReadTimeout)
}

/// Reads the configuration on another thread, which is never joined if a mount does not respond. The error lists all problems.
pub async fn read(read_config: &ReadConfig) -> Result<(Config, Authorities), String> {
    let read_config = Arc::clone(read_config);
    let read = spawn_blocking(move || read_config()).await;
    read.unwrap_or_else(|error| Err(format!("reading the configuration failed: {error}")))
}

struct App {
    read_config: ReadConfig,
    reloads: mpsc::Receiver<ReloadRequest>,
    reloads_of_server: mpsc::Receiver<ReloadRequest>,
    telemetry: Telemetry,
    wiring: Wiring,
    snapshots: Snapshots,
    changes: watch::Receiver<Arc<Snapshot>>,
    /// The regions without VPN that were already logged.
    without_vpn: BTreeSet<Target>,
    tag_labels: watch::Sender<Vec<TagLabel>>,
    fleet: Fleet,
    discovery: Discovery,
    renderer: JoinSet<Result<(), RenderError>>,
    server: JoinSet<()>,
}

impl App {
    fn new(start: Start, shutdown: &CancellationToken) -> Result<Self, AppError> {
        if let Some(proxy) = &start.config.api.proxy {
            tracing::info!(%proxy, variable = proxy.variable(), no_proxy = proxy.no_proxy(), "a proxy is configured");
        }
        let telemetry = start.context.telemetry.clone();
        let wiring = Wiring::new(start.config, start.context, start.authorities)?;
        let snapshots = Snapshots::default();
        let tag_labels = wiring.config().metrics.tag_labels.clone();
        // The registry refuses invalid and duplicate names and labels. The renderer serves the same families from its cache.
        registry(snapshots.subscribe(), &telemetry, &tag_labels)?;
        let (reload, reloads_of_server) = mpsc::channel(1);
        let mut app = Self {
            read_config: start.read_config,
            reloads: start.reloads,
            reloads_of_server,
            telemetry,
            wiring,
            changes: snapshots.subscribe(),
            without_vpn: BTreeSet::new(),
            tag_labels: watch::Sender::new(tag_labels),
            fleet: Fleet::new(snapshots.clone()),
            discovery: Discovery::new(start.discovery_intervals),
            renderer: JoinSet::new(),
            server: JoinSet::new(),
            snapshots,
        };
        record_reload(&app.telemetry);
        // This must come before the renderer starts: a snapshot without targets counts as complete, and the daemon would be
        // ready too early.
        app.reconcile();
        let (exposition, ready) = app.start_renderer(start.process_metrics);
        let reload = start.lifecycle.then_some(reload);
        let state = app.web_state(start.telemetry_path, exposition, ready, reload);
        let server = server::serve(start.listeners, state, start.limits, start.protection, shutdown.clone());
        app.server.spawn(server);
        Ok(app)
    }

    /// Starts the renderer, which publishes the exposition, and whether the exporter is ready.
    fn start_renderer(
        &mut self,
        process_metrics: bool,
    ) -> (watch::Receiver<Arc<Exposition>>, watch::Receiver<bool>) {
        let (expositions, exposition) = watch::channel(Arc::default());
        let (ready, is_ready) = watch::channel(false);
        let task = RenderTask {
            snapshots: self.snapshots.subscribe(),
            tag_labels: self.tag_labels.subscribe(),
            telemetry: self.telemetry.clone(),
            process_metrics,
            expositions,
            ready,
        };
        self.renderer.spawn(task.run());
        (exposition, is_ready)
    }

    /// The state that the server serves.
    fn web_state(
        &self,
        telemetry_path: TelemetryPath,
        exposition: watch::Receiver<Arc<Exposition>>,
        ready: watch::Receiver<bool>,
        reload: Option<mpsc::Sender<ReloadRequest>>,
    ) -> WebState {
        let page = StatusPage::new(telemetry_path.clone(), self.telemetry.started());
        let snapshots = self.snapshots.clone();
        WebState {
            telemetry_path,
            exposition,
            ready,
            reload,
            page: Box::new(move |query| page.render(&snapshots.current(), query, Timestamp::now())),
        }
    }

    /// Handles events until `shutdown`, or until a part ends by itself.
    async fn watch(&mut self, shutdown: &CancellationToken) -> Result<(), AppError> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                source = self.fleet.failure() => return Err(AppError::Part { part: "a poller", source }),
                result = self.discovery.next() => self.apply_discovery(result.map_err(panic_of("region discovery"))?),
                Some(ended) = self.renderer.join_next() => ended.map_err(panic_of("the renderer"))??,
                Some(ended) = self.server.join_next() => ended.map_err(panic_of("the server"))?,
                Some(request) = self.reloads.recv() => self.reload(request, shutdown).await,
                Some(request) = self.reloads_of_server.recv() => self.reload(request, shutdown).await,
                Ok(()) = self.changes.changed() => self.exclude_regions_without_vpn(),
            }
        }
    }

    /// Starts and stops pollers and discovery tasks to match the configuration.
    fn reconcile(&mut self) {
        let discovered = self.wiring.discoveries();
        let accounts = self.wiring.accounts().map(|name| (name.clone(), discovered.contains_key(name)));
        let plan = self.wiring.plan();
        self.snapshots.set(&accounts.collect(), &plan.keys().cloned().collect());
        self.fleet.reconcile(plan);
        self.discovery.reconcile(&discovered);
    }

    /// Starts and stops pollers to match the discovered regions of an account.
    fn apply_discovery(&mut self, result: DiscoveryResult) {
        let DiscoveryResult { account, settings, ended, regions } = result;
        // A reload may have changed the account since the discovery began.
        let is_current = |present: &Arc<Account>| *present.settings() == settings;
        if !self.wiring.discoveries().get(&account).is_some_and(is_current) {
            return;
        }
        if let Ok(regions) = &regions {
            let change = self.wiring.apply_discovery(&account, regions);
            for region in &change.added {
                tracing::info!(%account, %region, "region found");
            }
            for region in &change.removed {
                tracing::info!(%account, %region, "region removed: three discoveries did not list it");
            }
            self.reconcile();
        }
        // This must come after the targets were added: a snapshot without them would count as complete, and the daemon would be
        // ready too early.
        self.snapshots.publish_discovery(&account, ended, regions.map(|regions| regions.len()));
    }

    /// Stops polling discovered regions that have no VPN, until the next discovery.
    fn exclude_regions_without_vpn(&mut self) {
        let snapshot = self.changes.borrow_and_update().clone();
        let without_vpn = snapshot.targets.values().filter(|state| state.is_without_vpn());
        let mut is_changed = false;
        for target in without_vpn.map(|state| &state.target) {
            if !self.wiring.exclude(target) {
                continue;
            }
            is_changed = true;
            if self.without_vpn.insert(target.clone()) {
                let Target { account, region } = target;
                tracing::info!(%account, %region, "region has no VPN; it is tried again after each discovery");
            }
        }
        if is_changed {
            self.reconcile();
        }
    }

    /// Reads the configuration again and applies it. `shutdown` ends the wait for its files.
    async fn reload(&mut self, request: ReloadRequest, shutdown: &CancellationToken) {
        let read = shutdown.run_until_cancelled(read_in_time(read(&self.read_config)));
        let Some(read) = read.await else { return };
        let result = read
            .unwrap_or_else(|error| Err(error.to_string()))
            .and_then(|(config, authorities)| self.apply_config(config, authorities));
        match &result {
            Ok(()) => {
                record_reload(&self.telemetry);
                tracing::info!("configuration reloaded");
            }
            Err(problems) => {
                self.telemetry.reload_successful.set(0);
                tracing::error!(%problems, "configuration not reloaded; the old one stays in use");
            }
        }
        // The client may have closed its connection.
        let _ = request.reply.send(result);
    }

    /// Applies a new configuration as a whole, or refuses it.
    fn apply_config(&mut self, config: Config, authorities: Authorities) -> Result<(), String> {
        registry(self.snapshots.subscribe(), &self.telemetry, &config.metrics.tag_labels)
            .map_err(|error| error.to_string())?;
        let wiring = self.wiring.reloaded(config, authorities).map_err(|error| error.to_string())?;
        let tag_labels = &wiring.config().metrics.tag_labels;
        self.tag_labels.send_if_modified(|present| {
            let is_new = present != tag_labels;
            present.clone_from(tag_labels);
            is_new
        });
        let before = std::mem::replace(&mut self.wiring, wiring);
        self.reconcile();
        let is_gone = |name: &&AccountName| self.wiring.accounts().all(|present| present != *name);
        for account in before.accounts().filter(is_gone) {
            self.telemetry.remove_account(account);
        }
        Ok(())
    }

    async fn stop(mut self) {
        self.fleet.stop().await;
        self.discovery.stop().await;
        self.renderer.shutdown().await;
        while self.server.join_next().await.is_some() {}
    }
}

fn panic_of(part: &'static str) -> impl Fn(JoinError) -> AppError {
    move |source| AppError::Part { part, source }
}

fn record_reload(telemetry: &Telemetry) {
    telemetry.reload_successful.set(1);
    telemetry.reload_success_time.set(Timestamp::now().as_millisecond() as f64 / 1000.0);
}
