//! `once`: polls every target once and prints the exposition.

use std::sync::Arc;

use super::{
    context::shard,
    failure::Failure,
    output::print,
    poll_once::{Prepared, poll_each_once, prepare},
};
use crate::{cli::OnceFlags, logging, metrics::Renderer, snapshot::Snapshots};

pub(super) async fn run(flags: &OnceFlags) -> Result<(), Failure> {
    logging::start(&flags.log.level, flags.log.format);
    let Prepared { wiring, telemetry, regions_known } = prepare(&flags.config, shard(flags.shard)).await?;
    let mut renderer = Renderer::new(&telemetry, wiring.config().metrics.tag_labels.clone())?;
    let states = poll_each_once(wiring.plan()).await?;
    let all_answered = states.iter().all(|state| state.failure().is_none());
    let snapshots = Snapshots::default();
    for state in states {
        snapshots.add(Arc::new(state));
    }
    let exposition = renderer.render(&snapshots.current())?;
    print(&exposition.plain().collect::<Vec<_>>().concat())?;
    if regions_known && all_answered { Ok(()) } else { Err(Failure::AlreadyReported) }
}
