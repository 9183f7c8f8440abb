//! `simulate`: the embedded VPC API alone, for any client.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Failure, signals, start_log};
use crate::{
    cli::{Daemon, Simulate},
    simulator::Simulator,
};

pub(super) async fn run(daemon: &Daemon, simulate: &Simulate) -> Result<(), Failure> {
    start_log(daemon)?;
    let simulator = Simulator::bind(simulate.options()?, simulate.listen_address).await?;
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
