//! Controls the simulator from a test or a demo: reads the journal and changes the tunnels and gateways.

mod gateways;
mod traffic;

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    api::Api,
    behaviour::Behaviour,
    faults::{Fault, InvalidFault},
    identity::{Account, Credentials, instance_role},
    journal::Entry,
    options::{InvalidOptions, Options},
    region_world::RegionWorld,
    regions::OfferedRegion,
    request::Action,
    roles::WebIdentity,
    tunnel::Tunnel,
};

/// The object to change does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// The options do not contain this region.
    #[error("region {0} is not simulated; name it in the options")]
    Region(String),
    /// No account has this number, and no role has this ARN.
    #[error("{0:?} is not an account or a role; use an account number or a role ARN")]
    Identity(String),
    /// No product has this action.
    #[error("action {0:?} is not simulated; choose a simulated action")]
    Action(String),
    /// The region does not have this gateway.
    #[error("gateway {0} does not exist; choose a listed gateway")]
    Gateway(String),
    /// The region does not have this customer gateway.
    #[error("customer gateway {0} does not exist; choose a listed customer gateway")]
    CustomerGateway(String),
    /// The region does not have this tunnel.
    #[error("tunnel {0} does not exist; choose a listed tunnel")]
    Tunnel(String),
}

/// Reads and changes the simulated world while the simulator runs. All clones control the same world.
#[derive(Debug, Clone)]
pub struct Control {
    api: Arc<Api>,
    options: Arc<Options>,
}

impl Control {
    pub(crate) fn new(options: &Options) -> Result<Self, InvalidOptions> {
        options.check()?;
        let control = Self { api: Arc::new(Api::new(options)), options: Arc::new(options.clone()) };
        control.api.faults.replace(options.faults.clone());
        Ok(control)
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// The credentials of the first account.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.accounts()[0].credentials
    }

