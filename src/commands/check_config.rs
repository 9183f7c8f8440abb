//! `check-config`: reads the configuration and says what is wrong with it.

use super::{Failure, print, probe, shard, start_log, surroundings, usage};
use crate::{
    cli::CheckConfigFlags,
    config::{Config, Regions},
};

pub(super) async fn run(flags: &CheckConfigFlags) -> Result<(), Failure> {
    let surroundings = surroundings(shard(flags.daemon.shard))?;
    let file = flags.daemon.config.file.as_deref();
    let loaded = Config::load(file, &surroundings.variables).map_err(usage)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let accounts = loaded.config.accounts.iter().map(|account| match &account.regions {
        Regions::All => format!("account {}: all regions\n", account.name),
        Regions::Listed(regions) => format!("account {}: {} regions\n", account.name, regions.len()),
    });
    print((accounts.collect::<String>() + "the configuration is valid\n").as_bytes())?;
    if flags.probe {
        start_log(&flags.daemon.log)?;
        probe::run(loaded.config, surroundings).await?;
    }
    Ok(())
}
