//! `simulate`: the embedded VPC API alone, for any client.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Failure, bind, print, signals, start_log};
use crate::{cli::SimulateFlags, simulator::Options};

pub(super) async fn run(flags: &SimulateFlags) -> Result<(), Failure> {
    start_log(&flags.log)?;
    let options = Options {
        regions: Options::spread(flags.world.tunnels, &flags.world.regions),
        seed: flags.world.seed,
        frozen: flags.frozen,
        speed: flags.speed,
        latency: flags.latency.unwrap_or_default(),
        requests_per_second: flags.requests_per_second,
        ..Options::default()
    };
    let simulator = bind(options, flags.listen_address).await?;
    let shutdown = CancellationToken::new();
    let (reload, _reloads) = mpsc::channel(1);
    let signals = signals::watch(shutdown.clone(), reload)?;
    let credentials = simulator.credentials().clone();
    let lines = format!(
        "# The VPC API is at http://{}\nexport TENCENTCLOUD_SECRET_ID={}\nexport TENCENTCLOUD_SECRET_KEY={}\n",
        simulator.local_addr(),
        credentials.secret_id,
        credentials.secret_key.expose()
    );
    print(lines.as_bytes())?;
    tokio::select! {
        () = simulator.run(shutdown.cancelled_owned()) => Ok(()),
        never = signals => match never {},
    }
}
