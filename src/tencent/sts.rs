//! The Security Token Service: temporary credentials of a role, for those who may take it on.
//!
//! Source: Tencent Cloud, `AssumeRole` and `AssumeRoleWithWebIdentity` of STS, version 2018-08-13. When credentials are
//! asked for, and what becomes of them, is the business of `credentials`.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;
use zeroize::Zeroizing;

use super::{
    ApiError, Call, Client, Credentials, Remedy, Service,
    answer::{self, Field},
    client::{Dated, FromResponse},
    credentials::{Issued, IssuedFields, Loaded, SourceError},
    error::unknown_key_advice,
};
use crate::domain::{Reason, Region, Role, Secret, Site};

/// `AssumeRole`: takes credentials.
pub const ASSUME_ROLE: &str = "AssumeRole";

/// `AssumeRoleWithWebIdentity`: takes a token of an identity provider that the account trusts.
pub const ASSUME_ROLE_WITH_WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

/// What a request has beside its secrets, in bytes, with room to spare.
const BODY_BYTES: usize = 1024;

/// How the service is called.
#[derive(Debug, Clone)]
pub struct Sts {
    /// The connections.
    pub client: Client,
    /// Where the service is found.
    pub url: Url,
    /// `X-TC-Region`; any region will do, the service is one for all.
    pub region: Region,
    /// Our clock.
    pub clock: fn() -> Timestamp,
    /// The account for which it is called.
    pub meter: Arc<dyn Meter>,
}

/// What an account's other requests share with those to STS: its rate limit and its metrics.
pub trait Meter: fmt::Debug + Send + Sync {
    /// Waits until a request may be sent.
    fn turn(&self) -> BoxFuture<'_, ()>;

    /// Takes note of a request that took this long, and of its failure if it was one.
    fn count(&self, action: &'static str, took: Duration, failure: Option<Reason>);
}

/// A token by which an identity provider says who we are.
#[derive(Debug)]
pub(super) struct WebIdentity<'a> {
    /// `ProviderId`.
    pub(super) provider_id: &'a str,
    /// `WebIdentityToken`.
    pub(super) token: &'a Secret,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters<'a> {
    role_arn: &'a str,
    role_session_name: &'a str,
    duration_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_identity_token: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerFields<'a> {
    #[serde(borrow)]
    credentials: Field<'a>,
    #[serde(borrow)]
    expired_time: Field<'a>,
}

impl Sts {
    /// Takes on a role with one's own credentials.
    pub(super) async fn assume_role(&self, role: &Role, own: &Loaded) -> Result<Loaded, SourceError> {
        let parameters = Parameters::of(role);
        let confidential: Vec<&Secret> = role.external_id.iter().collect();
        let result = self.call(ASSUME_ROLE, &parameters, Some(&own.credentials), &confidential).await;
        self.loaded(result, ASSUME_ROLE, format!("the role {} taken on by {}", role.arn, own.origin))
    }

    /// Takes on a role with nothing but an identity provider's token. The call is not signed.
    pub(super) async fn assume_role_with_web_identity(
        &self,
        role: &Role,
        identity: &WebIdentity<'_>,
    ) -> Result<Loaded, SourceError> {
        let parameters = Parameters {
            provider_id: Some(identity.provider_id),
            web_identity_token: Some(identity.token.expose()),
            ..Parameters::of(role)
        };
        let result = self.call(ASSUME_ROLE_WITH_WEB_IDENTITY, &parameters, None, &[identity.token]).await;
        self.loaded(
            result,
            ASSUME_ROLE_WITH_WEB_IDENTITY,
            format!("the role {} taken on by this pod", role.arn),
        )
    }

    /// Sends a call, and once more with the service's own time if it finds ours wrong.
    async fn call(
        &self,
        action: &'static str,
        parameters: &Parameters<'_>,
        credentials: Option<&Credentials>,
        confidential: &[&Secret],
    ) -> Result<Dated<Issued>, ApiError> {
        let (region, url) = (&self.region, &self.url);
        let call = Call { service: Service::STS, action, region, url, body: parameters.body() };
        let result = self.attempt(&call, credentials, confidential, None).await;
        match result.as_ref().err().map(|error| error.remedy(false)) {
            Some(Remedy::CorrectClock(Some(server_time))) => {
                self.attempt(&call, credentials, confidential, Some(server_time)).await
            }
            _ => result,
        }
    }

    /// Sends a call once, in the account's turn: at this time, or else at ours.
    async fn attempt(
        &self,
        call: &Call<'_>,
        credentials: Option<&Credentials>,
        confidential: &[&Secret],
        time: Option<Timestamp>,
    ) -> Result<Dated<Issued>, ApiError> {
        self.meter.turn().await;
        let start = Instant::now();
        let time = time.unwrap_or_else(self.clock);
        let result = self.client.exchange(call, credentials, confidential, time).await;
        self.meter.count(call.action, start.elapsed(), result.as_ref().err().map(ApiError::reason));
        result
    }

    fn loaded(
        &self,
        result: Result<Dated<Issued>, ApiError>,
        action: &str,
        origin: String,
    ) -> Result<Loaded, SourceError> {
        match result {
            Ok(Dated { value: issued, server_time }) => issued.loaded(origin, (self.clock)(), server_time),
            Err(error) => {
                let permission = format!("sts:{action}");
                let problem = format!("{permission} of {origin}: {}", self.explain(&error));
                Err(match error.reason() {
                    Reason::Unauthorized => SourceError::Refused { permission, problem },
                    _ if error.is_unknown_key() => SourceError::UnknownKey(problem),
                    _ => SourceError::Failed(problem),
                })
            }
        }
    }

