//! The daemon's parts, put together and watched: pollers, renderer and server, until it is told to stop.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::{AbortHandle, JoinError, JoinSet, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    domain::target::{AccountName, Target},
    metrics::{
        Exposition, Renderer,
        exposition::{RenderError, keep_rendered},
    },
    poll::{
        discovery::{Discovery, LookUp, LookUpPauses},
        fleet::Fleet,
    },
    snapshot::{Snapshot, Snapshots, TargetSnapshot},
    telemetry::Telemetry,
    tencent::{
        action::Action,
        assume_role::AssumeRole,
        assume_role_with_web_identity::AssumeRoleWithWebIdentity,
        describe_regions::DescribeRegions,
        describe_vpn_connections::DescribeVpnConnections,
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

/// Reads the configuration and the system's certificate authorities; the error says every problem. It may block.
pub type ReadConfig = Arc<dyn Fn() -> Result<(Config, Authorities), String> + Send + Sync>;

/// How long the start and a reload wait for the configuration's files, whose mount may not answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What the daemon is started with.
pub struct Start {
    /// The configuration to begin with.
    pub config: Config,
    /// The certificate authorities to begin with.
    pub authorities: Authorities,
    /// Reads the configuration again.
    pub read_config: ReadConfig,
    /// Environment, metrics and shard.
    pub context: Context,
    /// When the regions of accounts that are to have all are looked up again.
    pub look_ups: LookUpPauses,
    /// Where scrapes come in.
    pub listeners: Vec<TcpListener>,
    /// Where a scrape asks.
    pub telemetry_path: TelemetryPath,
    /// How much of the server clients may take.
    pub limits: Limits,
    /// TLS and authentication, if any.
    pub protection: Option<Arc<Protection>>,
    /// Whether `POST /-/reload` is allowed.
    pub lifecycle: bool,
    /// Wishes that the configuration be read again, apart from those that the server passes on.
    pub reloads: mpsc::Receiver<ReloadRequest>,
}

/// Why the daemon could not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No connections can be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The metrics contradict each other.
    #[error("the metrics contradict each other")]
    Metrics(#[from] prometheus::Error),
    /// The exposition is rendered no more.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A part of the daemon ended although nobody asked it to.
    #[error("{part} ended")]
    Part {
        /// Which.
        part: &'static str,
        /// How.
        source: JoinError,
    },
}

/// All that the daemon ever asks of the API.
const ACTIONS: [&str; 4] =
    [DescribeVpnConnections::NAME, DescribeRegions::NAME, AssumeRole::NAME, AssumeRoleWithWebIdentity::NAME];

/// Runs the daemon until `shutdown`, then lets scrapes that are being served finish.
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
    "the configuration's files, or those of the system's certificate authorities, cannot be read within {READ_TIMEOUT:?}; see \
     whether their mounts answer"
)]
pub struct ReadTimeout;

/// Waits at most ten seconds for files to be read.
pub async fn read_in_time<T>(reading: impl Future<Output = T>) -> Result<T, ReadTimeout> {
    timeout(READ_TIMEOUT, reading).await.map_err(|_| ReadTimeout)
}

/// Reads the configuration on another thread, which stays behind if a mount never answers. The error has every problem.
pub async fn read(read_config: &ReadConfig) -> Result<(Config, Authorities), String> {
    let read_config = Arc::clone(read_config);
    let read = spawn_blocking(move || read_config()).await;
    read.unwrap_or_else(|error| Err(format!("reading the configuration ended: {error}")))
}

struct App {
    read_config: ReadConfig,
    telemetry: Telemetry,
    wiring: Wiring,
    snapshots: Snapshots,
    /// The snapshot that scrapes show.
    shown: watch::Sender<Snapshot>,
    changes: watch::Receiver<Snapshot>,
    ready: watch::Sender<bool>,
    fleet: Fleet,
    discovery: Discovery,
    /// Of which the log has said that they have no VPN.
    without_vpn: BTreeSet<Target>,
    expositions: watch::Sender<Arc<Exposition>>,
    renderer: AbortHandle,
    renderers: JoinSet<Result<(), RenderError>>,
    server: JoinSet<()>,
    reloads: mpsc::Receiver<ReloadRequest>,
    reloads_of_server: mpsc::Receiver<ReloadRequest>,
}

