//! `healthcheck`: asks the daemon that the same flags describe whether it is healthy.

use super::{Failure, start_log};
use crate::{cli::DaemonFlags, web};

pub(super) async fn run(flags: &DaemonFlags) -> Result<(), Failure> {
    start_log(&flags.log)?;
    Ok(web::healthcheck(&flags.web.listen_addresses, flags.web.config_file.as_deref()).await?)
}
