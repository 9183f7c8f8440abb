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

/// The permanent credentials of an account.
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

/// An account and its permanent credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number (uin), which the ARNs of its roles contain.
    pub number: String,
    /// The credentials that it signs requests with.
    pub credentials: Credentials,
}

/// The sender of a request.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// The account's number; empty for an unsigned request.
    pub(super) account: String,
    /// The ARN of the assumed role.
    pub(super) role: Option<String>,
}

#[derive(Debug)]
pub(super) struct Identities {
    pub(super) accounts: Vec<Account>,
    pub(super) sessions: Sessions,
    forbidden: Mutex<BTreeSet<(String, String)>>,
}

/// The number of the account at this index.
fn number(index: usize) -> String {
    (FIRST_ACCOUNT + index as u64).to_string()
}

/// The role of the metadata service, which belongs to the first account.
pub(super) fn instance_role(name: &str) -> Role {
    Role { account: number(0), name: name.to_owned(), external_id: None }
}

impl Identities {
    /// Derives the credentials from the seed, so that they stay valid after a restart.
    pub(super) fn new(options: &Options) -> Self {
        let mut rng = Rng::with_seed(!options.seed);
        let mut draw = |length| names::text(length, &mut rng, Rng::alphanumeric);
        let accounts = (0..options.accounts).map(|index| {
            let secret_id = format!("AKID{}", draw(32));
            let credentials = Credentials { secret_id, secret_key: draw(32) };
            Account { number: number(index), credentials }
        });
        Self {
            accounts: accounts.collect(),
            sessions: Sessions::new(options.token_lifetime),
            forbidden: Mutex::default(),
        }
    }

    /// Finds the caller with this id, and the secret key for its signature. Only temporary credentials have a token.
    /// `now` is in Unix seconds.
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

    /// Refuses an action that is forbidden for the caller's account or role.
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

    /// Allows or forbids an action for an account (by number) or a role (by ARN).
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
