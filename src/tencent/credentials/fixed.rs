//! `static`: credentials that the configuration holds, or the files that it names.

use futures_util::future::{BoxFuture, FutureExt};

use super::{Credentials, Loaded, Source, SourceError, secret_file::read_secret};
use crate::domain::{Secret, SecretText};

/// A long-lived key pair.
#[derive(Debug)]
pub struct Fixed {
    /// Where `SecretId` is.
    pub secret_id: SecretText,
    /// Where `SecretKey` is.
    pub secret_key: SecretText,
}

impl Fixed {
    async fn read(&self) -> Result<Loaded, SourceError> {
        let credentials = Credentials {
            secret_id: read(&self.secret_id).await?,
            secret_key: read(&self.secret_key).await?,
            token: None,
        };
        Ok(Loaded { credentials, origin: "the configuration".to_owned(), expiry: None })
    }
}

/// The secret. A file is read anew each time, as mounted secrets change.
async fn read(text: &SecretText) -> Result<Secret, SourceError> {
    match text {
        SecretText::Value(secret) => Ok(secret.clone()),
        SecretText::File(path) => read_secret(path).await,
    }
}

impl Source for Fixed {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.read().boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_file_is_read_again_at_every_load() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let fixed = Fixed {
            secret_id: SecretText::Value(Secret::new("AKIDexample")),
            secret_key: SecretText::File(path.clone()),
        };
        for key in ["one", "two"] {
            fs::write(&path, format!("{key}\n")).expect("a file");
            assert_eq!(fixed.load().await.expect("a key pair").credentials.secret_key.expose(), key);
        }
    }

    #[tokio::test]
    async fn a_file_that_holds_no_secret_is_named_and_its_content_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let fixed = Fixed {
            secret_id: SecretText::Value(Secret::new("AKIDexample")),
            secret_key: SecretText::File(path.clone()),
        };
        let place = path.display();
        let problem = || async { fixed.load().await.expect_err("no secret").to_string() };
        assert_eq!(
            problem().await,
            format!("{place}: there is no such file; create it, or correct the path")
        );
        for (content, expected) in [
            (&b" \n"[..], "it is empty; it must hold the secret"),
            (
                b"key one\n",
                "it has white space or other characters within the secret; it must hold nothing else",
            ),
            (
                b"\xef\xbb\xbfkey",
                "it has white space or other characters within the secret; it must hold nothing else",
            ),
            (b"\xff\xfe", "it is no text in UTF-8"),
        ] {
            fs::write(&path, content).expect("a file");
            assert_eq!(problem().await, format!("{place}: {expected}"));
        }
        fs::remove_file(&path).expect("a file");
        fs::create_dir(&path).expect("a folder in its place");
        assert!(problem().await.ends_with("; this process must be able to read it"));
    }
}
