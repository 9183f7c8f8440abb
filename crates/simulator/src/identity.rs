//! Accounts, their credentials, and the actions that are forbidden to them.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
};

use fastrand::Rng;

use super::{error::ApiError, names, options::Options, roles::Role, sessions::Sessions};

/// The first account's number; the others follow it.
const FIRST_ACCOUNT: u64 = 100_000_000_001;

/// A pair of credentials, as Tencent Cloud gives them to an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `SecretId`: `AKID` and 32 characters; not secret.
    pub secret_id: String,
    /// `SecretKey`.
    pub secret_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}

/// An account and its own credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number (uin), as it stands in the ARNs of its roles.
    pub number: String,
    /// What it signs with.
    pub credentials: Credentials,
}

/// Whom a request comes from.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// The account's number; empty for a request that need not be signed.
    pub(super) account: String,
    /// The ARN of the role that was taken on.
    pub(super) role: Option<String>,
}

#[derive(Debug)]
pub(super) struct Identities {
    pub(super) accounts: Vec<Account>,
    pub(super) sessions: Sessions,
    forbidden: Mutex<BTreeSet<(String, String)>>,
}

/// The number of the account in this place.
fn number(place: usize) -> String {
    (FIRST_ACCOUNT + place as u64).to_string()
}

/// The role that the metadata service gives away: one of the first account.
pub(super) fn instance_role(name: &str) -> Role {
    Role { account: number(0), name: name.to_owned(), external_id: None }
}

impl Identities {
    /// Credentials that follow from the seed, so that a restart accepts them again.
    pub(super) fn new(options: &Options) -> Self {
        let mut rng = Rng::with_seed(!options.seed);
        let mut draw = |length| names::text(length, &mut rng, Rng::alphanumeric);
        let accounts = (0..options.accounts).map(|place| {
            let secret_id = format!("AKID{}", draw(32));
            let credentials = Credentials { secret_id, secret_key: draw(32) };
            Account { number: number(place), credentials }
        });
        Self {
            accounts: accounts.collect(),
            sessions: Sessions::new(options.token_lifetime),
            forbidden: Mutex::default(),
        }
    }

    /// Finds who calls with this id, and with this token, which only temporary credentials have; and the key that the
    /// request must be signed with. `now` is Unix seconds.
    pub(super) fn caller(
        &self,
        secret_id: &str,
        token: Option<&str>,
        now: u64,
    ) -> Result<(Caller, String), ApiError> {
        if let Some(found) = self.sessions.caller(secret_id, token, now) {
            return found;
        }
        let Some(account) = self.accounts.iter().find(|account| account.credentials.secret_id == secret_id)
        else {
            let message = format!("The SecretId `{secret_id}` does not exist.");
            return Err(ApiError::new("AuthFailure.SecretIdNotFound", message));
        };
        if token.is_some() {
            return Err(ApiError::token("The token does not belong to the SecretId."));
        }
        let caller = Caller { account: account.number.clone(), role: None };
        Ok((caller, account.credentials.secret_key.clone()))
    }

    /// Refuses what the caller's account or role is forbidden.
    pub(super) fn check_permission(&self, caller: &Caller, action: &str) -> Result<(), ApiError> {
        let forbidden = self.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
        let who = [Some(&caller.account), caller.role.as_ref()];
        match who.into_iter().flatten().find(|who| forbidden.contains(&((*who).clone(), action.to_owned()))) {
            None => Ok(()),
            Some(who) => {
                let message = format!("`{who}` is not authorized to perform `{action}`.");
                Err(ApiError::new("UnauthorizedOperation", message))
            }
        }
    }

    /// Forbids an account, by its number, or a role, by its ARN, an action; or allows it again.
    pub(super) fn permit(&self, who: &str, action: &str, permitted: bool) {
        let mut forbidden = self.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = (who.to_owned(), action.to_owned());
        if permitted {
            forbidden.remove(&rule)
        } else {
            forbidden.insert(rule)
        };
    }
}
