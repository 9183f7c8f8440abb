//! The API: turns the headers and body of a request into a response body. It uses no sockets; the time is an argument.

use std::{
    sync::{Mutex, PoisonError, RwLock},
    time::Duration,
};

use hyper::HeaderMap;
use serde::Serialize;

use super::{
    clock::{Clock, Now},
    delete::DeleteRequest,
    error::ApiError,
    faults::{FaultKind, Faults, Plan},
    identity::Identities,
    journal::{Entry, Journal},
    limit::Limit,
    listing::{Listing, Query},
    monitor::MonitorRequest,
    names,
    options::Options,
    parameters::Parameters,
    regions::{OfferedRegion, describe_regions},
    request::{self, Action, Call},
    roles::{Role, WebIdentity},
    sts::{assume_role, assume_role_with_web_identity},
    world::World,
};

#[derive(Debug)]
pub(super) struct Api {
    pub(super) clock: Clock,
    pub(super) identities: Identities,
    pub(super) world: RwLock<World>,
    pub(super) journal: Journal,
    pub(super) faults: Faults,
    /// The regions in the response of `DescribeRegions`.
    pub(super) offered: Mutex<Vec<OfferedRegion>>,
    pub(super) web_identity: Mutex<Option<WebIdentity>>,
    pub(super) instance_role: Option<String>,
    roles: Vec<Role>,
    pub(super) latency: Duration,
    deletion: Duration,
    requests_per_second: usize,
    limit: Mutex<Limit>,
    max_instances: usize,
}

/// The outer object of every response.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<T> {
    response: T,
}

#[derive(Serialize)]
struct ResponseContent<'a, T> {
    #[serde(flatten)]
    content: T,
    #[serde(rename = "RequestId")]
    request_id: &'a str,
}

/// The content of a response that has only a `RequestId`.
#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failure<'a> {
    error: Refusal<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal<'a> {
    code: &'a str,
    message: &'a str,
}

impl Api {
    pub(super) fn new(options: &Options) -> Self {
        let clock = Clock::new(options.speed);
        let started = i64::try_from(clock.now().unix).expect("the clock is within some decades");
        Self {
            identities: Identities::new(options),
            world: RwLock::new(World::new(options, started)),
            clock,
            journal: Journal::default(),
            faults: Faults::default(),
            offered: Mutex::new(options.offered()),
            web_identity: Mutex::new(options.web_identity.clone()),
            instance_role: options.instance_role.clone(),
            roles: options.roles.clone(),
            latency: options.latency,
            deletion: options.deletion,
            requests_per_second: options.requests_per_second,
            limit: Mutex::default(),
            max_instances: options.max_instances,
        }
    }

    /// Handles a request, valid or not, and writes it to the journal.
    pub(super) fn respond(&self, headers: &HeaderMap, body: &[u8], plan: &Plan, now: Now) -> Vec<u8> {
        let mut entry = entry(headers, plan, now);
        let result = match plan.error() {
            Some(code) => Err(ApiError::new(code.to_owned(), "This error was injected as a fault.")),
            None => self.perform(headers, body, now, &mut entry),
        };
        let response = result.unwrap_or_else(|error| {
            entry.error = Some(error.code.to_string());
            refusal(&error, &entry.request_id)
        });
        tracing::debug!(
            action = entry.action,
            region = entry.region,
            request_id = entry.request_id,
            error = entry.error,
            "request answered"
        );
        self.drift(plan, &entry, now);
        self.journal.write(entry);
        response
    }

    /// Writes a request to the journal whose response a fault replaces.
    pub(super) fn record_replaced(&self, headers: &HeaderMap, body: &[u8], plan: &Plan, now: Now) {
        let mut entry = entry(headers, plan, now);
        if let Ok(parameters) = Parameters::parse(body) {
            self.note(parameters, &mut entry);
        }
        self.journal.write(entry);
    }

    /// Adds valid parameters to a journal entry.
    fn note(&self, parameters: Parameters, entry: &mut Entry) {
        match Action::listing(&entry.action) {
            Some(listing) => {
                if let Ok(query) = Query::parse(listing, parameters) {
                    query.note(entry);
                }
            }
            None => {
                if let Ok(request) = MonitorRequest::parse(parameters, self.max_instances) {
                    request.note(entry);
                }
            }
        }
    }

