//! The polls of commands that poll once: discovery of regions, then one poll of each target, one listing of its gateways and one
//! query of its traffic. Failures go to standard error.

use std::{sync::Arc, time::Duration};

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
    domain::{
        reason::Reason,
        shard::Shard,
        target::{AccountName, Target},
    },
    poll::{
        failure,
        fleet::Plan,
        gateways,
        poller::{self, Assignment},
        traffic::query::query,
    },
    snapshot::{TargetSnapshot, gateways::GatewaysSnapshot, traffic::TrafficSnapshot},
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

/// The time limit of a listing of gateways that only adds names and causes to tunnels.
const NAMES_TIMEOUT: Duration = Duration::from_secs(10);

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

/// When the gateways of a target are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GatewayListing {
    /// After its tunnels were listed.
    AfterTunnels,
    /// At the same time as its tunnels, also if these cannot be listed.
    Always,
}

/// Polls every target once, lists its gateways, and then queries its traffic. Reports each failure.
pub(super) async fn poll_each_once(
    plan: Plan,
    gateways: GatewayListing,
) -> Result<Vec<TargetSnapshot>, JoinError> {
    let mut polls: JoinSet<TargetSnapshot> =
        plan.into_iter().map(|planned| poll_once(planned, gateways)).collect();
    let mut snapshots = Vec::new();
    while let Some(snapshot) = polls.join_next().await {
        snapshots.push(snapshot?);
    }
    snapshots.sort_by(|a, b| a.target.cmp(&b.target));
    for snapshot in &snapshots {
        report_failures(snapshot);
    }
    Ok(snapshots)
}

/// Reports why tunnels and gateways cannot be listed. A listing of gateways that fails for the same reason as that of tunnels is
/// not reported again, except for a missing permission: each listing needs its own.
fn report_failures(snapshot: &TargetSnapshot) {
    let target = &snapshot.target;
    let of_tunnels = snapshot.failure();
    if let Some(failure) = of_tunnels {
        report(format_args!("{target}: {}", failure.message));
    }
    let reported = of_tunnels.map(|failure| failure.reason).filter(|reason| *reason != Reason::Unauthorized);
    let failures = snapshot.gateways.iter().flat_map(|gateways| gateways.failures());
    for failure in failures.filter(|failure| reported != Some(failure.reason)) {
        report(format_args!("{target}: gateways cannot be listed: {}", failure.message));
    }
    if let Some(failure) = snapshot.traffic.as_ref().and_then(|traffic| traffic.failure()) {
        report(format_args!("{target}: traffic cannot be queried: {}", failure.message));
    }
}

/// Queries the traffic of a target whose tunnels were listed, within the time of a poll. `None`: it is disabled, or the tunnels could
/// not be listed.
async fn query_traffic(
    Assignment { account, settings }: &Assignment,
    state: &TargetSnapshot,
) -> Option<TrafficSnapshot> {
    let traffic = settings.traffic.as_ref().filter(|_| state.failure().is_none())?;
    Some(query(account, traffic, state, settings.timeout).await)
}

async fn poll_once((target, assignment): (Target, Assignment), listing: GatewayListing) -> TargetSnapshot {
    let before = TargetSnapshot::new(target.clone());
    let tunnels = async { poller::poll(&assignment, &before).await.0 };
    let gateways = async {
        let before = GatewaysSnapshot::default();
        let mut assignment = assignment.clone();
        if listing == GatewayListing::AfterTunnels {
            assignment.settings.timeout = assignment.settings.timeout.min(NAMES_TIMEOUT);
        }
        Some(Arc::new(gateways::poll(&assignment, &target, &before).await.0))
    };
    let is_enabled = assignment.settings.gateways_interval.is_some();
    let mut snapshot;
    let listed;
    match listing {
        GatewayListing::Always if is_enabled => (snapshot, listed) = tokio::join!(tunnels, gateways),
        _ => {
            snapshot = tunnels.await;
            listed = if is_enabled && snapshot.failure().is_none() { gateways.await } else { None };
        }
    }
    snapshot.gateways = listed;
    snapshot.traffic = query_traffic(&assignment, &snapshot).await.map(Arc::new);
    snapshot
}
