//! `sts:AssumeRole` and `sts:AssumeRoleWithWebIdentity`: temporary credentials of a role.

use serde::Serialize;

use super::{
    error::ApiError,
    parameters::Parameters,
    roles::{Role, WebIdentity, is_arn, is_name},
    sessions::{Expiry, Sessions, Temporary},
};

const DEFAULT_DURATION: usize = 7200;
const LONGEST_DURATION: usize = 43_200;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Granted {
    credentials: Temporary,
    #[serde(flatten)]
    expires: Expiry,
}

/// Issues credentials of a role. The caller must send the role's external id, if it has one. `now` is in Unix seconds.
pub(super) fn assume_role(
    mut parameters: Parameters,
    roles: &[Role],
    sessions: &Sessions,
    now: u64,
) -> Result<Granted, ApiError> {
    let request = RoleRequest::take(&mut parameters)?;
    let external_id = parameters.text("ExternalId")?;
    parameters.finish()?;
    let role = request.role(roles)?;
    if role.external_id.is_some() && role.external_id != external_id {
        return Err(ApiError::new("UnauthorizedOperation", "The external id does not match the role."));
    }
    Ok(request.grant(role, sessions, now))
}

/// Issues credentials of a role to a pod with the provider's current token. `now` is in Unix seconds.
pub(super) fn assume_role_with_web_identity(
    mut parameters: Parameters,
    accepted: Option<&WebIdentity>,
    roles: &[Role],
    sessions: &Sessions,
    now: u64,
) -> Result<Granted, ApiError> {
    let request = RoleRequest::take(&mut parameters)?;
    let provider_id = parameters.required_text("ProviderId")?;
    let token = parameters.required_text("WebIdentityToken")?;
    parameters.finish()?;
    if !accepted.is_some_and(|known| known.provider_id == provider_id && known.token == token) {
        let message = "The token is not the provider's current token.";
        return Err(ApiError::new("InvalidParameter.WebIdentityTokenError", message));
    }
    let role = request.role(roles)?;
    Ok(request.grant(role, sessions, now))
}

/// The parameters that both actions share.
struct RoleRequest {
    arn: String,
    seconds: usize,
}

impl RoleRequest {
    fn take(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let invalid = |message: String| ApiError::new("InvalidParameter.ParamError", message);
        let arn = parameters.required_text("RoleArn")?;
        let session = parameters.required_text("RoleSessionName")?;
        let seconds = parameters.number("DurationSeconds")?.unwrap_or(DEFAULT_DURATION);
        if !is_arn(&arn) {
            return Err(invalid(format!("`RoleArn` is `{arn}`, which names no role.")));
        }
        if session.len() < 2 || !is_name(&session) {
            let rule = "must be 2 to 128 letters, digits and any of `+=,.@_-`";
            return Err(invalid(format!("`RoleSessionName` is `{session}` and {rule}.")));
        }
        if seconds == 0 || seconds > LONGEST_DURATION {
            let message = format!("`DurationSeconds` is {seconds} and must be 1 to {LONGEST_DURATION}.");
            return Err(ApiError::new("InvalidParameter.OverTimeError", message));
        }
        Ok(Self { arn, seconds })
    }

    fn role<'a>(&self, roles: &'a [Role]) -> Result<&'a Role, ApiError> {
        roles.iter().find(|role| role.arn() == self.arn).ok_or_else(|| {
            ApiError::new("ResourceNotFound.RoleNotFound", format!("There is no role `{}`.", self.arn))
        })
    }

    fn grant(&self, role: &Role, sessions: &Sessions, now: u64) -> Granted {
        let credentials = sessions.issue(role, self.seconds as u64, now);
        Granted { expires: credentials.expires.clone(), credentials }
    }
}