    /// The accounts with permanent credentials; at least one.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.api.identities.accounts
    }

    /// Forbids an action for an account (by number) or a role (by ARN).
    pub fn forbid(&self, who: &str, action: &str) -> Result<(), NotFound> {
        self.permit(who, action, false)
    }

    /// Undoes a [`forbid`](Self::forbid).
    pub fn allow(&self, who: &str, action: &str) -> Result<(), NotFound> {
        self.permit(who, action, true)
    }

    fn permit(&self, who: &str, action: &str, permitted: bool) -> Result<(), NotFound> {
        let mut roles = self
            .options
            .roles
            .iter()
            .cloned()
            .chain(self.options.instance_role.as_deref().map(instance_role));
        let known = self.accounts().iter().any(|account| account.number == who)
            || roles.any(|role| role.account == who || role.arn() == who);
        if !known {
            return Err(NotFound::Identity(who.to_owned()));
        }
        if !Action::is_offered(action) {
            return Err(NotFound::Action(action.to_owned()));
        }
        self.api.identities.permit(who, action, permitted);
        Ok(())
    }

    /// Revokes all temporary credentials issued so far, before they expire.
    pub fn revoke_tokens(&self) {
        self.api.identities.sessions.revoke();
    }

    /// Changes the web identity that pods need to assume a role; `None` accepts no pod.
    pub fn set_web_identity(&self, accepted: Option<WebIdentity>) {
        *self.api.web_identity.lock().unwrap_or_else(PoisonError::into_inner) = accepted;
    }

    /// Changes the response of `DescribeRegions`. The simulated regions do not change.
    pub fn set_offered_regions(&self, offered: Vec<OfferedRegion>) {
        *self.api.offered.lock().unwrap_or_else(PoisonError::into_inner) = offered;
    }

    /// The last 10,000 requests, in the order of their responses.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.api.journal.entries()
    }

    /// Removes all journal entries.
    pub fn clear_journal(&self) {
        self.api.journal.clear();
    }

    /// Waits until the journal meets a condition. It has no timeout, and it can be cancelled.
    pub async fn until(&self, condition: impl Fn(&[Entry]) -> bool) {
        self.api.journal.until(condition).await;
    }

    /// Replaces all active faults with these.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), InvalidFault> {
        self.options.check_faults(&faults)?;
        self.api.faults.replace(faults);
        Ok(())
    }

    /// The faults that were set, including those that have ended.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.api.faults.list()
    }

    /// Moves the simulated time forward. The clock used to check signatures and the timestamps of data points do not
    /// change: a data point of an hour ago then has the status of an hour before the new time.
    pub fn advance(&self, by: Duration) {
        self.api.clock.advance(by);
    }

    /// The current rows of a region's tunnels, in the order of creation.
    pub fn rows(&self, region: &str) -> Result<Vec<Value>, NotFound> {
        self.read(region, |region, now| values(region.tunnels(now)))
    }

    /// The identifiers of a region's current tunnels, in the order of creation.
    pub fn ids(&self, region: &str) -> Result<Vec<String>, NotFound> {
        self.read(region, |region, now| region.tunnels(now).map(|row| row.tunnel.id.clone()).collect())
    }

    /// Adds a tunnel that is always up, at the end of the rows, and returns its identifier. Cloud Monitor has no data of
    /// the time before.
    pub fn add(&self, region: &str) -> Result<String, NotFound> {
        let now = self.api.clock.now().world;
        self.write(region, |region| Ok(region.add(Behaviour::Steady, now).id.clone()))
    }

    /// Removes a tunnel immediately, without the `DELETING` state.
    pub fn remove(&self, region: &str, id: &str) -> Result<(), NotFound> {
        self.write(region, |region| {
            region.remove(id).map(drop).ok_or_else(|| NotFound::Tunnel(id.to_owned()))
        })
    }

    /// Sets a field of a tunnel's row from now on, for example `State`. It overrides the planned behaviour. The field
    /// can be undocumented, and the value can have any JSON type.
    pub fn set(&self, region: &str, id: &str, field: &str, value: impl Into<Value>) -> Result<(), NotFound> {
        let value = value.into();
        self.change(region, id, |tunnel| tunnel.changes.set(field, Some(value)))
    }

    /// Removes a field from a tunnel's row from now on.
    pub fn omit(&self, region: &str, id: &str, field: &str) -> Result<(), NotFound> {
        self.change(region, id, |tunnel| tunnel.changes.set(field, None))
    }

    /// Undoes every [`set`](Self::set) and [`omit`](Self::omit) of a tunnel.
    pub fn restore(&self, region: &str, id: &str) -> Result<(), NotFound> {
        self.change(region, id, |tunnel| tunnel.changes.clear())
    }

    fn change(&self, region: &str, id: &str, change: impl FnOnce(&mut Tunnel)) -> Result<(), NotFound> {
        self.write(region, |region| {
            let tunnel = region.tunnel_mut(id).ok_or_else(|| NotFound::Tunnel(id.to_owned()))?;
            change(tunnel);
            Ok(())
        })
    }

    /// Reads a region at the current simulated time.
    fn read<T>(&self, region: &str, read: impl FnOnce(&RegionWorld, Duration) -> T) -> Result<T, NotFound> {
        let now = self.api.clock.now().world;
        let world = self.api.world.read().unwrap_or_else(PoisonError::into_inner);
        world.region(region).map(|region| read(region, now)).ok_or_else(|| no_region(region))
    }

    /// Changes a region.
    fn write<T>(
        &self,
        region: &str,
        write: impl FnOnce(&mut RegionWorld) -> Result<T, NotFound>,
    ) -> Result<T, NotFound> {
        let mut world = self.api.world.write().unwrap_or_else(PoisonError::into_inner);
        write(world.region_mut(region).ok_or_else(|| no_region(region))?)
    }
}

fn values(rows: impl Iterator<Item = impl Serialize>) -> Vec<Value> {
    rows.map(|row| serde_json::to_value(row).expect("a row can be written")).collect()
}

fn no_region(region: &str) -> NotFound {
    NotFound::Region(region.to_owned())
}
