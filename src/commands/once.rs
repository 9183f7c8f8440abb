//! `once`: polls every target once and prints what the registry gathers.

use std::sync::Arc;

use prometheus::{Encoder, TextEncoder, proto::MetricFamily};

use super::{
    context::shard,
    error::CommandError,
    output::print,
    poll_once::{GatewayListing, PreparedPolls, poll_each_once, prepare},
};
use crate::{cli::OnceFlags, logging, metrics::registry::registry, snapshot::Snapshots};

pub(super) async fn run(flags: &OnceFlags) -> Result<(), CommandError> {
    logging::start(&flags.log.level, flags.log.format);
    let PreparedPolls { wiring, telemetry, regions_known } =
        prepare(&flags.config, shard(flags.shard)).await?;
    let snapshots = Snapshots::default();
    let registry = registry(snapshots.subscribe(), &telemetry, &wiring.config().metrics.tag_labels)?;
    let states = poll_each_once(wiring.plan(), GatewayListing::AfterTunnels).await?;
    let all_succeeded = states.iter().all(|state| state.failure().is_none());
    for state in states {
        snapshots.add(Arc::new(state));
    }
    let mut families = registry.gather();
    families.retain(is_about_the_cloud);
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    print(&text)?;
    if regions_known && all_succeeded { Ok(()) } else { Err(CommandError::AlreadyReported) }
}

/// `once` omits metrics about its own process: they are useless after a single poll.
fn is_about_the_cloud(family: &MetricFamily) -> bool {
    !["process_", "tencentcloud_vpn_exporter_"].iter().any(|prefix| family.name().starts_with(prefix))
}
