//! Builds the source of credentials that is configured for an account.

use std::{collections::BTreeMap, sync::Arc};

use url::Url;

use super::{
    assumed_role::AssumedRole, default_chain::DefaultChain, environment::Environment,
    instance_role::InstanceRole, profile::Profile, source::Source, static_keys::StaticKeys, sts::Sts,
    workload_identity::WorkloadIdentity,
};
use crate::{
    domain::{credential_source::CredentialSource, role::Role},
    tencent::{
        action::home_region, assume_role::AssumeRole,
        assume_role_with_web_identity::AssumeRoleWithWebIdentity, caller::Caller, client::Client,
    },
};

/// The dependencies of the sources.
pub(in crate::tencent) struct Sources<'a> {
    pub(in crate::tencent) caller: &'a Arc<Caller>,
    pub(in crate::tencent) client: &'a Client,
    pub(in crate::tencent) metadata_endpoint: &'a Url,
    /// The variables of the environment.
    pub(in crate::tencent) variables: &'a BTreeMap<String, String>,
}

impl Sources<'_> {
    /// Builds a source, and a role to assume with its credentials. Initializes the counters of the actions that they always
    /// call.
    pub(in crate::tencent) fn build(
        &self,
        source: &CredentialSource,
        role: Option<&Role>,
    ) -> Box<dyn Source> {
        let source = self.source(source);
        let Some(role) = role else { return source };
        self.caller.count_from_zero::<AssumeRole<'_>>();
        Box::new(AssumedRole { inner: source, role: role.clone(), sts: self.sts() })
    }

    fn source(&self, source: &CredentialSource) -> Box<dyn Source> {
        match source {
            CredentialSource::Static { secret_id, secret_key } => {
                Box::new(StaticKeys::new(secret_id.clone(), secret_key.clone()))
            }
            CredentialSource::Environment => Box::new(self.environment()),
            CredentialSource::Profile => Box::new(self.profile()),
            CredentialSource::InstanceRole => Box::new(self.instance_role()),
            CredentialSource::WorkloadIdentity => {
                self.caller.count_from_zero::<AssumeRoleWithWebIdentity<'_>>();
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
        InstanceRole::new(self.client.clone(), self.metadata_endpoint)
    }

    fn workload_identity(&self) -> WorkloadIdentity {
        WorkloadIdentity::new(|name| self.variable(name), self.sts())
    }

    fn sts(&self) -> Sts {
        Sts { caller: Arc::clone(self.caller), region: home_region() }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}