    fn perform(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Now,
        entry: &mut Entry,
    ) -> Result<Vec<u8>, ApiError> {
        let Call { action, caller } = Call::admit(headers, body, &self.identities, now.unix)?;
        entry.account.clone_from(&caller.account);
        let region = if action.is_regional() { &*entry.region } else { "" };
        if action.is_regional() {
            self.world.read().unwrap_or_else(PoisonError::into_inner).required_region(region)?;
        }
        self.identities.check_permission(&caller, action.name())?;
        self.limit(&caller.account, region, action, now)?;
        let parameters = Parameters::parse(body)?;
        match action {
            Action::DescribeVpnConnections => self.describe(Listing::VpnConnections, parameters, now, entry),
            Action::DescribeVpnGateways => self.describe(Listing::VpnGateways, parameters, now, entry),
            Action::DescribeCustomerGateways => {
                self.describe(Listing::CustomerGateways, parameters, now, entry)
            }
            Action::DeleteVpnConnection => self.delete(parameters, now, entry),
            Action::GetMonitorData => self.monitor_data(parameters, now, entry),
            Action::AssumeRole => {
                let granted = assume_role(parameters, &self.roles, &self.identities.sessions, now.unix)?;
                Ok(success(granted, &entry.request_id))
            }
            Action::AssumeRoleWithWebIdentity => self.assume_role_with_web_identity(parameters, now, entry),
            Action::DescribeRegions => {
                let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(success(describe_regions(parameters, &offered)?, &entry.request_id))
            }
        }
    }

    fn limit(&self, account: &str, region: &str, action: Action, now: Now) -> Result<(), ApiError> {
        let (region, per_second) = match action.limit_over_all_regions() {
            Some(most) => ("", most.min(self.requests_per_second)),
            None => (region, self.requests_per_second),
        };
        let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.grant(account, region, action.name(), per_second, now.instant)
    }

    fn describe(
        &self,
        listing: Listing,
        parameters: Parameters,
        now: Now,
        entry: &mut Entry,
    ) -> Result<Vec<u8>, ApiError> {
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        let region = world.required_region(&entry.region)?;
        let query = Query::parse(listing, parameters)?;
        query.note(entry);
        let (at, request_id) = (now.world, &entry.request_id);
        Ok(match listing {
            Listing::VpnConnections => success(query.page(region.tunnels(at))?, request_id),
            Listing::VpnGateways => success(query.page(region.gateways(at))?, request_id),
            Listing::CustomerGateways => success(query.page(region.customer_gateways(at))?, request_id),
        })
    }

    fn monitor_data(&self, parameters: Parameters, now: Now, entry: &mut Entry) -> Result<Vec<u8>, ApiError> {
        let request = MonitorRequest::parse(parameters, self.max_instances)?;
        request.note(entry);
        let timeline = self.clock.timeline();
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        let region = world.required_region(&entry.region)?;
        Ok(success(request.data(region, &timeline, now), &entry.request_id))
    }

    fn delete(&self, parameters: Parameters, now: Now, entry: &mut Entry) -> Result<Vec<u8>, ApiError> {
        let request = DeleteRequest::parse(parameters)?;
        request.note(entry);
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let region = world.region_mut(&entry.region).expect("the region was found before");
        request.start(region, now.world, self.deletion)?;
        Ok(success(Nothing {}, &entry.request_id))
    }

    fn assume_role_with_web_identity(
        &self,
        parameters: Parameters,
        now: Now,
        entry: &Entry,
    ) -> Result<Vec<u8>, ApiError> {
        let accepted = self.web_identity.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = &self.identities.sessions;
        let granted =
            assume_role_with_web_identity(parameters, accepted.as_ref(), &self.roles, sessions, now.unix)?;
        Ok(success(granted, &entry.request_id))
    }

    /// Changes the listed rows of a region after a response, if a `Drift` fault applies.
    fn drift(&self, plan: &Plan, entry: &Entry, now: Now) {
        for kind in plan.kinds() {
            if let (FaultKind::Drift { remove, add }, Some(listing)) = (kind, Action::listing(&entry.action))
            {
                let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
                if let Some(region) = world.region_mut(&entry.region) {
                    region.drift(listing, *remove, *add, now.world);
                }
            }
        }
    }
}

/// The journal entry of a request before it is handled.
fn entry(headers: &HeaderMap, plan: &Plan, now: Now) -> Entry {
    let text = |name| request::text(headers, name).unwrap_or_default().to_owned();
    Entry {
        at: now.world,
        action: text(request::ACTION),
        region: text(request::REGION),
        secret_id: request::secret_id(headers).unwrap_or_default().to_owned(),
        faults: plan.names(),
        request_id: names::request_id(),
        ..Entry::default()
    }
}

fn success(content: impl Serialize, request_id: &str) -> Vec<u8> {
    let envelope = Envelope { response: ResponseContent { content, request_id } };
    serde_json::to_vec(&envelope).expect("a response has only string keys")
}

/// The response body for an error.
pub(super) fn refusal(error: &ApiError, request_id: &str) -> Vec<u8> {
    success(Failure { error: Refusal { code: &error.code, message: &error.message } }, request_id)
}
