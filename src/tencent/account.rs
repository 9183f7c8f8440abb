//! The API client of one account: a [`Caller`] with the account's credentials.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use super::{
    action::{Action, Service, WithServerTime},
    caller::{Caller, Rate, Signer},
    client::Client,
    credentials::{cache::CredentialCache, configured::Sources},
    error::ApiError,
    transport::{ConnectionSettings, Route},
};
use crate::{
    domain::{
        credential_source::CredentialSource,
        endpoint::Endpoint,
        role::Role,
        target::{AccountName, Region},
    },
    telemetry::AccountTelemetry,
};

/// All settings of the API client of an account. Two clients with equal settings are interchangeable.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountSettings {
    /// The name of the account.
    pub name: AccountName,
    /// The address of the API.
    pub endpoint: Endpoint,
    /// The address of the metadata service.
    pub metadata_endpoint: Url,
    /// The settings of connections.
    pub connection: ConnectionSettings,
    /// The rate limit of each action, for all regions of the account together.
    pub rate: Rate,
    /// The source of the credentials.
    pub credentials: CredentialSource,
    /// The role to assume with those credentials.
    pub assume_role: Option<Role>,
}

/// The API client of one account.
#[derive(Debug)]
pub struct Account {
    settings: AccountSettings,
    caller: Arc<Caller>,
    credentials: CredentialCache,
}

impl Account {
    /// Creates the client. It sends no request and loads no credentials yet. This must run within a Tokio runtime.
    #[must_use]
    pub fn new(
        settings: AccountSettings,
        client: &Client,
        telemetry: AccountTelemetry,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let (name, endpoint) = (settings.name.clone(), settings.endpoint.clone());
        let expiry = telemetry.credentials_expiry.clone();
        let on_load = move |end: Option<Timestamp>| match end {
            Some(end) => expiry.set(end.as_second() as f64),
            None => expiry.clear(),
        };
        let caller = Caller::new(name, endpoint, client.clone(), settings.rate, telemetry);
        let caller = Arc::new(caller);
        let metadata_endpoint = &settings.metadata_endpoint;
        let sources = Sources { caller: &caller, client, metadata_endpoint, variables };
        let source = sources.build(&settings.credentials, settings.assume_role.as_ref());
        let credentials = CredentialCache::new(settings.name.clone(), source, fastrand::f64, on_load);
        Self { settings, caller, credentials }
    }

    /// The settings, for comparison with those of another account.
    #[must_use]
    pub fn settings(&self) -> &AccountSettings {
        &self.settings
    }

    /// Calls an action with retries. Stops after a success, after a permanent error, or when there is no time for another
    /// attempt before `deadline`.
    pub async fn post<A: Action>(
        &self,
        action: &A,
        region: &Region,
        deadline: Instant,
    ) -> Result<WithServerTime<A::Response>, ApiError> {
        self.caller.post(action, region, Signer::Cache(&self.credentials), Some(deadline)).await
    }

    /// Calls an action once: for actions that must not be repeated.
    pub async fn post_once<A: Action>(&self, action: &A, region: &Region) -> Result<A::Response, ApiError> {
        self.caller.post_once(action, region, Signer::Cache(&self.credentials)).await
    }

    /// The address of a product in a region, and the proxy on the route to it.
    #[must_use]
    pub fn route(&self, service: Service, region: &Region) -> Route {
        self.caller.route(service, region)
    }

    /// The API's clock minus the local clock in seconds if a correction is active for this action, else 0.
    #[must_use]
    pub fn clock_offset<A: Action>(&self, region: &Region) -> i64 {
        self.caller.clock_offset::<A>(region)
    }

    /// The generation of the current credentials. It increases when the credentials change, but not when refused temporary
    /// ones are renewed.
    #[must_use]
    pub fn credentials_generation(&self) -> u64 {
        self.credentials.generation()
    }

    /// Waits until the credentials have another generation.
    pub async fn credentials_changed(&self, generation: u64) {
        self.credentials.changed(generation).await;
    }

    /// Starts the counters of an action at zero before its first request.
    pub fn count_from_zero<A: Action>(&self) {
        self.caller.count_from_zero::<A>();
    }

    /// The metrics of the account.
    #[must_use]
    pub fn telemetry(&self) -> &AccountTelemetry {
        self.caller.telemetry()
    }
}
