//! `static`: credentials that the configuration holds, or the files that it names.

use std::path::PathBuf;

use futures_util::future::{self, BoxFuture, FutureExt};

use super::{Credentials, Source, SourceError};
use crate::domain::Secret;

/// A secret, or the file that holds it.
#[derive(Debug, Clone)]
pub enum Place {
    /// The secret itself.
    Value(Secret),
    /// A file, read again at every use, as mounted secrets change.
    File(PathBuf),
}

/// A long-lived key pair.
#[derive(Debug)]
pub struct Fixed {
    /// Where `SecretId` is.
    pub secret_id: Place,
    /// Where `SecretKey` is.
    pub secret_key: Place,
}

impl Fixed {
    fn read(&self) -> Result<Credentials, SourceError> {
        Ok(Credentials {
            secret_id: self.secret_id.read()?,
            secret_key: self.secret_key.read()?,
            token: None,
        })
    }
}

impl Place {
    fn read(&self) -> Result<Secret, SourceError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let failed = |problem: &str| SourceError(format!("{}: {problem}", path.display()));
                let text = std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
                match text.trim() {
                    "" => Err(failed("it is empty; it must hold the secret")),
                    secret => Ok(Secret::new(secret)),
                }
            }
        }
    }
}

impl Source for Fixed {
    fn load(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        future::ready(self.read()).boxed()
    }
}
