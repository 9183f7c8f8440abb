//! Who may call: the credentials that are accepted, and the account that each stands for.

use fastrand::Rng;

use super::{error::ApiError, names};
use crate::domain::Secret;

/// The account's number, as it stands in ARNs.
const ACCOUNT: &str = "100000000001";

/// A pair of credentials, as Tencent Cloud gives them to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `SecretId`: `AKID` and 32 characters; not secret.
    pub secret_id: String,
    /// `SecretKey`.
    pub secret_key: Secret,
}

/// Whom a request comes from.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) account: String,
    pub(super) secret_key: Secret,
}

#[derive(Debug)]
pub(super) struct Identities {
    pub(super) credentials: Credentials,
}

impl Identities {
    /// Credentials that follow from the seed, so that a restart accepts them again.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(!seed);
        let mut draw = |length| names::text(length, &mut rng, Rng::alphanumeric);
        let secret_id = format!("AKID{}", draw(32));
        Self { credentials: Credentials { secret_id, secret_key: Secret::new(draw(32)) } }
    }

    /// Finds who calls with this id, and with this token, which only temporary credentials have.
    pub(super) fn caller(&self, secret_id: &str, token: Option<&str>) -> Result<Caller, ApiError> {
        if secret_id != self.credentials.secret_id {
            let message = format!("The SecretId `{secret_id}` does not exist.");
            return Err(ApiError::new("AuthFailure.SecretIdNotFound", message));
        }
        if token.is_some() {
            return Err(ApiError::new(
                "AuthFailure.TokenFailure",
                "The token does not belong to the SecretId.",
            ));
        }
        Ok(Caller { account: ACCOUNT.to_owned(), secret_key: self.credentials.secret_key.clone() })
    }
}