    /// An error in words that say what would mend it.
    fn explain(&self, error: &ApiError) -> String {
        let ApiError::Api { code, .. } = error else {
            return format!("{error} ({})", self.client.route(&self.url));
        };
        if let (true, Some(site)) = (error.is_unknown_key(), Site::of(&self.url)) {
            return format!("{error}; {}", unknown_key_advice(site));
        }
        let remedy = match code.exact().split('.').collect::<Vec<_>>()[..] {
            ["ResourceNotFound", "RoleNotFound"] => "is the role spelt as the account has it?",
            ["InvalidParameter", "WebIdentityTokenError"] => {
                "does the account trust this identity provider, and is the token meant for it?"
            }
            ["UnauthorizedOperation", ..] | ["AuthFailure", "UnauthorizedOperation"] => {
                "the caller needs name/sts:AssumeRole on the role, and the role must trust the caller"
            }
            ["AuthFailure", ..] => "are the credentials that the role is taken on with still good?",
            _ => return error.to_string(),
        };
        format!("{error}; {remedy}")
    }
}

impl<'a> Parameters<'a> {
    fn of(role: &'a Role) -> Self {
        Self {
            role_arn: &role.arn,
            role_session_name: &role.session_name,
            duration_seconds: role.duration.as_secs(),
            external_id: role.external_id.as_ref().map(Secret::expose),
            provider_id: None,
            web_identity_token: None,
        }
    }

    /// The JSON body, written into a buffer that need not grow: what grows leaves copies behind.
    fn body(&self) -> String {
        let secrets =
            [self.external_id, self.web_identity_token].into_iter().flatten().map(str::len).sum::<usize>();
        let mut body = Zeroizing::new(Vec::with_capacity(BODY_BYTES + 2 * secrets));
        serde_json::to_writer(&mut *body, self).expect("numbers and texts are always JSON");
        String::from_utf8(std::mem::take(&mut *body)).expect("JSON is UTF-8")
    }
}

impl FromResponse for Issued {
    fn from_response(response: &RawValue) -> Result<Self, ApiError> {
        let answer: AnswerFields<'_> = answer::parse(response.get().as_bytes())?;
        let fields: IssuedFields<'_> = answer::structure(answer.credentials).unwrap_or_default();
        Self::read(&fields, answer.expired_time)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(answer: &serde_json::Value) -> Result<Issued, ApiError> {
        Issued::from_response(answer::unframe(json!({"Response": answer}).to_string().as_bytes(), None)?)
    }

    #[test]
    fn the_parameters_are_spelt_as_in_the_document() {
        let role = Role {
            session_name: "vpn-exporter".into(),
            external_id: Some(Secret::new("000123")),
            duration: Duration::from_mins(15),
            ..Role::new("qcs::cam::uin/100000000001:roleName/monitoring")
        };
        assert_eq!(
            Parameters::of(&role).body(),
            r#"{"RoleArn":"qcs::cam::uin/100000000001:roleName/monitoring","RoleSessionName":"vpn-exporter","DurationSeconds":900,"ExternalId":"000123"}"#
        );
        let role = Role::new("qcs::cam::uin/1:roleName/r");
        let parameters =
            Parameters { provider_id: Some("tke"), web_identity_token: Some("jwt"), ..Parameters::of(&role) };
        assert_eq!(
            parameters.body(),
            r#"{"RoleArn":"qcs::cam::uin/1:roleName/r","RoleSessionName":"tencentcloud-vpn-exporter","DurationSeconds":7200,"ProviderId":"tke","WebIdentityToken":"jwt"}"#
        );
    }

    #[test]
    fn the_buffer_of_a_body_never_grows() {
        let token = "\"".repeat(20_000);
        let role = Role::new("qcs::cam::uin/1:roleName/r");
        let parameters = Parameters { web_identity_token: Some(&token), ..Parameters::of(&role) };
        assert_eq!(parameters.body().capacity(), BODY_BYTES + 2 * token.len());
    }

    #[test]
    fn an_answer_that_lacks_something_is_malformed_and_shows_nothing_of_the_rest() {
        let credentials = json!({"Token": "SECRET-T", "TmpSecretId": "AKID", "TmpSecretKey": "SECRET-K"});
        assert!(read(&json!({"Credentials": credentials, "ExpiredTime": 1_700_000_000})).is_ok());
        assert!(read(&json!({"Credentials": credentials, "ExpiredTime": "1700000000"})).is_ok());
        let mut without_token = credentials.clone();
        without_token["Token"] = json!("");
        for (answer, missing) in [
            (json!({"Credentials": credentials}), "ExpiredTime"),
            (json!({"Credentials": credentials, "ExpiredTime": "soon"}), "ExpiredTime"),
            (json!({"Credentials": without_token, "ExpiredTime": 1}), "Token"),
            (json!({"Credentials": null, "ExpiredTime": 1}), "TmpSecretId"),
            (json!({"Credentials": "SECRET-T", "ExpiredTime": 1}), "TmpSecretId"),
        ] {
            let error = read(&answer).expect_err("nothing to sign with").to_string();
            assert_eq!(error, format!("malformed answer: its {missing} is missing or cannot be read"));
        }
    }

    #[test]
    fn debug_shows_no_secret_of_what_came() {
        let credentials = json!({"Token": "SECRET-T", "TmpSecretId": "AKID", "TmpSecretKey": "SECRET-K"});
        let issued = read(&json!({"Credentials": credentials, "ExpiredTime": 1})).expect("credentials");
        assert!(!format!("{issued:?}").contains("SECRET"), "{issued:?}");
    }
}
