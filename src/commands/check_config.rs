//! `check-config`: reads the configuration and says what is wrong with it.

use super::{Failure, usage, variables};
use crate::{
    cli::CheckConfigFlags,
    config::{Config, Regions},
};

pub(super) fn run(flags: &CheckConfigFlags) -> Result<(), Failure> {
    let loaded = Config::load(flags.daemon.config.file.as_deref(), &variables()).map_err(usage)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    for account in &loaded.config.accounts {
        match &account.regions {
            Regions::All => println!("account {}: all regions", account.name),
            Regions::Listed(regions) => println!("account {}: {} regions", account.name, regions.len()),
        }
    }
    println!("the configuration is valid");
    Ok(())
}
