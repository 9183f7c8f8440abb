//! The only type for secrets: keys, tokens and passwords.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

/// A secret text. It is redacted in `Debug`, has no `Display` and no `Serialize`, and is zeroed when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes a text a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A key or token of Tencent Cloud: visible ASCII characters without quotes at the ends. The error message is printed after
    /// the place of the text. It does not contain the text.
    pub fn key(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            Err("is empty")
        } else if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            Err("has quotes at its ends, which are not part of a key; remove them")
        } else if !text.chars().all(|c| c.is_ascii_graphic()) {
            Err("has white space or other characters that are not part of a key; write only the key")
        } else {
            Ok(Self::new(text))
        }
    }

    /// The text, to send it or to sign with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A secret in the configuration, or a file that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretText {
    /// The secret itself.
    Value(Secret),
    /// A file whose content, without white space around it, is the secret.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let secret = Secret::new("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE");
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(redacted))");
    }
}
