//! Log messages about polls. Each has a fixed text, and is logged once.

use crate::{
    domain::{
        listing::Listing, row::Row, status::Status, target::Target, tunnel::Tunnel,
        tunnel_status::TunnelStatus,
    },
    snapshot::{Failure, Poll, TargetSnapshot, listed::Listed, record::Change},
};

/// Logs the first unknown value of each status.
pub(super) fn unknown_values<R: Row>(target: &Target, before: &Listed<R>, listing: &Listing<R>) {
    for &field in R::STATUS_FIELDS.iter().filter(|field| before.unknown_values(field) == 0) {
        if let Some(new) = listing.unknown_values.iter().find(|new| new.field == field) {
            tracing::warn!(
                account = %target.account, region = %target.region, field,
                value = %new.value, "unknown status value; it is shown as UNKNOWN"
            );
        }
    }
}

/// Logs what a poll changed. A failure is logged if its reason is new since the last success. `App` logs that a discovered
/// region has no VPN.
pub(super) fn poll(
    before: &TargetSnapshot,
    after: &TargetSnapshot,
    changes: &[Change<Tunnel>],
    is_new_failure: bool,
) {
    let (account, region) = (&after.target.account, &after.target.region);
    match (before.failure(), after.failure()) {
        (_, Some(now)) if is_new_failure => failure(after, now),
        (_, Some(now)) => tracing::debug!(
            %account, %region, reason = now.reason.as_str(), error = %now.message, "poll failed again"
        ),
        (Some(_), None) => tracing::info!(%account, %region, "polls succeed again"),
        (None, None) => {}
    }
    if let Some(Poll { failure: None, duration, .. }) = &after.last_poll {
        tracing::debug!(%account, %region, tunnels = after.tunnels().len(), ?duration, "polled");
    }
    let (listed_before, listed) = (&before.listed_tunnels, &after.listed_tunnels);
    if listed.inconsistencies > listed_before.inconsistencies {
        tracing::debug!(%account, %region, "pages disagreed with each other; the listing was read again");
    }
    if listed_before.rows_without_id == 0 && listed.rows_without_id > 0 {
        tracing::warn!(%account, %region, "rows without a usable id are skipped; a tunnel that may be such a row is shown as UNKNOWN");
    }
    if listed_before.records().is_none() && listed.records().is_some() {
        first_listing(after);
    }
    for one in changes {
        change(after, one);
    }
}

fn failure(state: &TargetSnapshot, failure: &Failure) {
    let message = match state.tunnels() {
        [] => "poll failed",
        _ => "poll failed; the last good tunnels stay until they are stale",
    };
    tracing::warn!(
        account = %state.target.account, region = %state.target.region,
        reason = failure.reason.as_str(), error = %failure.message, "{message}"
    );
}

fn first_listing(state: &TargetSnapshot) {
    let count = |status| state.listed_tunnels.count(status);
    tracing::info!(
        account = %state.target.account, region = %state.target.region, tunnels = state.tunnels().len(),
        up = count(TunnelStatus::Up), down = count(TunnelStatus::Down), idle = count(TunnelStatus::Idle),
        pending = count(TunnelStatus::Pending), deleting = count(TunnelStatus::Deleting),
        unknown = count(TunnelStatus::Unknown),
        "first listing"
    );
}

fn change(state: &TargetSnapshot, change: &Change<Tunnel>) {
    let (record, message, before) = match change {
        Change::Appeared(record) => (record, "tunnel appeared", None),
        Change::Disappeared(record) => (record, "tunnel disappeared", None),
        Change::Changed { record, before } => (record, "tunnel changed", Some(before)),
    };
    let tunnel = &record.row;
    let status = tunnel.status();
    tracing::info!(
        account = %state.target.account, region = %state.target.region,
        vpn_gateway_id = &*tunnel.vpn_gateway_id, vpn_connection_id = %tunnel.id, name = &*tunnel.name,
        change = before.map(|before| format!("{before} -> {status}")),
        status = before.is_none().then_some(status.as_str()),
        state = tunnel.state.as_str(), net_status = tunnel.net_status.as_str(),
        health_check_status = tunnel.health_check.status().map(Status::as_str),
        "{message}"
    );
}
