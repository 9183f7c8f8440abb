//! A role that is taken on for credentials that last for hours.

use std::time::Duration;

use super::Secret;

/// A role, and how it is taken on. Source: Tencent Cloud, `AssumeRole` of STS, version 2018-08-13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `RoleArn`, such as `qcs::cam::uin/100000000001:roleName/monitoring`.
    pub arn: String,
    /// `RoleSessionName`: 2 to 128 of `[\w+=,.@_-]`; it is seen in the account's audit log.
    pub session_name: String,
    /// `ExternalId`, where the role asks for one.
    pub external_id: Option<Secret>,
    /// `DurationSeconds`: up to 12 hours.
    pub duration: Duration,
}

impl Role {
    /// A role that is taken on under this program's name, for the API's own two hours.
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
