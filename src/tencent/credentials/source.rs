//! What a source of credentials is, and what it returns.
//!
//! A source only loads. The cache decides when it loads, and how long its credentials are used.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::domain::secret::Secret;

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

impl Credentials {
    /// All parts. The id counts as secret too, because people confuse it with the key.
    pub(in crate::tencent) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [Some(&self.secret_id), Some(&self.secret_key), self.token.as_ref()].into_iter().flatten()
    }
}

/// What a source returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The credentials.
    pub credentials: Credentials,
    /// Where they come from, for the log.
    pub origin: String,
    /// The end of temporary credentials.
    pub expiry: Option<Expiry>,
}

/// The end of temporary credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// By the clock of the server that issued them.
    pub time: Timestamp,
    /// The time to that end when they came. It does not depend on our own clock.
    pub remaining: Duration,
}

/// Why a source returned no credentials. The message names the place and the remedy, and repeats no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Nothing is set up there: the default chain continues with its next source.
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
    /// The source is set up and does not work. The default chain ends here: credentials of another identity are no
    /// substitute.
    #[error("{0}")]
    Failed(String),
}

/// A place that credentials come from.
pub trait Source: fmt::Debug + Send + Sync {
    /// Loads the credentials again.
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        (**self).load()
    }
}
