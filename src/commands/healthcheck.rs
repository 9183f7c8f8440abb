//! `healthcheck`: checks whether the daemon that was started with the same flags is healthy, or ready.

use super::error::CommandError;
use crate::{
    cli::HealthcheckFlags,
    logging,
    web::healthcheck::{Question, healthcheck},
};

pub(super) async fn run(flags: &HealthcheckFlags) -> Result<(), CommandError> {
    logging::start(&flags.daemon.log.level, flags.daemon.log.format);
    let question = if flags.ready { Question::Ready } else { Question::Healthy };
    let web = &flags.daemon.web;
    Ok(healthcheck(question, &web.listen_addresses, web.config_file.as_deref()).await?)
}
