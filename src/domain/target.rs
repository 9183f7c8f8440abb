//! Accounts, regions, and their pairs, which are the targets of polls.

use std::{fmt, sync::Arc};

/// The reason why a text is not the name of an account or a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is empty.
    #[error("must not be empty")]
    Empty,
    /// It is too long.
    #[error("must not be longer than {limit} characters")]
    TooLong {
        /// How many characters are allowed.
        limit: usize,
    },
    /// It has a character that is not allowed.
    #[error("must not contain {found:?}; allowed are {allowed}")]
    Character {
        /// The first character that is not allowed.
        found: char,
        /// The allowed characters.
        allowed: &'static str,
    },
    /// It is not a label of a host name.
    #[error("must begin with a letter, end with a letter or a digit, and have no two hyphens in a row")]
    Hyphens,
}

/// The name of an account, chosen by the user in the configuration; the label `account`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Arc<str>);

impl AccountName {
    /// Accepts 1 to 128 characters without control characters.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        checked(name, 128, "all but control characters", |c| !c.is_control()).map(Self)
    }

    /// The name as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A region of Tencent Cloud by its API name, such as `ap-guangzhou`; the label `region`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl Region {
    /// Accepts 1 to 63 lower-case letters, digits and single hyphens. The first character is a letter, the last is not a
    /// hyphen: a region becomes a label of a host name.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let allowed = "lower-case letters, digits and hyphens";
        let name = checked(name, 63, allowed, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')?;
        let is_label = name.starts_with(|c: char| c.is_ascii_lowercase())
            && !name.ends_with('-')
            && !name.contains("--");
        if is_label { Ok(Self(name)) } else { Err(InvalidName::Hyphens) }
    }

    /// The name as the API spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a finance region, isolated from other regions, with its own endpoints.
    #[must_use]
    pub fn is_finance(&self) -> bool {
        self.0.ends_with("-fsi")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account in a region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The account.
    pub account: AccountName,
    /// The region.
    pub region: Region,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.account, self.region)
    }
}

fn checked(
    name: &str,
    limit: usize,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<Arc<str>, InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if name.chars().count() > limit {
        return Err(InvalidName::TooLong { limit });
    }
    match name.chars().find(|&c| !is_allowed(c)) {
        Some(found) => Err(InvalidName::Character { found, allowed }),
        None => Ok(name.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_is_valid_in_a_host_name() {
        assert!(Region::new("ap-shanghai-fsi").is_ok_and(|region| region.is_finance()));
        assert!(Region::new("eu-frankfurt").is_ok_and(|region| !region.is_finance()));
        for bad in ["", "Frankfurt", "eu.frankfurt", "eu/..", "eu frankfurt", "999", "-eu", "eu-", "xn--a"] {
            assert!(Region::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn account_name_may_use_any_script() {
        assert!(AccountName::new("生产 \"prod\"").is_ok());
        let problem = AccountName::new("a\nb").expect_err("a line feed");
        assert_eq!(problem.to_string(), "must not contain '\\n'; allowed are all but control characters");
    }
}
