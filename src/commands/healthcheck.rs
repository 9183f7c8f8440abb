//! `healthcheck`: asks the daemon that the same flags describe whether it is healthy, or ready.

use super::{Failure, start_log};
use crate::{
    cli::HealthcheckFlags,
    web::healthcheck::{Question, healthcheck},
};

pub(super) async fn run(flags: &HealthcheckFlags) -> Result<(), Failure> {
    start_log(&flags.daemon.log)?;
    let question = if flags.ready { Question::Ready } else { Question::Healthy };
    let web = &flags.daemon.web;
    Ok(healthcheck(question, &web.listen_addresses, web.config_file.as_deref()).await?)
}
