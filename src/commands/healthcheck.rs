//! `healthcheck`: asks the daemon that the same flags describe whether it is healthy.

use super::Failure;
use crate::cli::DaemonFlags;

pub(super) async fn run(_flags: &DaemonFlags) -> Result<(), Failure> {
    Err(anyhow::anyhow!("missing").into())
}
