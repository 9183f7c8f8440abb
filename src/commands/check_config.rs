//! `check-config`: reads all that the daemon would, and says what is wrong with it.

use super::{Failure, print, probe, shard, start_log, surroundings, unusable, usage};
use crate::{
    cli::CheckConfigFlags,
    config::{Account, Config, Regions},
    web::Protection,
    wiring::Wiring,
};

pub(super) async fn run(flags: &CheckConfigFlags) -> Result<(), Failure> {
    start_log(&flags.daemon.log)?;
    let surroundings = surroundings(shard(flags.daemon.shard))?;
    let loaded = Config::load(flags.daemon.config.file.as_deref(), &surroundings.variables);
    let protection = flags.daemon.web.config_file.as_deref().map(Protection::open).transpose();
    let problems = [loaded.as_ref().err().map(ToString::to_string), protection.err().map(|e| e.to_string())];
    let problems: Vec<_> = problems.into_iter().flatten().collect();
    let (Ok(loaded), true) = (loaded, problems.is_empty()) else { return Err(usage(problems.join("\n"))) };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let summary: String = loaded.config.accounts.iter().map(summary).collect();
    let wiring = Wiring::new(loaded.config, surroundings).map_err(unusable)?;
    print((summary + "the configuration is valid\n").as_bytes())?;
    if flags.probe {
        probe::run(wiring).await?;
    }
    Ok(())
}

fn summary(account: &Account) -> String {
    let regions = match &account.regions {
        Regions::All => "all regions".to_owned(),
        Regions::Listed(regions) if regions.len() == 1 => "1 region".to_owned(),
        Regions::Listed(regions) => format!("{} regions", regions.len()),
    };
    format!("account {}: {regions}\n", account.name)
}
