//! `demo`: the daemon against the embedded VPC API, with tunnels that change state; needs no account.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use simulator::{Options, Simulator};

use super::{
    context::context,
    error::CommandError,
    output::print,
    serve::{PreparedServer, prepare, serve},
    signals::Signals,
    simulate::bind,
};
use crate::{
    app::{self, ReadConfig},
    cli::DemoFlags,
    config::{
        AccountConfig, ApiConfig, Config, GatewaysConfig, MetricsConfig, PollConfig, Regions, TrafficConfig,
    },
    domain::{
        credential_source::CredentialSource,
        endpoint::Endpoint,
        secret::{Secret, SecretText},
        shard::Shard,
        site::Site,
        tag_label::TagLabel,
        target::{AccountName, Region},
        traffic::Period,
    },
    logging,
    tencent::transport::Authorities,
};

pub(super) async fn run(flags: &DemoFlags, signals: Signals) -> Result<(), CommandError> {
    let _flusher = logging::start_in_background(&flags.log.level, flags.log.format)?;
    let options = Options {
        regions: Options::spread(flags.world.tunnels, &flags.world.regions),
        seed: flags.world.seed,
        ..Options::default()
    };
    let simulator = bind(options, (Ipv4Addr::LOCALHOST, 0).into()).await?;
    let config = config(&simulator, flags.world.regions.clone())?;
    let read_config: ReadConfig = Arc::new(move || Ok((config.clone(), Authorities::of_system())));
    let prepare = app::read_in_time(prepare(&flags.web, read_config));
    let Some(prepared) = signals.shutdown.run_until_cancelled(prepare).await else { return Ok(()) };
    let prepared = prepared??;
    print(addresses(&prepared, flags.web.telemetry_path.as_str())?.as_bytes())?;
    tokio::select! {
        result = serve(&flags.web, prepared, context(Shard::SOLE)?, signals) => result,
        () = simulator.run(std::future::pending()) => Ok(()),
    }
}

/// The addresses of the demo, for people to click on.
fn addresses(prepared: &PreparedServer, telemetry_path: &str) -> io::Result<String> {
    let has_tls = prepared.protection.as_ref().is_some_and(|protection| protection.has_tls());
    let scheme = if has_tls { "https" } else { "http" };
    let lines = prepared.listeners.iter().map(|listener| {
        let address = listener.local_addr()?;
        let host = if address.ip().is_unspecified() {
            format!("localhost:{}", address.port())
        } else {
            address.to_string()
        };
        Ok(format!("# The demo is at {scheme}://{host}/, its metrics at {scheme}://{host}{telemetry_path}\n"))
    });
    let lines: io::Result<String> = lines.collect();
    Ok(lines?
        + "# Within a minute some tunnels go down and come back, and a gateway becomes isolated; Ctrl-C ends the demo\n")
}

/// One account, polled often so that changes are shown quickly.
fn config(simulator: &Simulator, regions: Vec<Region>) -> anyhow::Result<Config> {
    let credentials = simulator.credentials();
    let account = AccountConfig {
        name: AccountName::new("demo")?,
        site: Site::default(),
        regions: Regions::Listed(regions),
        credentials: CredentialSource::Static {
            secret_id: SecretText::Value(Secret::new(&*credentials.secret_id)),
            secret_key: SecretText::Value(Secret::new(&*credentials.secret_key)),
        },
        assume_role: None,
        filters: Vec::new(),
    };
    Ok(Config {
        poll: PollConfig {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(4),
            ..PollConfig::default()
        },
        api: ApiConfig {
            endpoint: Some(Endpoint::new(&format!("http://{}", simulator.local_addr()))?),
            requests_per_second: 100.0,
            ..ApiConfig::default()
        },
        metrics: MetricsConfig { tag_labels: ["env", "team"].map(TagLabel::new).into() },
        gateways: GatewaysConfig { interval: Duration::from_secs(5), ..GatewaysConfig::default() },
        traffic: TrafficConfig { enabled: true, period: Period::OneMinute, ..TrafficConfig::default() },
        accounts: vec![account],
    })
}
