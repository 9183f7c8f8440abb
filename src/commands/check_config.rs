//! `check-config`: reads the configuration and says what is wrong with it.

use super::{Failure, usage, variables};
use crate::{
    cli::{CheckConfig, Daemon},
    config::{Config, Regions},
};

pub(super) async fn run(daemon: &Daemon, _check: &CheckConfig) -> Result<(), Failure> {
    let loaded =
        Config::load(daemon.config_file.as_deref(), &variables()).map_err(|problems| usage(&problems))?;
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
