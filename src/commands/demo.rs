//! `demo`: the daemon against the embedded VPC API, with tunnels that change state; needs no account.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use simulator::{Options, Simulator};
use tokio::net::TcpListener;

use super::{
    Failure, bind, print,
    serve::{protection, serve},
    signals::Requests,
    start_queued_log, surroundings, usage,
};
use crate::{
    app::{self, ReadConfig},
    cli::DemoFlags,
    config::{Account, Api, Config, CredentialSource, Metrics, Poll, Regions},
    domain::{AccountName, Endpoint, Region, Secret, SecretText, Shard, Site, TagLabel},
    tencent::transport::Authorities,
    web::listen,
};

pub(super) async fn run(flags: &DemoFlags, requests: Requests) -> Result<(), Failure> {
    let _log = start_queued_log(&flags.log)?;
    let options = Options {
        regions: Options::spread(flags.world.tunnels, &flags.world.regions),
        seed: flags.world.seed,
        ..Options::default()
    };
    let simulator = bind(options, (Ipv4Addr::LOCALHOST, 0).into()).await?;
    let config = config(&simulator, flags.world.regions.clone())?;
    let read_config: ReadConfig = Arc::new(move || Ok((config.clone(), Authorities::of_system())));
    let prepare = app::read_in_time(async {
        let config = app::read_first(&read_config).await.map_err(usage)?;
        Ok::<_, Failure>((config, protection(&flags.web).await?))
    });
    let Some(prepared) = requests.shutdown.run_until_cancelled(prepare).await else { return Ok(()) };
    let (config, protection) = prepared??;
    let scheme =
        if protection.as_ref().is_some_and(|protection| protection.has_tls()) { "https" } else { "http" };
    let listeners = listen::bind(&flags.web.listen_addresses).await?;
    print(where_to_look(scheme, &listeners, flags.web.telemetry_path.as_str())?.as_bytes())?;
    let surroundings = surroundings(Shard::SOLE)?;
    tokio::select! {
        result = serve(&flags.web, listeners, protection, config, read_config, surroundings, requests) => result,
        () = simulator.run(std::future::pending()) => Ok(()),
    }
}

/// The lines that a person who started the demo clicks on.
fn where_to_look(scheme: &str, listeners: &[TcpListener], telemetry_path: &str) -> io::Result<String> {
    let lines = listeners.iter().map(|listener| {
        let address = listener.local_addr()?;
        let host = if address.ip().is_unspecified() {
            format!("localhost:{}", address.port())
        } else {
            address.to_string()
        };
        Ok(format!("# The demo is at {scheme}://{host}/, its metrics at {scheme}://{host}{telemetry_path}\n"))
    });
    let lines: io::Result<String> = lines.collect();
    Ok(lines? + "# Some tunnels go down and come back within the next minute; Ctrl-C ends the demo\n")
}

/// One account, polled often enough to see something happen.
fn config(simulator: &Simulator, regions: Vec<Region>) -> anyhow::Result<Config> {
    let credentials = simulator.credentials();
    let account = Account {
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
        poll: Poll {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(4),
            stale_after: Duration::from_secs(30),
        },
        api: Api {
            endpoint: Some(Endpoint::new(&format!("http://{}", simulator.local_addr()))?),
            requests_per_second: 100.0,
            ..Api::default()
        },
        metrics: Metrics { tag_labels: ["env", "team"].map(TagLabel::new).into() },
        accounts: vec![account],
    })
}
