//! `tunnels delete`: shows a tunnel, asks for confirmation, deletes it, and waits until it is deleted.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    cli::DeleteFlags,
    commands::{
        error::{CommandError, usage},
        output::{one_line, print},
        poll_once::{PreparedPolls, prepare},
    },
    domain::{
        row::Row,
        shard::Shard,
        status::{NetStatus, Status, TunnelState},
        target::Target,
        tunnel::Tunnel,
        tunnel_status::TunnelStatus,
    },
    logging,
    poll::{failure, listing},
    tencent::{
        account::Account,
        action::{Action, Service},
        delete_vpn_connection::{DeleteVpnConnection, DeletionError},
        describe_vpn_connections::DescribeVpnConnections,
        error::ApiError,
    },
};

/// The pause before the next query of the tunnel.
const QUERY_PAUSE: Duration = Duration::from_secs(2);

/// The time limit of one query of the tunnel, with retries.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of requests, if it is unknown whether the earlier ones arrived.
const MAX_ATTEMPTS: usize = 3;

pub(in crate::commands) async fn run(flags: &DeleteFlags) -> Result<(), CommandError> {
    logging::start(&flags.log.level, flags.log.format);
    let can_ask = io::stdin().is_terminal() && io::stdout().is_terminal();
    if !(flags.yes || flags.dry_run || can_ask) {
        return Err(usage(
            "refused: this is not a terminal, so the deletion cannot be confirmed; to delete without a question, add --yes",
        ));
    }
    let PreparedPolls { wiring, regions_known, .. } = prepare(&flags.config, Shard::SOLE).await?;
    let target = Target { account: flags.account.clone(), region: flags.region.clone() };
    let Some(assignment) = wiring.plan().remove(&target) else {
        let unconfigured =
            || usage(format!("{target} is not configured; name an account and a region that are"));
        return Err(if regions_known { unconfigured() } else { CommandError::AlreadyReported });
    };
    Deletion { flags, target, account: &assignment.account }.run().await
}

/// The result of starting a deletion.
enum StartResult {
    /// The API has accepted it.
    Accepted,
    /// The API does not find the tunnel that it listed just before.
    NotFound,
}

struct Deletion<'a> {
    flags: &'a DeleteFlags,
    target: Target,
    account: &'a Account,
}

