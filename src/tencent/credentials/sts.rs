//! Temporary credentials from the Security Token Service, with error messages that name the remedy.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    issued::Issued,
    source::{Loaded, SourceError},
};
use crate::{
    domain::{reason::Reason, role::Role, secret::Secret, site::Site, target::Region},
    tencent::{
        action::{Action, WithServerTime},
        assume_role::AssumeRole,
        assume_role_with_web_identity::AssumeRoleWithWebIdentity,
        caller::{Caller, Signer},
        error::{ApiError, unknown_key_advice},
    },
};

/// The client of the service for one account.
#[derive(Debug, Clone)]
pub struct Sts {
    /// Sends the requests.
    pub caller: Arc<Caller>,
    /// `X-TC-Region`. The service is the same in all regions.
    pub region: Region,
}

impl Sts {
    /// Assumes a role with other credentials.
    pub(super) async fn assume_role(&self, role: &Role, own: &Loaded) -> Result<Loaded, SourceError> {
        let origin = format!("the role {} assumed by {}", role.arn, own.origin);
        self.load(&AssumeRole::new(role), Signer::Credentials(&own.credentials), origin).await
    }

    /// Assumes a role with the token of an identity provider.
    pub(super) async fn assume_role_with_web_identity(
        &self,
        role: &Role,
        provider_id: &str,
        token: &Secret,
    ) -> Result<Loaded, SourceError> {
        let origin = format!("the role {} assumed by this pod", role.arn);
        let action = AssumeRoleWithWebIdentity::new(role, provider_id, token);
        self.load(&action, Signer::Unsigned, origin).await
    }

    /// Calls without a deadline: the cache decides when a failed load is repeated.
    async fn load<A: Action<Response = Issued>>(
        &self,
        action: &A,
        signer: Signer<'_>,
        origin: String,
    ) -> Result<Loaded, SourceError> {
        match self.caller.post(action, &self.region, signer, None).await {
            Ok(WithServerTime { value: issued, server_time }) => {
                issued.loaded(origin, Timestamp::now(), server_time)
            }
            Err(error) => {
                let problem = format!("{} of {origin}: {}", A::PERMISSION, self.explain(&error));
                Err(match error.reason() {
                    Reason::Unauthorized => {
                        SourceError::Refused { permission: A::PERMISSION.to_owned(), problem }
                    }
                    _ if error.is_unknown_key() => SourceError::UnknownKey(problem),
                    _ => SourceError::Failed(problem),
                })
            }
        }
    }

    /// An error with its remedy.
    fn explain(&self, error: &ApiError) -> String {
        let route = self.caller.route(AssumeRole::SERVICE, &self.region);
        let ApiError::Api { code, .. } = error else { return format!("{error} ({route})") };
        if let (true, Some(site)) = (error.is_unknown_key(), Site::of(&route.url)) {
            return format!("{error}; {}", unknown_key_advice(site));
        }
        let remedy = match code.exact().split('.').collect::<Vec<_>>()[..] {
            ["ResourceNotFound", "RoleNotFound"] => "check the spelling of the role",
            ["InvalidParameter", "WebIdentityTokenError"] => {
                "check that the account trusts this identity provider and that the token was issued for it"
            }
            ["UnauthorizedOperation", ..] | ["AuthFailure", "UnauthorizedOperation"] => {
                "the caller needs name/sts:AssumeRole on the role, and the role must trust the caller"
            }
            ["AuthFailure", ..] => "check the credentials that assume the role",
            _ => return error.to_string(),
        };
        format!("{error}; {remedy}")
    }
}
