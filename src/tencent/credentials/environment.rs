//! `environment`: the variables that Tencent Cloud's own tools read.

use futures_util::future::{self, BoxFuture, FutureExt};

use super::{Credentials, Source, SourceError};
use crate::domain::Secret;

const SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
const SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
/// Either name is in use; the first that is set counts.
const TOKENS: [&str; 2] = ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];

/// `TENCENTCLOUD_SECRET_ID`, `TENCENTCLOUD_SECRET_KEY`, and `TENCENTCLOUD_TOKEN` or `TENCENTCLOUD_SECURITY_TOKEN` if they
/// are set.
#[derive(Debug)]
pub struct Environment(Result<Credentials, SourceError>);

impl Environment {
    /// Takes the credentials from variables, looked up by name.
    #[must_use]
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let required = |name: &str| {
            let secret = set(name).map(Secret::new);
            secret
                .ok_or_else(|| SourceError(format!("the environment variable {name} is not set; export it")))
        };
        let credentials = || {
            Ok(Credentials {
                secret_id: required(SECRET_ID)?,
                secret_key: required(SECRET_KEY)?,
                token: TOKENS.into_iter().find_map(set).map(Secret::new),
            })
        };
        Self(credentials())
    }
}

impl Source for Environment {
    fn load(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        future::ready(self.0.clone()).boxed()
    }
}
