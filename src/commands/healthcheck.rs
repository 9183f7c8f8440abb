//! `healthcheck`: checks whether the daemon that was started with the same flags is healthy, or ready.

use super::error::CommandError;
use crate::{
    cli::HealthcheckFlags,
    logging,
    web::healthcheck::{Probe, healthcheck},
};

pub(super) async fn run(flags: &HealthcheckFlags) -> Result<(), CommandError> {
    logging::start(&flags.daemon.log.level, flags.daemon.log.format);
    let probe = if flags.ready { Probe::Ready } else { Probe::Healthy };
    let web = &flags.daemon.web;
    Ok(healthcheck(probe, &web.listen_addresses, web.config_file()).await?)
}
