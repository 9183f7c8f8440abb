//! `healthcheck`: asks the daemon that the same flags describe whether it is healthy.

use super::Failure;
use crate::cli::Daemon;

pub(super) async fn run(_daemon: &Daemon) -> Result<(), Failure> {
    Err(anyhow::anyhow!("missing").into())
}
