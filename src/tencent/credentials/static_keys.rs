//! `static`: a key pair in the configuration, or in files.

use futures_util::future::{BoxFuture, FutureExt};

use super::{
    secret_file::SecretFile,
    source::{Credentials, Loaded, Source, SourceError},
};
use crate::domain::secret::{Secret, SecretText};

/// A long-lived key pair.
#[derive(Debug)]
pub struct StaticKeys {
    secret_id: Text,
    secret_key: Text,
}

#[derive(Debug)]
enum Text {
    Value(Secret),
    File(SecretFile),
}

impl StaticKeys {
    /// `SecretId` and `SecretKey`, or the files with them.
    #[must_use]
    pub fn new(secret_id: SecretText, secret_key: SecretText) -> Self {
        Self { secret_id: secret_id.into(), secret_key: secret_key.into() }
    }

    async fn read(&self) -> Result<Loaded, SourceError> {
        let credentials = Credentials {
            secret_id: self.secret_id.read().await?,
            secret_key: self.secret_key.read().await?,
            token: None,
        };
        Ok(Loaded { credentials, origin: "the configuration".to_owned(), expiry: None })
    }
}

impl Text {
    /// The secret. Files are read every time, because mounted secrets change.
    async fn read(&self) -> Result<Secret, SourceError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::File(file) => file.secret().await,
        }
    }
}

impl From<SecretText> for Text {
    fn from(text: SecretText) -> Self {
        match text {
            SecretText::Value(secret) => Self::Value(secret),
            SecretText::File(path) => Self::File(SecretFile::new(path)),
        }
    }
}

impl Source for StaticKeys {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.read().boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::regular_file::ReadError;

    #[tokio::test]
    async fn file_is_read_at_each_load() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let keys =
            StaticKeys::new(SecretText::Value(Secret::new("AKIDexample")), SecretText::File(path.clone()));
        for key in ["one", "two"] {
            fs::write(&path, format!("{key}\n")).expect("a file");
            assert_eq!(keys.load().await.expect("a key pair").credentials.secret_key.expose(), key);
        }
    }

    const OTHER_CHARACTERS: &str =
        "it has white space or other characters that are not part of a key; write only the key";

    #[tokio::test]
    async fn unusable_key_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let keys =
            StaticKeys::new(SecretText::Value(Secret::new("AKIDexample")), SecretText::File(path.clone()));
        let place = path.display();
        let problem = || async { keys.load().await.expect_err("no secret").to_string() };
        assert_eq!(
            problem().await,
            format!("{place}: there is no such file; create it, or correct the path")
        );
        for (content, expected) in [
            (&b" \n"[..], "it is empty; it must contain the secret"),
            (b"key one\n", OTHER_CHARACTERS),
            (b"\xef\xbb\xbfkey", OTHER_CHARACTERS),
            (b"\"key\"\n", "it has quotes at its ends, which are not part of a key; remove them"),
            (b"\xff\xfe", "it is not UTF-8 text"),
        ] {
            fs::write(&path, content).expect("a file");
            assert_eq!(problem().await, format!("{place}: {expected}"));
        }
        fs::remove_file(&path).expect("a file");
        fs::create_dir(&path).expect("a folder in its place");
        assert_eq!(problem().await, format!("{place}: it is a directory; name a file in it"));
        fs::remove_dir(&path).expect("a folder");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        assert_eq!(problem().await, format!("{place}: {}", ReadError::NotRegular));
        fs::remove_file(&path).expect("a link");
        fs::write(&path, "x".repeat(2 << 20)).expect("a file");
        assert_eq!(problem().await, format!("{place}: it is larger than 1 MiB; check the path"));
    }
}
