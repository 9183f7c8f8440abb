//! What a call is signed with.

use crate::domain::Secret;

/// A key pair, and the token that goes with it where it is temporary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `SecretId`: the public half, kept out of sight all the same.
    pub secret_id: Secret,
    /// `SecretKey`.
    pub secret_key: Secret,
    /// `X-TC-Token`; temporary credentials have one.
    pub token: Option<Secret>,
}
