//! `AssumeRole`: temporary credentials of a role.
//!
//! Source: Tencent Cloud, `AssumeRole` of STS, version 2018-08-13.

use serde::Serialize;

use super::{
    action::{Action, SecretParameter, Service},
    credentials::issued::{Issued, IssuedFields},
    envelope::ApiResponse,
    error::ApiError,
    field::structure,
};
use crate::domain::{role::Role, secret::Secret};

/// Assumes a role with the credentials that sign the request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssumeRole<'a> {
    role_arn: &'a str,
    role_session_name: &'a str,
    duration_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<SecretParameter<'a>>,
}

impl<'a> AssumeRole<'a> {
    /// Assumes this role.
    #[must_use]
    pub fn new(role: &'a Role) -> Self {
        Self {
            role_arn: &role.arn,
            role_session_name: &role.session_name,
            duration_seconds: role.duration.as_secs(),
            external_id: role.external_id.as_ref().map(SecretParameter),
        }
    }
}

impl Action for AssumeRole<'_> {
    const NAME: &'static str = "AssumeRole";
    const SERVICE: Service = Service::STS;
    const PERMISSION: &'static str = "sts:AssumeRole";
    type Response = Issued;

    fn read(response: &ApiResponse<'_>) -> Result<Issued, ApiError> {
        issued(response)
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.external_id.iter().map(|SecretParameter(secret)| *secret).collect()
    }
}

/// Reads the response of both actions that assume a role.
pub(super) fn issued(response: &ApiResponse<'_>) -> Result<Issued, ApiError> {
    let credentials: IssuedFields<'_> = structure(response.get("Credentials")).unwrap_or_default();
    Issued::read(&credentials, response.get("ExpiredTime"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::tencent::envelope;

    fn read(response: &serde_json::Value) -> Result<Issued, ApiError> {
        let body = json!({"Response": response}).to_string();
        AssumeRole::read(&envelope::parse(body.as_bytes(), None)?)
    }

    #[test]
    fn parameters_are_spelt_as_in_the_document() {
        let role = Role {
            session_name: "vpn-exporter".into(),
            external_id: Some(Secret::new("000123")),
            duration: Duration::from_mins(15),
            ..Role::new("qcs::cam::uin/100000000001:roleName/monitoring")
        };
        assert_eq!(
            *AssumeRole::new(&role).body(),
            br#"{"RoleArn":"qcs::cam::uin/100000000001:roleName/monitoring","RoleSessionName":"vpn-exporter","DurationSeconds":900,"ExternalId":"000123"}"#
        );
    }

    #[test]
    fn incomplete_response_is_malformed() {
        let credentials = json!({"Token": "SECRET-T", "TmpSecretId": "AKID", "TmpSecretKey": "SECRET-K"});
        assert!(read(&json!({"Credentials": credentials, "ExpiredTime": 1_700_000_000})).is_ok());
        assert!(read(&json!({"Credentials": credentials, "ExpiredTime": "1700000000"})).is_ok());
        let mut without_token = credentials.clone();
        without_token["Token"] = json!("");
        for (response, missing) in [
            (json!({"Credentials": credentials}), "ExpiredTime"),
            (json!({"Credentials": credentials, "ExpiredTime": "soon"}), "ExpiredTime"),
            (json!({"Credentials": without_token, "ExpiredTime": 1}), "Token"),
            (json!({"Credentials": null, "ExpiredTime": 1}), "TmpSecretId"),
            (json!({"Credentials": "SECRET-T", "ExpiredTime": 1}), "TmpSecretId"),
        ] {
            let error = read(&response).expect_err("nothing to sign with").to_string();
            assert_eq!(error, format!("malformed response: its {missing} is missing or cannot be read"));
        }
    }

    #[test]
    fn debug_shows_no_issued_secret() {
        let credentials = json!({"Token": "SECRET-T", "TmpSecretId": "AKID", "TmpSecretKey": "SECRET-K"});
        let issued = read(&json!({"Credentials": credentials, "ExpiredTime": 1})).expect("credentials");
        assert!(!format!("{issued:?}").contains("SECRET"), "{issued:?}");
    }
}
