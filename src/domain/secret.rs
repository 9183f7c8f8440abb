//! The one type that holds a secret: a key, a token, a password.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

/// A text that must never be seen: it is redacted in `Debug`, has no `Display` and no `Serialize`, and its memory is
/// zeroed when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for what must send it or sign with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A secret that is written in the configuration, or the file that holds it.
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
