//! The error of a command: its message and its exit status.

use std::fmt;

use crate::tencent::transport::ClientError;

/// The error of a command.
#[derive(Debug)]
pub(super) enum CommandError {
    /// The user has to change a flag or the configuration: status 64.
    Usage(String),
    /// Anything else: status 1.
    Other(anyhow::Error),
    /// The same, after its message was printed: status 1.
    AlreadyReported,
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

pub(super) fn usage(problem: impl fmt::Display) -> CommandError {
    CommandError::Usage(problem.to_string())
}

/// The user has to change a configured file that cannot be used.
pub(super) fn client_error(error: ClientError) -> CommandError {
    match error {
        ClientError::CaFile { .. } => usage(error),
        ClientError::Tls(_) | ClientError::Settings(_) => error.into(),
    }
}
