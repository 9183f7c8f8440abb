//! Temporary credentials: given for a role, good with their token only, and for a while only.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{error::ApiError, identity::Caller, names, roles::Role};

/// What every simulated token begins with: whatever must never show a token can be searched for it.
pub const TOKEN_MARK: &str = "simulated-token-";

/// For how long expired credentials are still known, in seconds: they are then refused as expired, not as unknown.
const REMEMBERED: u64 = 3600;

#[derive(Debug)]
pub(super) struct Sessions {
    /// How long credentials are good at most, whatever was asked for.
    longest: Option<Duration>,
    given: Mutex<HashMap<String, Session>>,
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

/// Temporary credentials as they are handed out: the shape that the token service and the metadata service share.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Temporary {
    pub(super) tmp_secret_id: String,
    pub(super) tmp_secret_key: String,
    pub(super) token: String,
    #[serde(skip)]
    pub(super) expires: Expiry,
}

/// When credentials end.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Expiry {
    /// Unix seconds.
    expired_time: u64,
    /// The same in ISO 8601, in UTC.
    expiration: String,
}

impl Sessions {
    pub(super) fn new(longest: Option<Duration>) -> Self {
        Self { longest, given: Mutex::default() }
    }

    /// Gives credentials for a role, for so many seconds. `now` is Unix seconds.
    pub(super) fn give(&self, role: &Role, seconds: u64, now: u64) -> Temporary {
        let draw = |length| names::text(length, &mut fastrand::Rng::new(), fastrand::Rng::alphanumeric);
        let lasts = self.longest.map_or(seconds, |longest| seconds.min(longest.as_secs()));
        let temporary = Temporary {
            tmp_secret_id: format!("AKID{}", draw(60)),
            tmp_secret_key: draw(44),
            token: format!("{TOKEN_MARK}{}", draw(200)),
            expires: Expiry::at(now.saturating_add(lasts)),
        };
        let session = Session {
            secret_key: temporary.tmp_secret_key.clone(),
            token: temporary.token.clone(),
            account: role.account.clone(),
            role: role.arn(),
            expires: temporary.expires.expired_time,
            revoked: false,
        };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, session| session.expires.saturating_add(REMEMBERED) > now);
        given.insert(temporary.tmp_secret_id.clone(), session);
        temporary
    }

    /// Whom such an id and token stand for; `None` if the id was never given.
    pub(super) fn caller(
        &self,
        secret_id: &str,
        token: Option<&str>,
        now: u64,
    ) -> Option<Result<(Caller, String), ApiError>> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let session = given.get(secret_id)?;
        Some(session.check(token, now).map(|()| {
            let caller = Caller { account: session.account.clone(), role: Some(session.role.clone()) };
            (caller, session.secret_key.clone())
        }))
    }

    /// Makes all credentials that were given so far worthless.
    pub(super) fn revoke(&self) {
        for session in self.given.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
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
        let one = sessions.give(&role, 7200, NOW);
        let two = sessions.give(&role, 7200, NOW);
        let refusal = |token: Option<&str>, now| match sessions.caller(&one.tmp_secret_id, token, now) {
            Some(Err(error)) => Some((error.code.into_owned(), error.message)),
            Some(Ok(_)) => None,
            None => panic!("the credentials are unknown"),
        };
        assert_eq!(refusal(Some(&one.token), NOW + 7199), None);
        for (token, now, told) in [
            (None, NOW, "needs its token"),
            (Some(&*two.token), NOW, "does not belong"),
            (Some(&*one.token), NOW + 7200, "has expired"),
        ] {
            let (code, message) = refusal(token, now).expect("a refusal");
            assert_eq!(code, "AuthFailure.TokenFailure");
            assert!(message.contains(told), "{message}");
        }
        sessions.revoke();
        assert!(refusal(Some(&one.token), NOW).is_some());
        assert_eq!(one.expires.expiration, "2019-02-25T18:44:25Z");
    }

    #[test]
    fn token_lifetime_can_be_set() {
        let role = Role { account: "1".into(), name: "monitoring".into(), external_id: None };
        let temporary = Sessions::new(Some(Duration::from_secs(2))).give(&role, 7200, NOW);
        assert_eq!(temporary.expires.expired_time, NOW + 2);
    }
}
