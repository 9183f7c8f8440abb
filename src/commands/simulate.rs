//! `simulate`: the embedded VPC API alone, for any client.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Failure, bind, signals, start_log};
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
    println!("# The VPC API is at http://{}", simulator.local_addr());
    println!("export TENCENTCLOUD_SECRET_ID={}", credentials.secret_id);
    println!("export TENCENTCLOUD_SECRET_KEY={}", credentials.secret_key.expose());
    tokio::select! {
        () = simulator.run(shutdown.cancelled_owned()) => Ok(()),
        never = signals => match never {},
    }
}