impl App {
    fn new(start: Start, shutdown: &CancellationToken) -> Result<Self, AppError> {
        let telemetry = start.context.telemetry.clone();
        if let Some(proxy) = &start.config.api.proxy {
            tracing::info!(%proxy, variable = proxy.variable(), no_proxy = proxy.no_proxy(), "a proxy is configured");
        }
        let wiring = Wiring::new(start.config, start.context, start.authorities)?;
        let snapshots = Snapshots::default();
        let (expositions, exposition) = watch::channel(Arc::default());
        let (shown, changes) = watch::channel(Snapshot::default());
        let (ready, is_ready) = watch::channel(false);
        let (reload, reloads_of_server) = mpsc::channel(1);
        let discovery = Discovery::new(telemetry.clone(), start.look_ups);
        let state = WebState {
            exposition,
            ready: is_ready,
            reload: start.lifecycle.then_some(reload),
            scrapes: telemetry.scrapes.clone(),
            scrape_duration: telemetry.scrape_duration.clone(),
            page: {
                let page = StatusPage::new(start.telemetry_path.clone(), telemetry.started());
                let (snapshots, failed_look_ups) = (snapshots.clone(), discovery.failed());
                Box::new(move |query| {
                    let failed_look_ups = failed_look_ups.borrow().clone();
                    page.render(&snapshots.current(), &failed_look_ups, query, Timestamp::now())
                })
            },
            telemetry_path: start.telemetry_path,
        };
        let mut server = JoinSet::new();
        server.spawn(server::serve(start.listeners, state, start.limits, start.protection, shutdown.clone()));
        let mut renderers = JoinSet::new();
        let renderer = Renderer::new(&telemetry, wiring.config().metrics.tag_labels.clone())?;
        let renderer = renderers.spawn(keep_rendered(
            renderer,
            snapshots.subscribe(),
            expositions.clone(),
            shown.clone(),
        ));
        note_reload(&telemetry);
        let mut app = Self {
            read_config: start.read_config,
            discovery,
            telemetry,
            wiring,
            without_vpn: BTreeSet::new(),
            shown,
            changes,
            fleet: Fleet::new(snapshots.clone()),
            snapshots,
            ready,
            expositions,
            renderer,
            renderers,
            server,
            reloads: start.reloads,
            reloads_of_server,
        };
        app.follow_wiring();
        Ok(app)
    }