impl Deletion<'_> {
    async fn run(&self) -> Result<(), CommandError> {
        let tunnel = self.find().await?;
        print(self.description(&tunnel).as_bytes())?;
        if self.flags.dry_run {
            return print(b"Nothing was deleted: this was a dry run.\n");
        }
        if !self.flags.yes && !self.confirm(tunnel).await? {
            return Err(CommandError::AlreadyReported);
        }
        let start = Instant::now();
        let started = self.start(start + self.flags.timeout).await?;
        if !self.flags.no_wait {
            return self.wait(start).await;
        }
        let id = &self.flags.vpn_connection_id;
        let message = match started {
            StartResult::Accepted => format!("Tencent Cloud has accepted the deletion of {id}.\n"),
            StartResult::NotFound => format!("Tencent Cloud does not find {id}, so it counts as deleted.\n"),
        };
        print(message.as_bytes())
    }

    /// Asks for confirmation. Repeats the question if the tunnel changed while the user was answering, for example from down to
    /// up.
    async fn confirm(&self, mut shown: Tunnel) -> Result<bool, CommandError> {
        while self.ask()? {
            let now = self.find().await?;
            if self.description(&now) == self.description(&shown) {
                return Ok(true);
            }
            print(format!("The tunnel has changed:\n\n{}", self.description(&now)).as_bytes())?;
            shown = now;
        }
        Ok(false)
    }

    /// Queries the tunnel. It must be on the named gateway.
    async fn find(&self) -> anyhow::Result<Tunnel> {
        let DeleteFlags { vpn_connection_id: id, vpn_gateway_id: gateway, .. } = self.flags;
        let found =
            self.query().await.map_err(|error| anyhow!("{}: {}", self.target, self.explain(&error)))?;
        let tunnel =
            found.ok_or_else(|| anyhow!("{} has no tunnel {id}; see `tunnels list`", self.target))?;
        if *tunnel.vpn_gateway_id == **gateway {
            Ok(tunnel)
        } else {
            let own = one_line(&tunnel.vpn_gateway_id);
            Err(anyhow!("{id} is not on {gateway} but on {own}; name that gateway if you mean this tunnel"))
        }
    }

    /// Queries the tunnel. `None` only if a complete response does not list it, or if the API does not find it.
    async fn query(&self) -> Result<Option<Tunnel>, ApiError> {
        let deadline = Instant::now() + QUERY_TIMEOUT;
        listing::query_by_id(self.account, &self.target.region, &self.flags.vpn_connection_id, deadline).await
    }

    /// An error of a query with its place and remedy.
    fn explain(&self, error: &ApiError) -> String {
        self.message(error, DescribeVpnConnections::PERMISSION)
    }

    /// An error of the deletion with its place and remedy.
    fn explain_deletion(&self, error: &ApiError) -> String {
        self.message(error, DeleteVpnConnection::PERMISSION)
    }

    fn message(&self, error: &ApiError, permission: &str) -> String {
        let route = self.account.route(Service::VPC, &self.target.region);
        failure::from_error(error, &route, permission).message
    }

    fn description(&self, tunnel: &Tunnel) -> String {
        let health = tunnel.health_check.status();
        format!(
            "Tunnel      {} \"{}\"\nAccount     {}\nRegion      {}\nGateway     {}\nPeer IKE id {}\n\
             Status      {}\nState       {}\nNet status  {}\nHealth      {}\n\n{}",
            tunnel.id,
            one_line(&tunnel.name),
            self.target.account,
            self.target.region,
            one_line(&tunnel.vpn_gateway_id),
            one_line(&tunnel.remote_identity),
            tunnel.status(),
            tunnel.state,
            tunnel.net_status,
            health.map_or("no check configured", |status| status.as_str()),
            warning(tunnel),
        )
    }

    /// Whether the user types the tunnel's id.
    fn ask(&self) -> Result<bool, CommandError> {
        let id = self.flags.vpn_connection_id.as_str();
        print(b"Type the id of the tunnel to delete it permanently: ")?;
        let mut typed = String::new();
        if io::stdin().read_line(&mut typed)? == 0 {
            print(b"\n")?;
        }
        let is_same = typed.trim() == id;
        if !is_same {
            print(format!("Nothing was deleted: that is not {id}.\n").as_bytes())?;
        }
        Ok(is_same)
    }

    /// Sends the request. If it is unknown whether it arrived, the tunnel is queried, and the request is sent again only
    /// if the tunnel is unchanged. While the gateway is not available, the request is repeated until the deadline.
    async fn start(&self, deadline: Instant) -> Result<StartResult, DeletionError> {
        let (mut ambiguous, mut is_reported) = (0, false);
        loop {
            let Err(error) = self.delete().await else { return Ok(StartResult::Accepted) };
            let may_retry = match &error {
                DeletionError::NotFound(cause) => {
                    eprintln!("{cause}: the tunnel counts as deleted");
                    return Ok(StartResult::NotFound);
                }
                DeletionError::Ambiguous(cause) => {
                    let cause = self.explain_deletion(cause);
                    eprintln!("{cause}: the request may have arrived; querying the tunnel");
                    ambiguous += 1;
                    ambiguous < MAX_ATTEMPTS
                }
                DeletionError::GatewayUnavailable(cause) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        eprintln!("{cause}: the gateway is not available; trying again");
                    }
                    Instant::now() + QUERY_PAUSE < deadline
                }
                _ => false,
            };
            let may_have_arrived = ambiguous > 0;
            if !may_retry && !may_have_arrived {
                return Err(error);
            }
            sleep(QUERY_PAUSE).await;
            if !may_have_arrived {
                continue;
            }
            // If an earlier request may have arrived, an error can mean that the deletion has already started.
            match self.query().await {
                Ok(None) => return Ok(StartResult::Accepted),
                Ok(Some(tunnel)) if tunnel.state == TunnelState::Deleting => {
                    return Ok(StartResult::Accepted);
                }
                Ok(Some(_)) if may_retry => {}
                Ok(Some(_)) | Err(_) => return Err(error),
            }
        }
    }

    async fn delete(&self) -> Result<(), DeletionError> {
        let parameters = DeleteVpnConnection {
            vpn_gateway_id: &self.flags.vpn_gateway_id,
            vpn_connection_id: self.flags.vpn_connection_id.as_str(),
        };
        Ok(self.account.post_once(&parameters, &self.target.region).await?)
    }

    /// Waits until the tunnel is deleted, or until the time-out after `start`.
    async fn wait(&self, start: Instant) -> Result<(), CommandError> {
        let DeleteFlags { vpn_connection_id: id, timeout: limit, .. } = self.flags;
        let progress = Progress::start(format!("Deleting {id} …"))?;
        let is_deleted = timeout_at(start + *limit, self.until_deleted(&progress, start)).await.is_ok();
        progress.clear();
        if is_deleted {
            return print(format!("{id} was deleted after {} s.\n", start.elapsed().as_secs()).as_bytes());
        }
        let limit = humantime::format_duration(*limit);
        Err(anyhow!("{id} is not deleted after {limit}; it may still be deleted later: see `tunnels list`")
            .into())
    }

    /// Queries the tunnel until it is deleted. A failed query does not stop the deletion: it is reported once for each change
    /// of its reason.
    async fn until_deleted(&self, progress: &Progress, start: Instant) {
        let mut reported = None;
        loop {
            match self.query().await {
                Ok(None) => return,
                Ok(Some(_)) => reported = None,
                Err(error) if reported == Some(error.reason()) => {}
                Err(error) => {
                    reported = Some(error.reason());
                    progress.note(&self.explain(&error));
                }
            }
            progress.tick(start.elapsed());
            sleep(QUERY_PAUSE).await;
        }
    }
}

fn warning(tunnel: &Tunnel) -> &'static str {
    match (tunnel.status(), tunnel.net_status) {
        (TunnelStatus::Up, _) => "WARNING: this tunnel is UP. Hosts behind it will be cut off.\n\n",
        (_, NetStatus::Unavailable) => "",
        _ => "WARNING: this tunnel may be in use. Hosts behind it will be cut off.\n\n",
    }
}

/// A progress line: rewritten on a terminal, otherwise written once.
struct Progress {
    what: String,
    on_terminal: bool,
}

impl Progress {
    fn start(what: String) -> Result<Self, CommandError> {
        let progress = Self { what, on_terminal: io::stdout().is_terminal() };
        if !progress.on_terminal {
            print(format!("{}\n", progress.what).as_bytes())?;
        }
        Ok(progress)
    }

    fn tick(&self, waited: Duration) {
        self.write(&format!("{} {} s", self.what, waited.as_secs()));
    }

    fn note(&self, problem: &str) {
        self.clear();
        eprintln!("the query of the tunnel failed: {problem}");
    }

    fn clear(&self) {
        self.write("");
    }

    /// Replaces the current line. A failed write does not matter.
    fn write(&self, line: &str) {
        if self.on_terminal {
            let mut out = io::stdout();
            let _ = write!(out, "\r\x1b[2K{line}");
            let _ = out.flush();
        }
    }
}
