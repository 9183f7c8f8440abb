//! Certificate authorities beside the system's.

use std::{fmt, path::PathBuf};

/// `api.ca_file`, as it was when the configuration was read: two that differ in a byte are two.
#[derive(Clone, PartialEq, Eq)]
pub struct CaFile {
    /// Where it was read.
    pub path: PathBuf,
    /// What it held: PEM, it is hoped.
    pub pem: Vec<u8>,
}

impl fmt::Debug for CaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaFile").field("path", &self.path).finish_non_exhaustive()
    }
}