    /// Does what comes up until the end is asked for, or a part ends by itself.
    async fn watch(&mut self, shutdown: &CancellationToken) -> Result<(), AppError> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                source = self.fleet.failure() => return Err(AppError::Part { part: "a poller", source }),
                look_up = self.discovery.next() => match look_up {
                    Ok(look_up) => self.take_in(look_up),
                    Err(source) => return Err(AppError::Part { part: "a look-up of regions", source }),
                },
                Some(ended) = self.renderers.join_next() => accept_end("the renderer", ended)?.unwrap_or(Ok(()))?,
                Some(ended) = self.server.join_next() => accept_end("the server", ended)?.unwrap_or(()),
                Some(request) = self.reloads.recv() => self.reload(request, shutdown).await,
                Some(request) = self.reloads_of_server.recv() => self.reload(request, shutdown).await,
                _ = self.changes.changed() => self.look_at_targets(),
            }
        }
    }

    /// Has those targets polled, and those regions looked up, that the wiring has now.
    fn follow_wiring(&mut self) {
        self.fleet.reconcile(self.wiring.plan());
        self.discovery.follow(&self.wiring.discoveries());
    }

    /// Takes in which regions an account has.
    fn take_in(&mut self, LookUp { account, found }: LookUp) {
        if let Ok(found) = found {
            let change = self.wiring.apply_discovery(&account, &found);
            for region in &change.added {
                tracing::info!(%account, %region, "region found");
            }
            for region in &change.removed {
                tracing::info!(%account, %region, "region is gone: three look-ups were without it");
            }
            self.fleet.reconcile(self.wiring.plan());
        }
        self.look_at_targets();
    }

    /// Looks for regions that have no VPN, and whether every target was tried. What counts is what a scrape shows: who finds
    /// the exporter ready must not find a hole.
    fn look_at_targets(&mut self) {
        let snapshot = self.changes.borrow_and_update().clone();
        let mut set_aside = false;
        for TargetSnapshot { target, .. } in
            snapshot.values().map(|state| &**state).filter(|state| state.is_without_vpn())
        {
            if !self.wiring.exclude(target) {
                continue;
            }
            set_aside = true;
            if self.without_vpn.insert(target.clone()) {
                let Target { account, region } = target;
                tracing::info!(%account, %region, "region has no VPN; it is tried again after each look-up");
            }
        }
        if set_aside {
            self.fleet.reconcile(self.wiring.plan());
        }
        let is_tried = |target| snapshot.get(target).is_some_and(|state| state.last_poll.is_some());
        let tried = self.snapshots.current().keys().all(is_tried);
        if tried && self.discovery.is_tried() && !*self.ready.borrow() {
            self.ready.send_replace(true);
            tracing::info!(targets = snapshot.len(), "ready: every target was tried once");
        }
    }

    /// Reads the configuration again, unless the end is asked for meanwhile.
    async fn reload(&mut self, request: ReloadRequest, shutdown: &CancellationToken) {
        let read = shutdown.run_until_cancelled(read_in_time(read(&self.read_config)));
        let Some(read) = read.await else { return };
        let result = read
            .unwrap_or_else(|error| Err(error.to_string()))
            .and_then(|(config, authorities)| self.adopt(config, authorities));
        match &result {
            Ok(()) => {
                note_reload(&self.telemetry);
                tracing::info!("configuration reloaded");
            }
            Err(problems) => {
                self.telemetry.reload_successful.set(0);
                tracing::error!(%problems, "configuration not reloaded; the old one goes on");
            }
        }
        // Who asked may have gone away meanwhile.
        let _ = request.reply.send(result);
    }

    /// Takes a new configuration whole, or not at all.
    fn adopt(&mut self, config: Config, authorities: Authorities) -> Result<(), String> {
        let wiring = self.wiring.reloaded(config, authorities).map_err(|error| error.to_string())?;
        let tag_labels = &wiring.config().metrics.tag_labels;
        if *tag_labels != self.wiring.config().metrics.tag_labels {
            let renderer =
                Renderer::new(&self.telemetry, tag_labels.clone()).map_err(|error| error.to_string())?;
            self.replace_renderer(renderer);
        }
        let before = std::mem::replace(&mut self.wiring, wiring);
        let stays = |name: &AccountName| self.wiring.accounts().any(|present| present == name);
        let gone: Vec<_> = before.accounts().filter(|name| !stays(name)).collect();
        self.follow_wiring();
        for account in gone {
            self.telemetry.forget(account, &ACTIONS);
        }
        Ok(())
    }

    fn replace_renderer(&mut self, renderer: Renderer) {
        self.renderer.abort();
        let keep =
            keep_rendered(renderer, self.snapshots.subscribe(), self.expositions.clone(), self.shown.clone());
        self.renderer = self.renderers.spawn(keep);
    }

    async fn stop(mut self) {
        self.fleet.stop().await;
        self.discovery.stop().await;
        self.renderers.shutdown().await;
        while self.server.join_next().await.is_some() {}
    }
}

/// A part that was replaced has a right to end; one that panicked has not.
fn accept_end<T>(part: &'static str, ended: Result<T, JoinError>) -> Result<Option<T>, AppError> {
    match ended {
        Ok(value) => Ok(Some(value)),
        Err(source) if source.is_cancelled() => Ok(None),
        Err(source) => Err(AppError::Part { part, source }),
    }
}

fn note_reload(telemetry: &Telemetry) {
    telemetry.reload_successful.set(1);
    telemetry.reload_success_time.set(Timestamp::now().as_millisecond() as f64 / 1000.0);
}
