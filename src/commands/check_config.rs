//! `check-config`: reads the configuration and says what is wrong with it.

use super::{Failure, print, usage, variables};
use crate::{
    cli::CheckConfigFlags,
    config::{Config, Regions},
};

pub(super) fn run(flags: &CheckConfigFlags) -> Result<(), Failure> {
    let loaded = Config::load(flags.daemon.config.file.as_deref(), &variables()).map_err(usage)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let accounts = loaded.config.accounts.iter().map(|account| match &account.regions {
        Regions::All => format!("account {}: all regions\n", account.name),
        Regions::Listed(regions) => format!("account {}: {} regions\n", account.name, regions.len()),
    });
    print((accounts.collect::<String>() + "the configuration is valid\n").as_bytes())
}
