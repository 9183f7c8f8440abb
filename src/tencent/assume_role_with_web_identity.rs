//! `AssumeRoleWithWebIdentity`: temporary credentials of a role, for a token of an identity provider that the account trusts.
//!
//! Source: Tencent Cloud, `AssumeRoleWithWebIdentity` of STS, version 2018-08-13.

use serde::Serialize;

use super::{
    action::{Action, SecretParameter, Service},
    assume_role::{AssumeRole, issued},
    credentials::issued::Issued,
    envelope::ApiResponse,
    error::ApiError,
};
use crate::domain::{role::Role, secret::Secret};

/// Assumes a role with a token. The request is not signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssumeRoleWithWebIdentity<'a> {
    #[serde(flatten)]
    role: AssumeRole<'a>,
    provider_id: &'a str,
    web_identity_token: SecretParameter<'a>,
}

impl<'a> AssumeRoleWithWebIdentity<'a> {
    /// Assumes this role with a token of this provider.
    #[must_use]
    pub fn new(role: &'a Role, provider_id: &'a str, web_identity_token: &'a Secret) -> Self {
        let web_identity_token = SecretParameter(web_identity_token);
        Self { role: AssumeRole::new(role), provider_id, web_identity_token }
    }
}

impl Action for AssumeRoleWithWebIdentity<'_> {
    const NAME: &'static str = "AssumeRoleWithWebIdentity";
    const SERVICE: Service = Service::STS;
    const PERMISSION: &'static str = "sts:AssumeRoleWithWebIdentity";
    type Response = Issued;

    fn read(response: &ApiResponse<'_>) -> Result<Issued, ApiError> {
        issued(response)
    }

    fn secrets(&self) -> Vec<&Secret> {
        let mut secrets = self.role.secrets();
        secrets.push(self.web_identity_token.0);
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_spelt_as_in_the_document() {
        let (role, token) = (Role::new("qcs::cam::uin/1:roleName/r"), Secret::new("jwt"));
        assert_eq!(
            *AssumeRoleWithWebIdentity::new(&role, "tke", &token).body(),
            br#"{"RoleArn":"qcs::cam::uin/1:roleName/r","RoleSessionName":"tencentcloud-vpn-exporter","DurationSeconds":7200,"ProviderId":"tke","WebIdentityToken":"jwt"}"#
        );
    }
}
