//! Where credentials come from: one interface that the signer asks, and one small file a source.

mod environment;
mod fixed;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::sleep;

pub use environment::Environment;
pub use fixed::{Fixed, Place};

use super::ApiError;
use crate::domain::Secret;

/// How often credentials that were refused are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

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

/// Why a source gave no credentials; in words that name the place and the remedy, and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// A place that credentials come from.
pub trait Source: fmt::Debug + Send + Sync {
    /// Reads them anew.
    fn load(&self) -> BoxFuture<'_, Result<Credentials, SourceError>>;
}

/// An account's credentials, asked for by all its targets.
#[derive(Debug, Clone)]
pub struct Keyring(Arc<dyn Source>);

impl Keyring {
    /// Credentials from this source.
    #[must_use]
    pub fn new(source: impl Source + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// What to sign with now.
    pub async fn current(&self) -> Result<Credentials, ApiError> {
        self.0.load().await.map_err(|error| ApiError::Credentials(error.to_string()))
    }

    /// Waits until the source gives other credentials than it gives now.
    pub async fn changed(&self) {
        let now = self.current().await;
        loop {
            sleep(LOOK_AGAIN).await;
            let later = self.current().await;
            if later.is_ok() && later != now {
                return;
            }
        }
    }
}
