//! Roles that callers can assume, and the identity provider of pods.

/// A role that callers can assume with `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The number (uin) of its account, which can be an account without credentials.
    pub account: String,
    /// Its name: letters, digits and any of `+=,.@_-`.
    pub name: String,
    /// The `ExternalId` that callers must send, if any.
    pub external_id: Option<String>,
}

impl Role {
    /// Its ARN, such as `qcs::cam::uin/100000000001:roleName/monitoring`.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("qcs::cam::uin/{}:roleName/{}", self.account, self.name)
    }

    pub(super) fn is_well_formed(&self) -> bool {
        is_number(&self.account) && is_name(&self.name)
    }
}

/// The identity that `AssumeRoleWithWebIdentity` accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// `ProviderId`.
    pub provider_id: String,
    /// `WebIdentityToken`: the provider's current token.
    pub token: String,
}

/// Whether a text has the format of a role's ARN.
pub(super) fn is_arn(text: &str) -> bool {
    let parts = text.strip_prefix("qcs::cam::uin/").and_then(|rest| rest.split_once(":roleName/"));
    parts.is_some_and(|(account, name)| is_number(account) && is_name(name))
}

/// Whether a text is a valid name of a role or a session.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_the_documented_shape() {
        let role = Role { account: "100000000001".into(), name: "monitoring".into(), external_id: None };
        assert!(role.is_well_formed() && is_arn(&role.arn()));
        for bad in
            ["", "monitoring", "qcs::cam::uin/1", "qcs::cam::uin/x:roleName/y", "qcs::cam::uin/1:roleName/"]
        {
            assert!(!is_arn(bad), "{bad:?}");
        }
    }
}
