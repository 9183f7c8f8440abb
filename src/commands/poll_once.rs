//! The polls of commands that poll once: discovery of regions, then one poll of each target. Failures go to standard error.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};

use super::{
    context::{context, load},
    error::{CommandError, client_error, usage},
    output::report,
};
use crate::{
    cli::flags::ConfigFlags,
    domain::{shard::Shard, target::AccountName},
    poll::{failure, fleet::Plan, poller},
    snapshot::TargetSnapshot,
    telemetry::Telemetry,
    tencent::{
        action::{Action, home_region},
        describe_regions::DescribeRegions,
        error::ApiError,
        transport::Authorities,
    },
    wiring::Wiring,
};

/// The time limit of one region discovery, with retries.
pub(super) const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(45);

/// The prepared state of a command that polls once.
pub(super) struct PreparedPolls {
    pub(super) wiring: Wiring,
    pub(super) telemetry: Telemetry,
    /// Whether discovery succeeded for all accounts whose regions are `all`.
    pub(super) regions_known: bool,
}

pub(super) async fn prepare(config: &ConfigFlags, shard: Shard) -> Result<PreparedPolls, CommandError> {
    let context = context(shard)?;
    let config = load(config.file.as_deref(), &context.variables).map_err(usage)?;
    let telemetry = context.telemetry.clone();
    let mut wiring = Wiring::new(config, context, Authorities::of_system()).map_err(client_error)?;
    let regions_known = discover_regions(&mut wiring).await.is_empty();
    Ok(PreparedPolls { wiring, telemetry, regions_known })
}

/// Discovers the regions of accounts whose regions are `all`. Reports and returns each failure.
pub(super) async fn discover_regions(wiring: &mut Wiring) -> Vec<(AccountName, ApiError)> {
    let deadline = Instant::now() + DISCOVERY_TIMEOUT;
    let discoveries = wiring.discoveries().into_iter().map(|(name, account)| async move {
        let region = home_region();
        let result = account.post(&DescribeRegions::VPN, &region, deadline).await;
        (name, account.route(DescribeRegions::SERVICE, &region), result)
    });
    let mut failed = Vec::new();
    for (account, route, result) in join_all(discoveries).await {
        match result {
            Ok(regions) => drop(wiring.apply_discovery(&account, &regions.value)),
            Err(error) => {
                let failure = failure::from_error(&error, &route, DescribeRegions::PERMISSION);
                report(format_args!("{account}: region discovery failed: {}", failure.message));
                failed.push((account, error));
            }
        }
    }
    failed
}

/// Polls every target once, and reports each failure.
pub(super) async fn poll_each_once(plan: Plan) -> Result<Vec<TargetSnapshot>, JoinError> {
    let mut polls: JoinSet<TargetSnapshot> =
        plan.into_iter()
            .map(|(target, assignment)| async move {
                poller::poll(&assignment, &TargetSnapshot::new(target)).await.0
            })
            .collect();
    let mut snapshots = Vec::new();
    while let Some(snapshot) = polls.join_next().await {
        snapshots.push(snapshot?);
    }
    snapshots.sort_by(|a, b| a.target.cmp(&b.target));
    for snapshot in &snapshots {
        if let Some(failure) = snapshot.failure() {
            report(format_args!("{}: {}", snapshot.target, failure.message));
        }
    }
    Ok(snapshots)
}
