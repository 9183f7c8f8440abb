//! `tunnels delete`: shows a tunnel, asks, has it deleted, and waits until it is gone.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use anyhow::anyhow;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Failure, one_line};
use crate::{
    cli::DeleteFlags,
    commands::{Prepared, prepare, print, start_log, usage},
    domain::{NetStatus, Shard, Target, Tunnel, TunnelState, TunnelStatus},
    poll::{failure, listing},
    tencent::{
        account::Account,
        action::{Action, Service},
        delete_vpn_connection::{DeleteVpnConnection, DeletionError},
        describe_vpn_connections::DescribeVpnConnections,
        error::ApiError,
    },
};

/// The pause before the tunnel is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How long one look goes on trying.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the request is sent at most, where it is not known whether the ones before it arrived.
const ATTEMPTS: usize = 3;

pub(super) async fn run(flags: &DeleteFlags) -> Result<(), Failure> {
    start_log(&flags.log)?;
    let can_ask = io::stdin().is_terminal() && io::stdout().is_terminal();
    if !(flags.yes || flags.dry_run || can_ask) {
        return Err(usage(
            "refused: this is not a terminal, so nobody can be asked; to delete all the same, add --yes",
        ));
    }
    let Prepared { wiring, regions_known, .. } = prepare(&flags.config, Shard::SOLE).await?;
    let target = Target { account: flags.account.clone(), region: flags.region.clone() };
    let Some(assignment) = wiring.plan().remove(&target) else {
        let unconfigured =
            || usage(format!("{target} is not configured; name an account and a region that are"));
        return Err(if regions_known { unconfigured() } else { Failure::Said });
    };
    Deletion { flags, target, account: &assignment.account }.run().await
}

/// How a deletion has begun.
enum Begun {
    /// The API has accepted it.
    Accepted,
    /// The API does not find the tunnel that it has just shown.
    NotFound,
}

struct Deletion<'a> {
    flags: &'a DeleteFlags,
    target: Target,
    account: &'a Account,
}

