//! `check-config`: reads the same files as the daemon, and prints every problem.

use std::path::Path;

use super::{
    context::{context, shard},
    error::{CommandError, client_error, usage},
    output::print,
    probe,
};
use crate::{
    cli::CheckConfigFlags,
    config::{AccountConfig, Config, Regions},
    domain::credential_source::CredentialSource,
    domain::secret::SecretText,
    logging,
    tencent::transport::Authorities,
    web::protection::Protection,
    wiring::Wiring,
};

pub(super) async fn run(flags: &CheckConfigFlags) -> Result<(), CommandError> {
    logging::start(&flags.daemon.log.level, flags.daemon.log.format);
    let context = context(shard(flags.daemon.shard))?;
    let loaded = Config::load(flags.daemon.config.file.as_deref(), &context.variables);
    let protection = flags.daemon.web.config_file().map(Protection::open).transpose();
    let problems = [loaded.as_ref().err().map(ToString::to_string), protection.err().map(|e| e.to_string())];
    let problems: Vec<_> = problems.into_iter().flatten().collect();
    let (Ok(loaded), true) = (loaded, problems.is_empty()) else { return Err(usage(problems.join("\n"))) };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    for path in missing_secret_files(&loaded.config) {
        eprintln!(
            "warning: {}: there is no such file; polls that need it fail until it exists",
            path.display()
        );
    }
    let summary: String = loaded.config.accounts.iter().map(summary).collect();
    let wiring = Wiring::new(loaded.config, context, Authorities::of_system()).map_err(client_error)?;
    print((summary + "the configuration is valid\n").as_bytes())?;
    if flags.probe {
        probe::run(wiring).await?;
    }
    Ok(())
}

/// The secret files that do not exist. They may be mounted later, so this is not an error.
fn missing_secret_files(config: &Config) -> impl Iterator<Item = &Path> {
    let pairs = config.accounts.iter().filter_map(|account| match &account.credentials {
        CredentialSource::Static { secret_id, secret_key } => Some([secret_id, secret_key]),
        _ => None,
    });
    let files = pairs.flatten().filter_map(|text| match text {
        SecretText::File(path) => Some(path.as_path()),
        SecretText::Value(_) => None,
    });
    files.filter(|path| !path.exists())
}

fn summary(account: &AccountConfig) -> String {
    let regions = match &account.regions {
        Regions::All => "all regions".to_owned(),
        Regions::Listed(regions) if regions.len() == 1 => "1 region".to_owned(),
        Regions::Listed(regions) => format!("{} regions", regions.len()),
    };
    format!("account {}: {regions}\n", account.name)
}
