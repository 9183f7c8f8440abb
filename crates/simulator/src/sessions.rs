//! Temporary credentials of roles. They need their token, and they expire.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{error::ApiError, identity::Caller, names, roles::Role};

/// The prefix of every simulated token. A test can search output for it to find a leaked token.
pub const TOKEN_MARK: &str = "simulated-token-";

/// How long expired credentials stay known, in seconds. Until then the error is "expired", not "unknown".
const REMEMBERED: u64 = 3600;

#[derive(Debug)]
pub(super) struct Sessions {
    /// The maximum lifetime, even if a request asks for more.
    max_lifetime: Option<Duration>,
    issued: Mutex<HashMap<String, Session>>,
}

struct Session {
    secret_key: String,
    token: String,
    account: String,
    role: String,
    /// Unix seconds.
    expires: u64,
    revoked: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Temporary credentials in the form that STS and the metadata service share.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Temporary {
    pub(super) tmp_secret_id: String,
    pub(super) tmp_secret_key: String,
    pub(super) token: String,
    #[serde(skip)]
    pub(super) expires: Expiry,
}

/// When credentials expire.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Expiry {
    /// Unix seconds.
    expired_time: u64,
    /// The same time in ISO 8601, in UTC.
    expiration: String,
}

impl Sessions {
    pub(super) fn new(max_lifetime: Option<Duration>) -> Self {
        Self { max_lifetime, issued: Mutex::default() }
    }

    /// Issues credentials for a role, with a lifetime in seconds. `now` is in Unix seconds.
    pub(super) fn issue(&self, role: &Role, seconds: u64, now: u64) -> Temporary {
        let draw = |length| names::text(length, &mut fastrand::Rng::new(), fastrand::Rng::alphanumeric);
        let lifetime = self.max_lifetime.map_or(seconds, |max_lifetime| seconds.min(max_lifetime.as_secs()));
        let temporary = Temporary {
            tmp_secret_id: format!("AKID{}", draw(60)),
            tmp_secret_key: draw(44),
            token: format!("{TOKEN_MARK}{}", draw(200)),
            expires: Expiry::at(now.saturating_add(lifetime)),
        };
        let session = Session {
            secret_key: temporary.tmp_secret_key.clone(),
            token: temporary.token.clone(),
            account: role.account.clone(),
            role: role.arn(),
            expires: temporary.expires.expired_time,
            revoked: false,
        };
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, session| session.expires.saturating_add(REMEMBERED) > now);
        issued.insert(temporary.tmp_secret_id.clone(), session);
        temporary
    }

    /// The caller with this id and token, and the secret key; `None` if the id is unknown.
    pub(super) fn caller(
        &self,
        secret_id: &str,
        token: Option<&str>,
        now: u64,
    ) -> Option<Result<(Caller, String), ApiError>> {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let session = issued.get(secret_id)?;
        Some(session.check(token, now).map(|()| {
            let caller = Caller { account: session.account.clone(), role: Some(session.role.clone()) };
            (caller, session.secret_key.clone())
        }))
    }

    /// Revokes all credentials issued so far.
    pub(super) fn revoke(&self) {
        for session in self.issued.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
            session.revoked = true;
        }
    }
}

impl Session {
    fn check(&self, token: Option<&str>, now: u64) -> Result<(), ApiError> {
        match token {
            None => Err(ApiError::token("The SecretId is a temporary one and needs its token.")),
            Some(token) if token != self.token => {
                Err(ApiError::token("The token does not belong to the SecretId."))
            }
            _ if now >= self.expires => Err(ApiError::token("The token has expired.")),
            _ if self.revoked => Err(ApiError::token("The token was revoked.")),
            _ => Ok(()),
        }
    }
}

impl Expiry {
    fn at(unix: u64) -> Self {
        let second = i64::try_from(unix).ok().and_then(|unix| jiff::Timestamp::from_second(unix).ok());
        Self { expired_time: unix, expiration: second.map(|time| time.to_string()).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_551_113_065;

    #[test]
    fn temporary_credentials_need_their_unexpired_token() {
        let sessions = Sessions::new(None);
        let role = Role { account: "1".into(), name: "monitoring".into(), external_id: None };
        let one = sessions.issue(&role, 7200, NOW);
        let two = sessions.issue(&role, 7200, NOW);
        let refusal = |token: Option<&str>, now| match sessions.caller(&one.tmp_secret_id, token, now) {
            Some(Err(error)) => Some((error.code.into_owned(), error.message)),
            Some(Ok(_)) => None,
            None => panic!("the credentials are unknown"),
        };
        assert_eq!(refusal(Some(&one.token), NOW + 7199), None);
        for (token, now, expected) in [
            (None, NOW, "needs its token"),
            (Some(&*two.token), NOW, "does not belong"),
            (Some(&*one.token), NOW + 7200, "has expired"),
        ] {
            let (code, message) = refusal(token, now).expect("a refusal");
            assert_eq!(code, "AuthFailure.TokenFailure");
            assert!(message.contains(expected), "{message}");
        }
        sessions.revoke();
        assert!(refusal(Some(&one.token), NOW).is_some());
        assert_eq!(one.expires.expiration, "2019-02-25T18:44:25Z");
    }

    #[test]
    fn token_lifetime_can_be_set() {
        let role = Role { account: "1".into(), name: "monitoring".into(), external_id: None };
        let temporary = Sessions::new(Some(Duration::from_secs(2))).issue(&role, 7200, NOW);
        assert_eq!(temporary.expires.expired_time, NOW + 2);
    }
}
