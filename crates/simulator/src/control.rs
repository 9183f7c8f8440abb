//! Controls a simulated world from a test or a demo: reads the requests and changes the tunnels.

use std::{
    sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use serde_json::Value;

use super::{
    api::Api,
    behaviour::Behaviour,
    faults::{Fault, InvalidFault},
    identity::{Account, Credentials, instance_role},
    journal::Entry,
    options::{InvalidOptions, Options},
    regions::OfferedRegion,
    request::Action,
    roles::WebIdentity,
    tunnel::Tunnel,
    world::{GatewayState, World},
};

/// The object to change does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// The options named no such region.
    #[error("region {0} is not simulated; name it in the options")]
    Region(String),
    /// There is neither such an account nor such a role.
    #[error("neither an account nor a role is {0:?}; name an account's number or a role's ARN")]
    Identity(String),
    /// No product offers such an action.
    #[error("action {0:?} is not offered; name one that is")]
    Action(String),
    /// The region has no such gateway.
    #[error("gateway {0} is not there; choose one that a tunnel is on")]
    Gateway(String),
    /// The region has no such tunnel, or has no longer.
    #[error("tunnel {0} is not there; choose one that is listed")]
    Tunnel(String),
}

/// Sees and changes a simulated world while it is served. Clones control the same world; nothing of it waits.
#[derive(Debug, Clone)]
pub struct Control {
    api: Arc<Api>,
    options: Arc<Options>,
}

impl Control {
    pub(super) fn new(options: &Options) -> Result<Self, InvalidOptions> {
        options.check()?;
        let control = Self { api: Arc::new(Api::new(options)), options: Arc::new(options.clone()) };
        control.api.faults.replace(options.faults.clone());
        Ok(control)
    }

    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    /// The credentials of the first account.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.accounts()[0].credentials
    }

    /// The accounts that have credentials of their own; there is at least one.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.api.identities.accounts
    }

    /// Forbids an account, by its number, or a role, by its ARN, an action.
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

    /// Makes all temporary credentials that were given so far worthless, before they expire.
    pub fn revoke_tokens(&self) {
        self.api.identities.sessions.revoke();
    }

    /// Changes what pods have to show to take on a role.
    pub fn set_web_identity(&self, accepted: Option<WebIdentity>) {
        *self.api.web_identity.lock().unwrap_or_else(PoisonError::into_inner) = accepted;
    }

    /// Changes what `DescribeRegions` tells. Which regions there are stays as it is.
    pub fn set_offered_regions(&self, offered: Vec<OfferedRegion>) {
        *self.api.offered.lock().unwrap_or_else(PoisonError::into_inner) = offered;
    }

    /// The last 10,000 requests, in the order in which they were answered.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.api.journal.entries()
    }

    /// Forgets the requests so far.
    pub fn clear_journal(&self) {
        self.api.journal.clear();
    }

    /// Waits until the requests so far meet a condition. It may be cancelled; a deadline is the caller's to set.
    pub async fn until(&self, condition: impl Fn(&[Entry]) -> bool) {
        self.api.journal.until(condition).await;
    }

    /// Replaces all active faults with these.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), InvalidFault> {
        self.options.check_faults(&faults)?;
        self.api.faults.replace(faults);
        Ok(())
    }

    /// The faults in force, those that are over included.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.api.faults.list()
    }

    /// Pushes the world's time on. The clock that signatures are checked by stays as it is.
    pub fn advance(&self, by: Duration) {
        self.api.clock.advance(by);
    }

    /// The rows that a region's listing has now, in its order: what a client should come to see.
    pub fn rows(&self, region: &str) -> Result<Vec<Value>, NotFound> {
        let now = self.api.clock.now().world;
        let world = self.read();
        let region = world.region(region).ok_or_else(|| no_region(region))?;
        Ok(region.listed(now).map(|row| serde_json::to_value(row).expect("a row can be written")).collect())
    }

    /// The identifiers of the tunnels that a region's listing has now, in its order.
    pub fn ids(&self, region: &str) -> Result<Vec<String>, NotFound> {
        let now = self.api.clock.now().world;
        let world = self.read();
        let region = world.region(region).ok_or_else(|| no_region(region))?;
        Ok(region.listed(now).map(|row| row.tunnel.id.clone()).collect())
    }

    /// Makes a tunnel that is and stays up, at the end of the listing, and tells its identifier.
    pub fn add(&self, region: &str) -> Result<String, NotFound> {
        let mut world = self.write();
        let there = world.region_mut(region).ok_or_else(|| no_region(region))?;
        Ok(there.add(Behaviour::Steady).id.clone())
    }

    /// Takes a tunnel away at once.
    pub fn remove(&self, region: &str, id: &str) -> Result<(), NotFound> {
        let mut world = self.write();
        let there = world.region_mut(region).ok_or_else(|| no_region(region))?;
        there.remove(id).map(drop).ok_or_else(|| NotFound::Tunnel(id.to_owned()))
    }

    /// Gives a field of a tunnel's row a value of any kind, from now on and whatever the tunnel's plan says: `State`
    /// or `VpnConnectionName`, say, or one that the document does not know.
    pub fn set(&self, region: &str, id: &str, field: &str, value: impl Into<Value>) -> Result<(), NotFound> {
        let value = value.into();
        self.change(region, id, |tunnel| tunnel.changes.insert(field.to_owned(), Some(value)))
    }

    /// Leaves a field out of a tunnel's row from now on.
    pub fn omit(&self, region: &str, id: &str, field: &str) -> Result<(), NotFound> {
        self.change(region, id, |tunnel| tunnel.changes.insert(field.to_owned(), None))
    }

    /// Undoes every [`set`](Self::set) and [`omit`](Self::omit) of a tunnel.
    pub fn restore(&self, region: &str, id: &str) -> Result<(), NotFound> {
        self.change(region, id, |tunnel| tunnel.changes.clear())
    }

    /// Has a gateway allow or refuse the deletion of its tunnels, from now on.
    pub fn set_gateway(&self, region: &str, id: &str, state: GatewayState) -> Result<(), NotFound> {
        let mut world = self.write();
        let there = world.region_mut(region).ok_or_else(|| no_region(region))?;
        there.gateway_mut(id).ok_or_else(|| NotFound::Gateway(id.to_owned()))?.state = state;
        Ok(())
    }

    fn change<T>(
        &self,
        region: &str,
        id: &str,
        change: impl FnOnce(&mut Tunnel) -> T,
    ) -> Result<(), NotFound> {
        let mut world = self.write();
        let there = world.region_mut(region).ok_or_else(|| no_region(region))?;
        let tunnel = there.tunnel_mut(id).ok_or_else(|| NotFound::Tunnel(id.to_owned()))?;
        change(tunnel);
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, World> {
        self.api.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, World> {
        self.api.world.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_region(region: &str) -> NotFound {
    NotFound::Region(region.to_string())
}
