//! Files that hold secrets, read whole; what they hold stays in no buffer.

use std::path::Path;

use zeroize::Zeroizing;

use super::SourceError;
use crate::domain::Secret;

/// The secret that is all a file holds, without the white space around it.
pub(super) async fn read_secret(path: &Path) -> Result<Secret, SourceError> {
    let text = read(path).await?;
    match text.trim() {
        "" => Err(failed(path, "it is empty; it must hold the secret")),
        secret if !secret.chars().all(|c| c.is_ascii_graphic()) => Err(failed(
            path,
            "it has white space or other characters within the secret; it must hold nothing else",
        )),
        secret => Ok(Secret::new(secret)),
    }
}

/// A text file's content.
pub(super) async fn read(path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let bytes = tokio::fs::read(path).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => SourceError::Absent(format!(
            "{}: there is no such file; create it, or correct the path",
            path.display()
        )),
        _ => failed(path, &format!("{error}; this process must be able to read it")),
    })?;
    let bytes = Zeroizing::new(bytes);
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(failed(path, "it is no text in UTF-8")),
    }
}

fn failed(path: &Path, problem: &str) -> SourceError {
    SourceError::Failed(format!("{}: {problem}", path.display()))
}
