//! Certificate authorities that are added to the system's.

use std::{fmt, path::PathBuf};

/// `api.ca_file` with the content that it had when the configuration was read.
#[derive(Clone, PartialEq, Eq)]
pub struct CaFile {
    /// The path.
    pub path: PathBuf,
    /// The content, which should be PEM.
    pub pem: Vec<u8>,
}

impl fmt::Debug for CaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaFile").field("path", &self.path).finish_non_exhaustive()
    }
}
