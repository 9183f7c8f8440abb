//! Log messages about polls. Each has a fixed text, and is logged once.

use super::failure::FEWER_REQUESTS_ADVICE;
use crate::{
    domain::{
        gateway::Gateway,
        listing::Listing,
        row::Row,
        status::Status,
        target::{AccountName, Target},
        traffic::TrafficSettings,
        tunnel::Tunnel,
        tunnel_status::TunnelStatus,
    },
    snapshot::{
        Failure, Poll, Snapshot, TargetSnapshot, gateways::GatewaysSnapshot, listed::Listed, record::Change,
        traffic::TrafficSnapshot,
    },
    tencent::get_monitor_data::{FREE_REQUESTS, requests_per_month, requests_per_query},
};

/// Logs the first unknown value of each status.
pub(super) fn unknown_values<R: Row>(target: &Target, before: &Listed<R>, listing: &Listing<R>) {
    for &field in R::STATUS_FIELDS.iter().filter(|field| before.unknown_values(field) == 0) {
        if let Some(new) = listing.unknown_values.iter().find(|new| new.field == field) {
            let message = match field {
                Gateway::RESTRICT_STATE_FIELD => {
                    "unknown RestrictState; each text but NORMAL is shown as isolated"
                }
                _ => "unknown status value; it is shown as UNKNOWN",
            };
            tracing::warn!(
                account = %target.account, region = %target.region, field, value = %new.value, "{message}"
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

/// Logs how a listing of gateways ended, and what it changed. A failure is logged if it is new since the last success.
pub(super) fn gateways(
    target: &Target,
    before: &GatewaysSnapshot,
    after: &GatewaysSnapshot,
    changes: &[Change<Gateway>],
    is_new_failure: bool,
) {
    let (account, region) = (&target.account, &target.region);
    let error = after.failures().map(|failure| &*failure.message).collect::<Vec<_>>().join("; ");
    match (before.is_up(), after.failures().next()) {
        (_, Some(failure)) if is_new_failure => tracing::warn!(
            %account, %region, reason = failure.reason.as_str(), error,
            "gateways cannot be listed; tunnels are not affected"
        ),
        (_, Some(_)) => tracing::debug!(%account, %region, error, "gateways cannot be listed again"),
        (Some(false), None) => tracing::info!(%account, %region, "gateways are listed again"),
        (_, None) => {}
    }
    if before.last_success.is_none() && after.last_success.is_some() {
        let (gateways, customer_gateways) = (&after.gateways.listed, &after.customer_gateways.listed);
        let count = |rows: Option<usize>| rows.unwrap_or_default();
        tracing::info!(
            %account, %region, gateways = count(gateways.records().map(<[_]>::len)),
            customer_gateways = count(customer_gateways.records().map(<[_]>::len)),
            "first listing of gateways"
        );
    }
    let rows_without_id = |state: &GatewaysSnapshot| {
        state.gateways.listed.rows_without_id + state.customer_gateways.listed.rows_without_id
    };
    if rows_without_id(before) == 0 && rows_without_id(after) > 0 {
        tracing::warn!(%account, %region, "rows of gateways without a usable id are skipped");
    }
    for change in changes {
        gateway_change(target, change);
    }
}

fn gateway_change(target: &Target, change: &Change<Gateway>) {
    let (record, message, before) = match change {
        Change::Appeared(record) => (record, "gateway appeared", None),
        Change::Disappeared(record) => (record, "gateway disappeared", None),
        Change::Changed { record, before } => (record, "gateway changed", Some(before)),
    };
    let gateway = &record.row;
    let status = gateway.status();
    tracing::info!(
        account = %target.account, region = %target.region, vpn_gateway_id = %gateway.id, name = &*gateway.name,
        change = before.map(|before| format!("{before} -> {status}")),
        status = before.is_none().then_some(status.as_str()),
        state = gateway.state.as_str(), restrict_state = &*gateway.restrict_state,
        is_address_blocked = gateway.is_address_blocked,
        "{message}"
    );
}

/// Returns how many requests the traffic of an account takes in a month: of its targets in this process that were listed so far.
/// Before the first query of a target it logs this number, and that of the target. The line of the last target has the total.
pub(super) fn traffic_estimate(
    snapshot: &Snapshot,
    state: &TargetSnapshot,
    settings: &TrafficSettings,
    is_first: bool,
) -> usize {
    let (account, region) = (&state.target.account, &state.target.region);
    let requests = |state: &TargetSnapshot| {
        requests_per_query(settings, state.tunnels().len(), state.published_gateways().len())
    };
    let per_month = |requests| requests_per_month(settings, requests);
    let targets = snapshot.targets.values().filter(|other| other.target.account == *account);
    let of_account = per_month(targets.map(|target| requests(target)).sum());
    if is_first {
        let requests = requests(state);
        tracing::info!(
            %account, %region, tunnels = state.tunnels().len(), gateways = state.published_gateways().len(),
            requests_per_query = requests, requests_per_month = per_month(requests),
            account_requests_per_month = of_account, free_requests_per_month = FREE_REQUESTS,
            "traffic is queried from Cloud Monitor"
        );
    }
    of_account
}

/// Warns about an account whose traffic takes this many requests in a month.
pub(super) fn expensive_traffic(account: &AccountName, requests: usize) {
    tracing::warn!(
        %account, account_requests_per_month = requests, free_requests_per_month = FREE_REQUESTS,
        "traffic needs more requests than are free; Tencent Cloud bills or refuses the others: {FEWER_REQUESTS_ADVICE}"
    );
}

/// Logs how a query of traffic ended. A failure is logged if its reason is new since the last success.
pub(super) fn traffic(
    target: &Target,
    before: &TrafficSnapshot,
    after: &TrafficSnapshot,
    is_new_failure: bool,
) {
    let (account, region) = (&target.account, &target.region);
    match (before.failure(), after.failure()) {
        (_, Some(failure)) if is_new_failure => tracing::warn!(
            %account, %region, reason = failure.reason.as_str(), error = %failure.message,
            "traffic cannot be queried; tunnels and gateways are not affected"
        ),
        (_, Some(failure)) => tracing::debug!(
            %account, %region, error = %failure.message, "traffic cannot be queried again"
        ),
        (Some(_), None) => tracing::info!(%account, %region, "traffic is queried again"),
        (None, None) => tracing::debug!(%account, %region, "traffic queried"),
    }
}
