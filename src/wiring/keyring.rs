//! From an account's `credentials` and `assume_role` to a keyring.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use url::Url;

use super::Variables;
use crate::{
    config::{self, CredentialSource},
    domain::{Endpoint, Reason, Region},
    poll::limit::RateLimit,
    telemetry::AccountTelemetry,
    tencent::{
        Client, Service,
        credentials::{
            AssumeRole, DefaultChain, Environment, Fixed, InstanceRole, Keyring, Profile, Source,
            WorkloadIdentity,
        },
        sts::{ASSUME_ROLE, ASSUME_ROLE_WITH_WEB_IDENTITY, Meter, Sts},
    },
};

/// Where STS is asked if nothing names a region: it is one service for all.
pub(super) const HOME_REGION: &str = "ap-guangzhou";

/// What sources are made from.
pub(super) struct Sources<'a> {
    pub(super) metadata_endpoint: &'a Url,
    pub(super) endpoint: Endpoint,
    pub(super) client: &'a Client,
    pub(super) variables: &'a Variables,
    pub(super) limit: &'a Arc<RateLimit>,
    pub(super) telemetry: &'a AccountTelemetry,
}

/// Requests to STS are the account's own, like all others.
#[derive(Debug)]
struct OfAccount {
    limit: Arc<RateLimit>,
    telemetry: AccountTelemetry,
}

impl Meter for OfAccount {
    fn turn(&self) -> BoxFuture<'_, ()> {
        self.limit.wait().boxed()
    }

    fn count(&self, action: &'static str, took: Duration, failure: Option<Reason>) {
        self.telemetry.action(action).count(took.as_secs_f64(), failure);
    }
}

impl Sources<'_> {
    /// The keyring of an account; it tells the account's metrics when credentials expire.
    pub(super) fn keyring(&self, account: &config::Account) -> Keyring {
        let source = self.source(&account.credentials);
        let source = match &account.assume_role {
            None => source,
            Some(role) => {
                self.count_from_zero(ASSUME_ROLE);
                Box::new(AssumeRole { inner: source, role: role.clone(), sts: self.sts() }) as Box<dyn Source>
            }
        };
        let expiry = self.telemetry.credentials_expiry.clone();
        Keyring::new(account.name.clone(), source, fastrand::f64, move |time| match time {
            Some(time) => expiry.set(time.as_second() as f64),
            None => expiry.clear(),
        })
    }

    fn source(&self, source: &CredentialSource) -> Box<dyn Source> {
        match source {
            CredentialSource::Static { secret_id, secret_key } => {
                Box::new(Fixed::new(secret_id.clone(), secret_key.clone()))
            }
            CredentialSource::Environment => Box::new(self.environment()),
            CredentialSource::Profile => Box::new(self.profile()),
            CredentialSource::InstanceRole => Box::new(self.instance_role()),
            CredentialSource::WorkloadIdentity => {
                self.count_from_zero(ASSUME_ROLE_WITH_WEB_IDENTITY);
                Box::new(self.workload_identity())
            }
            CredentialSource::Default => Box::new(DefaultChain::new(
                self.environment(),
                self.profile(),
                self.instance_role(),
                self.workload_identity(),
            )),
        }
    }

    fn environment(&self) -> Environment {
        Environment::new(|name| self.variable(name))
    }

    fn profile(&self) -> Profile {
        Profile::new(|name| self.variable(name), self.sts())
    }

    fn instance_role(&self) -> InstanceRole {
        InstanceRole::new(self.client.clone(), self.metadata_endpoint, Timestamp::now)
    }

    fn workload_identity(&self) -> WorkloadIdentity {
        WorkloadIdentity::new(|name| self.variable(name), self.sts())
    }

    fn sts(&self) -> Sts {
        let region = Region::new(HOME_REGION).expect("this is the name of a region");
        let url = self.endpoint.url(Service::STS.name, &region);
        let meter = OfAccount { limit: Arc::clone(self.limit), telemetry: self.telemetry.clone() };
        Sts { client: self.client.clone(), url, region, clock: Timestamp::now, meter: Arc::new(meter) }
    }

    /// Has an action that is known to be needed counted before it is first sent.
    fn count_from_zero(&self, action: &'static str) {
        drop(self.telemetry.action(action));
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}
