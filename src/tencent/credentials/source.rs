//! The trait for sources of credentials, and their results.
//!
//! A source only loads. The cache decides when it loads, and how long its credentials are used.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::domain::secret::Secret;

/// A key pair, and the token of temporary credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `SecretId`: not secret, but never shown either.
    pub secret_id: Secret,
    /// `SecretKey`.
    pub secret_key: Secret,
    /// `X-TC-Token`; temporary credentials have one.
    pub token: Option<Secret>,
}

impl Credentials {
    /// All parts. The id counts as secret too, because users confuse it with the key.
    pub(in crate::tencent) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [Some(&self.secret_id), Some(&self.secret_key), self.token.as_ref()].into_iter().flatten()
    }
}

/// The result of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The credentials.
    pub credentials: Credentials,
    /// The origin of the credentials, for the log.
    pub origin: String,
    /// The end of temporary credentials.
    pub expiry: Option<Expiry>,
}

/// The end of temporary credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The time of expiry, by the clock of the server that issued the credentials.
    pub time: Timestamp,
    /// The lifetime when they were received. It does not depend on the local clock.
    pub remaining: Duration,
}

/// The reason why a source returned no credentials. The message names the place and the remedy, and contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The source is not configured; the default chain tries the next one.
    #[error("{0}")]
    Absent(String),
    /// A permission is missing.
    #[error("{problem}")]
    Refused {
        /// Such as `sts:AssumeRole`.
        permission: String,
        /// The message.
        problem: String,
    },
    /// The API does not know the key. The key may belong to the other site.
    #[error("{0}")]
    UnknownKey(String),
    /// The source is configured but fails. The default chain stops here: it must not use another identity.
    #[error("{0}")]
    Failed(String),
}

/// A source of credentials.
pub trait Source: fmt::Debug + Send + Sync {
    /// Loads the credentials again.
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        (**self).load()
    }
}
