//! `tunnels delete`: shows a tunnel, asks, deletes it once, and waits until it is gone.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Failure, one_line};
use crate::{
    cli::DeleteFlags,
    commands::{SOLE, prepare, print, start_log, usage},
    domain::{Target, Tunnel, TunnelState, Verdict},
    poll::TargetApi,
    tencent::{
        ApiError,
        deletion::{Accepted, DELETE_VPN_CONNECTION, DeleteVpnConnection, DeletionError},
        vpn::{DescribeVpnConnections, Filter, PAGE_ROWS, VPN_CONNECTION_ID},
    },
};

/// How often the API is asked whether the tunnel is gone.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How long one look may take, retries included.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the request is sent at most, where it is not known whether the ones before it arrived.
const ATTEMPTS: usize = 3;

pub(super) async fn run(flags: &DeleteFlags) -> Result<(), Failure> {
    start_log(&flags.log)?;
    if !flags.yes && !flags.dry_run && !io::stdin().is_terminal() {
        return Err(usage(
            "refused: this is not a terminal, so nobody can be asked; to delete all the same, add --yes",
        ));
    }
    let mut wiring = prepare(&flags.config, SOLE).await?.wiring;
    let target = Target { account: flags.account.clone(), region: flags.region.clone() };
    let settings = wiring
        .plan()
        .remove(&target)
        .ok_or_else(|| usage(format!("{target} is not configured; name an account and a region that are")))?;
    let deletion = Deletion { flags, api: &settings.api };
    deletion.run().await
}

struct Deletion<'a> {
    flags: &'a DeleteFlags,
    api: &'a TargetApi,
}

impl Deletion<'_> {
    async fn run(&self) -> Result<(), Failure> {
        let id = &self.flags.vpn_connection_id;
        let tunnel = self.look().await?.ok_or(DeletionError::NotFound)?;
        print(self.description(&tunnel).as_bytes())?;
        if self.flags.dry_run {
            return print(b"Nothing was deleted: this was a dry run.\n");
        }
        if !self.flags.yes && !self.ask()? {
            print(b"Nothing was deleted.\n")?;
            return Err(Failure::Said);
        }
        if !self.begin().await? {
            return print(format!("{id} is gone.\n").as_bytes());
        }
        if self.flags.no_wait {
            return print(format!("{id} is being deleted.\n").as_bytes());
        }
        self.wait().await
    }

    /// The tunnel as it is now; none if it is not there.
    async fn look(&self) -> Result<Option<Tunnel>, ApiError> {
        let id = &self.flags.vpn_connection_id;
        let filters = [Filter { name: VPN_CONNECTION_ID.into(), values: vec![id.to_string()] }];
        let parameters = DescribeVpnConnections { filters: &filters, offset: 0, limit: PAGE_ROWS };
        let page = self.api.describe(&parameters, Instant::now() + LOOK_TIMEOUT).await?;
        Ok(page.tunnels.into_iter().find(|tunnel| tunnel.id == *id))
    }

    fn description(&self, tunnel: &Tunnel) -> String {
        let health = tunnel.health_check.status();
        let warning = match tunnel.verdict() {
            Verdict::Up => "\nWARNING: this tunnel is UP. Whatever is reached through it will be cut off.\n",
            Verdict::Down | Verdict::Unknown => "",
        };
        format!(
            "Tunnel      {} \"{}\"\nAccount     {}\nRegion      {}\nGateway     {}\n\
             State       {}\nNet status  {}\nHealth      {}\n{warning}\n",
            tunnel.id,
            one_line(&tunnel.name),
            self.flags.account,
            self.flags.region,
            one_line(&tunnel.vpn_gateway_id),
            tunnel.state,
            tunnel.net_status,
            health.map_or("no check configured", |status| status.as_str()),
        )
    }

    /// Whether the one at the terminal types the tunnel's id.
    fn ask(&self) -> Result<bool, Failure> {
        let id = self.flags.vpn_connection_id.as_str();
        print(b"Type the id of the tunnel to delete it for good: ")?;
        let mut typed = String::new();
        io::stdin().read_line(&mut typed)?;
        let same = typed.trim() == id;
        if !same {
            print(format!("That is not {id}.\n").as_bytes())?;
        }
        Ok(same)
    }

    /// Sends the request; false if the tunnel is gone already. A request of which it is not known whether it arrived is
    /// sent again only after a look that shows the tunnel untouched.
    async fn begin(&self) -> Result<bool, DeletionError> {
        let mut attempt = 1;
        loop {
            let error = match self.delete().await {
                Ok(()) => return Ok(true),
                Err(DeletionError::Ambiguous(error)) => error,
                Err(other) => return Err(other),
            };
            eprintln!("{}; looking at the tunnel", DeletionError::Ambiguous(error.clone()));
            match self.look().await {
                Ok(None) => return Ok(false),
                Ok(Some(tunnel)) if tunnel.state == TunnelState::Deleting => return Ok(true),
                Ok(Some(_)) if attempt < ATTEMPTS => attempt += 1,
                Ok(Some(_)) | Err(_) => return Err(DeletionError::Ambiguous(error)),
            }
        }
    }

    async fn delete(&self) -> Result<(), DeletionError> {
        let parameters = DeleteVpnConnection {
            vpn_gateway_id: &self.flags.vpn_gateway_id,
            vpn_connection_id: self.flags.vpn_connection_id.as_str(),
        };
        let Accepted = self.api.once(DELETE_VPN_CONNECTION, parameters.body()).await?;
        Ok(())
    }

    async fn wait(&self) -> Result<(), Failure> {
        let id = &self.flags.vpn_connection_id;
        let start = Instant::now();
        let mut progress = Progress::start(id.as_str())?;
        loop {
            let gone = match self.look().await {
                Ok(tunnel) => tunnel.is_none(),
                // The deletion goes on whether or not it can be watched.
                Err(error) => {
                    progress.note(&error.to_string());
                    false
                }
            };
            let waited = start.elapsed();
            if gone {
                progress.clear();
                return print(format!("{id} is gone after {} s.\n", waited.as_secs()).as_bytes());
            }
            if waited >= self.flags.timeout {
                let limit = humantime::format_duration(self.flags.timeout);
                progress.clear();
                return Err(anyhow::anyhow!(
                    "{id} is not gone after {limit}; it may still be being deleted: see `tunnels list --state deleting`"
                )
                .into());
            }
            progress.tick(waited);
            sleep(LOOK_AGAIN.min(self.flags.timeout.saturating_sub(waited))).await;
        }
    }
}

/// One line that is written over and over on a terminal, and two lines elsewhere.
struct Progress {
    what: String,
    on_terminal: bool,
}

impl Progress {
    fn start(id: &str) -> Result<Self, Failure> {
        let progress = Self { what: format!("Deleting {id}"), on_terminal: io::stdout().is_terminal() };
        if !progress.on_terminal {
            print(format!("{} …\n", progress.what).as_bytes())?;
        }
        Ok(progress)
    }

    fn tick(&mut self, waited: Duration) {
        self.write(&format!("{} … {} s", self.what, waited.as_secs()));
    }

    fn note(&mut self, problem: &str) {
        self.clear();
        eprintln!("cannot see how it goes: {problem}");
    }

    fn clear(&mut self) {
        self.write("");
    }

    /// Writes over the present line; a progress line that cannot be shown is no reason to fail.
    fn write(&mut self, line: &str) {
        if self.on_terminal {
            let mut out = io::stdout();
            let _ = write!(out, "\r\x1b[2K{line}");
            let _ = out.flush();
        }
    }
}
