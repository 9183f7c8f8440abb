//! A role to assume for temporary credentials.

use std::time::Duration;

use super::secret::Secret;

/// A role and the parameters to assume it. Source: Tencent Cloud, `AssumeRole` of STS, version 2018-08-13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `RoleArn`, such as `qcs::cam::uin/100000000001:roleName/monitoring`.
    pub arn: String,
    /// `RoleSessionName`: 2 to 128 of `[\w+=,.@_-]`; the account's audit log shows it.
    pub session_name: String,
    /// `ExternalId`, if the role requires one.
    pub external_id: Option<Secret>,
    /// `DurationSeconds`: up to 12 hours.
    pub duration: Duration,
}

impl Role {
    /// A role with this program's name as the session, for the API's default of two hours.
    #[must_use]
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            session_name: "tencentcloud-vpn-exporter".to_owned(),
            external_id: None,
            duration: Duration::from_hours(2),
        }
    }
}
