//! The API as called for one account: a [`Caller`] and the account's credentials.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use super::{
    action::{Action, Dated, Service},
    caller::{Caller, Signer},
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

/// Everything that decides how the API is called for an account. Two accounts with equal settings are interchangeable.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountSettings {
    /// The name of the account.
    pub name: AccountName,
    /// Where the API is.
    pub endpoint: Endpoint,
    /// Where the metadata service is.
    pub metadata_endpoint: Url,
    /// How connections are made.
    pub connection: ConnectionSettings,
    /// For all regions and actions of the account together.
    pub requests_per_second: f64,
    /// Where the credentials come from.
    pub credentials: CredentialSource,
    /// The role to assume with those credentials.
    pub assume_role: Option<Role>,
}

/// The API as called for one account.
#[derive(Debug)]
pub struct Account {
    settings: AccountSettings,
    caller: Arc<Caller>,
    credentials: CredentialCache,
}

impl Account {
    /// Prepares the calls of an account. Nothing is sent, and no credentials are loaded yet. This must run within a Tokio
    /// runtime.
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
        let caller = Caller::new(name, endpoint, client.clone(), settings.requests_per_second, telemetry);
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

    /// Calls an action until it succeeds, cannot succeed, or `deadline` is too near for another attempt.
    pub async fn post<A: Action>(
        &self,
        action: &A,
        region: &Region,
        deadline: Instant,
    ) -> Result<Dated<A::Response>, ApiError> {
        self.caller.post(action, region, Signer::Cache(&self.credentials), Some(deadline)).await
    }

    /// Calls an action with exactly one request: for actions that must not be repeated.
    pub async fn post_once<A: Action>(&self, action: &A, region: &Region) -> Result<A::Response, ApiError> {
        self.caller.post_once(action, region, Signer::Cache(&self.credentials)).await
    }

    /// The address of a product in a region, and the proxy on the route to it.
    #[must_use]
    pub fn route(&self, service: Service, region: &Region) -> Route {
        self.caller.route(service, region)
    }

    /// The API's clock minus ours, in seconds, where a correction is in force; else 0.
    #[must_use]
    pub fn clock_offset(&self, region: &Region) -> i64 {
        self.caller.clock_offset(region)
    }

    /// The number of the present credentials. It grows each time they are replaced by others.
    #[must_use]
    pub fn credentials_generation(&self) -> u64 {
        self.credentials.generation()
    }

    /// Waits until the credentials are others than those of this generation.
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