impl Deletion<'_> {
    async fn run(&self) -> Result<(), Failure> {
        let tunnel = self.find().await?;
        print(self.description(&tunnel).as_bytes())?;
        if self.flags.dry_run {
            return print(b"Nothing was deleted: this was a dry run.\n");
        }
        if !self.flags.yes && !self.confirm(tunnel).await? {
            return Err(Failure::Said);
        }
        let start = Instant::now();
        let begun = self.begin(start + self.flags.timeout).await?;
        if !self.flags.no_wait {
            return self.wait(start).await;
        }
        let id = &self.flags.vpn_connection_id;
        let told = match begun {
            Begun::Accepted => format!("Tencent Cloud has accepted the deletion of {id}.\n"),
            Begun::NotFound => format!("Tencent Cloud does not find {id}, so it counts as deleted.\n"),
        };
        print(told.as_bytes())
    }

    /// Asks, until the tunnel is still as it was shown when the answer comes: it may come up while the question waits.
    async fn confirm(&self, mut shown: Tunnel) -> Result<bool, Failure> {
        while self.ask()? {
            let now = self.find().await?;
            if self.description(&now) == self.description(&shown) {
                return Ok(true);
            }
            print(format!("The tunnel has changed meanwhile:\n\n{}", self.description(&now)).as_bytes())?;
            shown = now;
        }
        Ok(false)
    }

    /// The tunnel as it is now, on the gateway that was named.
    async fn find(&self) -> anyhow::Result<Tunnel> {
        let DeleteFlags { vpn_connection_id: id, vpn_gateway_id: gateway, .. } = self.flags;
        let found =
            self.look().await.map_err(|error| anyhow!("{}: {}", self.target, self.explain(&error)))?;
        let tunnel = found.ok_or_else(|| {
            anyhow!("{} has no tunnel {id}; `tunnels list` shows which there are", self.target)
        })?;
        if *tunnel.vpn_gateway_id == **gateway {
            Ok(tunnel)
        } else {
            let own = one_line(&tunnel.vpn_gateway_id);
            Err(anyhow!("{id} is not on {gateway} but on {own}; name that gateway if you mean this tunnel"))
        }
    }

    /// The tunnel as it is now. `None` only where a complete response does not list it, or where the API does not find it.
    async fn look(&self) -> Result<Option<Tunnel>, ApiError> {
        let deadline = Instant::now() + LOOK_TIMEOUT;
        listing::find(self.account, &self.target.region, &self.flags.vpn_connection_id, deadline).await
    }

    /// An error of a look-up with its place and remedy.
    fn explain(&self, error: &ApiError) -> String {
        self.message(error, DescribeVpnConnections::PERMISSION)
    }

    /// The same for the deletion itself.
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
            "Tunnel      {} \"{}\"\nAccount     {}\nRegion      {}\nGateway     {}\nPeer        {}\n\
             State       {}\nNet status  {}\nHealth      {}\n\n{}",
            tunnel.id,
            one_line(&tunnel.name),
            self.target.account,
            self.target.region,
            one_line(&tunnel.vpn_gateway_id),
            one_line(&tunnel.remote_identity),
            tunnel.state,
            tunnel.net_status,
            health.map_or("no check configured", |status| status.as_str()),
            warning(tunnel),
        )
    }

    /// Whether the one at the terminal types the tunnel's id.
    fn ask(&self) -> Result<bool, Failure> {
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

    /// Sends the request. After one of which it is not known whether it arrived, the tunnel is looked at: only if it is
    /// untouched the request is sent again. While the gateway is not available, it is sent again until the deadline.
    async fn begin(&self, deadline: Instant) -> Result<Begun, DeletionError> {
        let (mut ambiguous, mut is_told) = (0, false);
        loop {
            let Err(error) = self.delete().await else { return Ok(Begun::Accepted) };
            let may_retry = match &error {
                DeletionError::NotFound(cause) => {
                    eprintln!("{cause}: the tunnel counts as deleted");
                    return Ok(Begun::NotFound);
                }
                DeletionError::Ambiguous(cause) => {
                    let cause = self.explain_deletion(cause);
                    eprintln!("{cause}: the request may have arrived all the same; looking at the tunnel");
                    ambiguous += 1;
                    ambiguous < ATTEMPTS
                }
                DeletionError::GatewayUnavailable(cause) => {
                    if !std::mem::replace(&mut is_told, true) {
                        eprintln!("{cause}: the gateway is not available; trying again");
                    }
                    Instant::now() + LOOK_AGAIN < deadline
                }
                _ => false,
            };
            let may_have_arrived = ambiguous > 0;
            if !may_retry && !may_have_arrived {
                return Err(error);
            }
            sleep(LOOK_AGAIN).await;
            if !may_have_arrived {
                continue;
            }
            // Behind a request that may have arrived, even a refusal can mean that the deletion is under way.
            match self.look().await {
                Ok(None) => return Ok(Begun::Accepted),
                Ok(Some(tunnel)) if tunnel.state == TunnelState::Deleting => return Ok(Begun::Accepted),
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

    /// Waits until the tunnel is gone, for as long as the flags allow since `start`.
    async fn wait(&self, start: Instant) -> Result<(), Failure> {
        let DeleteFlags { vpn_connection_id: id, timeout: limit, .. } = self.flags;
        let progress = Progress::start(format!("Deleting {id} …"))?;
        let is_gone = timeout_at(start + *limit, self.until_gone(&progress, start)).await.is_ok();
        progress.clear();
        if is_gone {
            return print(format!("{id} is gone after {} s.\n", start.elapsed().as_secs()).as_bytes());
        }
        let limit = humantime::format_duration(*limit);
        Err(anyhow!("{id} is not gone after {limit}; it may go later: see `tunnels list`").into())
    }

    /// Looks until the tunnel is gone. The deletion goes on whether or not it can be watched, so failures are only told:
    /// once for each that is of another kind than the one before.
    async fn until_gone(&self, progress: &Progress, start: Instant) {
        let mut told = None;
        loop {
            match self.look().await {
                Ok(None) => return,
                Ok(Some(_)) => told = None,
                Err(error) if told == Some(error.reason()) => {}
                Err(error) => {
                    told = Some(error.reason());
                    progress.note(&self.explain(&error));
                }
            }
            progress.tick(start.elapsed());
            sleep(LOOK_AGAIN).await;
        }
    }
}

fn warning(tunnel: &Tunnel) -> &'static str {
    match (tunnel.connection(), tunnel.net_status) {
        (TunnelStatus::Up, _) => {
            "WARNING: this tunnel is UP. Whatever is reached through it will be cut off.\n\n"
        }
        (_, NetStatus::Unavailable) => "",
        _ => "WARNING: this tunnel may be in use. Whatever is reached through it will be cut off.\n\n",
    }
}

/// One line that is written over and over on a terminal, and once elsewhere.
struct Progress {
    what: String,
    on_terminal: bool,
}

impl Progress {
    fn start(what: String) -> Result<Self, Failure> {
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
        eprintln!("the tunnel cannot be looked at: {problem}");
    }

    fn clear(&self) {
        self.write("");
    }

    /// Writes over the present line; a progress line that cannot be shown is no reason to fail.
    fn write(&self, line: &str) {
        if self.on_terminal {
            let mut out = io::stdout();
            let _ = write!(out, "\r\x1b[2K{line}");
            let _ = out.flush();
        }
    }
}
