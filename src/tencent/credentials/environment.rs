//! `environment`: the variables that Tencent Cloud's own tools read.

use futures_util::future::{self, BoxFuture, FutureExt};
use zeroize::Zeroizing;

use super::source::{Credentials, Loaded, Source, SourceError};
use crate::domain::secret::Secret;

const SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
const SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
/// Tools use both names. The first one that is set is used.
const TOKENS: [&str; 2] = ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];

/// `TENCENTCLOUD_SECRET_ID`, `TENCENTCLOUD_SECRET_KEY`, and `TENCENTCLOUD_TOKEN` or `TENCENTCLOUD_SECURITY_TOKEN` if they
/// are set.
#[derive(Debug)]
pub struct Environment(Result<Loaded, SourceError>);

impl Environment {
    /// Reads the credentials from variables. `variable` returns a variable by its name.
    #[must_use]
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            let value = Zeroizing::new(variable(name)?);
            let value = Some(value.trim()).filter(|value| !value.is_empty())?;
            let problem = |problem| SourceError::Failed(format!("the environment variable {name} {problem}"));
            Some(Secret::key(value).map_err(problem))
        };
        // With only half a key pair, the default chain must not use another identity.
        let missing = if set(SECRET_ID).is_some() || set(SECRET_KEY).is_some() {
            SourceError::Failed
        } else {
            SourceError::Absent
        };
        let required = |name: &str| {
            let not_set = || missing(format!("the environment variable {name} is not set; export it"));
            set(name).unwrap_or_else(|| Err(not_set()))
        };
        let load = || {
            let credentials = Credentials {
                secret_id: required(SECRET_ID)?,
                secret_key: required(SECRET_KEY)?,
                token: TOKENS.into_iter().find_map(set).transpose()?,
            };
            Ok(Loaded { credentials, origin: "the environment".to_owned(), expiry: None })
        };
        Self(load())
    }
}

impl Source for Environment {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        future::ready(self.0.clone()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Loaded, SourceError> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Environment::new(lookup).load().now_or_never().expect("variables are available without waiting")
    }

    #[test]
    fn white_space_around_a_key_is_removed() {
        let credentials =
            load(&[(SECRET_ID, " AKIDexample\n"), (SECRET_KEY, "key")]).expect("both").credentials;
        assert_eq!(credentials.secret_id.expose(), "AKIDexample");
        assert_eq!(credentials.secret_key.expose(), "key");
        assert_eq!(credentials.token, None);
    }

    #[test]
    fn token_variable_has_two_names() {
        let pair = [(SECRET_ID, "AKIDexample"), (SECRET_KEY, "key")];
        for (tokens, expected) in [
            (&[("TENCENTCLOUD_TOKEN", "one")][..], Some("one")),
            (&[("TENCENTCLOUD_SECURITY_TOKEN", "two")], Some("two")),
            (&[("TENCENTCLOUD_TOKEN", "one"), ("TENCENTCLOUD_SECURITY_TOKEN", "two")], Some("one")),
            (&[("TENCENTCLOUD_TOKEN", "")], None),
        ] {
            let loaded = load(&[&pair, tokens].concat()).expect("a key pair");
            assert_eq!(loaded.credentials.token.as_ref().map(Secret::expose), expected);
        }
    }

    #[test]
    fn invalid_key_is_refused_but_not_shown() {
        let pair = [(SECRET_ID, "AKIDexample"), (SECRET_KEY, "key")];
        let quotes = "has quotes at its ends, which are not part of a key; remove them";
        let characters = "has white space or other characters that are not part of a key; write only the key";
        for (name, value, problem) in [
            (SECRET_ID, "\"AKIDexample\"", quotes),
            (SECRET_KEY, "'key'", quotes),
            (SECRET_KEY, "\"key", quotes),
            (SECRET_KEY, "key # of Bob", characters),
            ("TENCENTCLOUD_TOKEN", "'token'", quotes),
        ] {
            let failed = SourceError::Failed(format!("the environment variable {name} {problem}"));
            assert_eq!(load(&[&[(name, value)][..], &pair].concat()), Err(failed), "{value}");
        }
    }

    #[test]
    fn missing_or_empty_variable_is_absent() {
        let absent =
            |name| SourceError::Absent(format!("the environment variable {name} is not set; export it"));
        assert_eq!(load(&[]), Err(absent(SECRET_ID)));
        assert_eq!(load(&[(SECRET_ID, ""), (SECRET_KEY, " ")]), Err(absent(SECRET_ID)));
    }

    #[test]
    fn half_a_key_pair_ends_the_default_chain() {
        let failed =
            SourceError::Failed(format!("the environment variable {SECRET_KEY} is not set; export it"));
        assert_eq!(load(&[(SECRET_ID, "AKIDexample"), (SECRET_KEY, " ")]), Err(failed));
    }
}
