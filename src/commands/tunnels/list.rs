//! `tunnels list`: prints all tunnels and their statuses, for people or for programs.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::{ListFlags, Output},
    commands::{
        error::{CommandError, usage},
        output::{one_line, print, report},
        poll_once::{PreparedPolls, poll_each_once, prepare},
        table::{BOLD_RED, Cell, GREEN, YELLOW, table},
    },
    domain::{
        row::Row,
        shard::Shard,
        status::Status,
        target::{Region, Target},
        tunnel::Tunnel,
        tunnel_status::TunnelStatus,
    },
    logging,
    poll::fleet::Plan,
    snapshot::record::Record,
    wiring::Wiring,
};

pub(in crate::commands) async fn run(flags: &ListFlags) -> Result<(), CommandError> {
    logging::start(&flags.log.level, flags.log.format);
    let PreparedPolls { wiring, regions_known, .. } = prepare(&flags.config, Shard::SOLE).await?;
    let states = poll_each_once(plan(&wiring, regions_known, flags)?).await?;
    let all_succeeded = states.iter().all(|state| state.failure().is_none());
    let rows: Vec<PrintedTunnel> = states
        .iter()
        .flat_map(|state| state.tunnels().iter().map(|record| (&state.target, record)))
        .filter(|(_, record)| matches(&record.row, flags))
        .map(|(target, record)| PrintedTunnel::new(target, record))
        .collect();
    let text = match flags.output {
        Output::Table => tunnel_table(&rows, Timestamp::now()),
        Output::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    print(text.as_bytes())?;
    if !(regions_known && all_succeeded) {
        return Err(CommandError::AlreadyReported);
    }
    if rows.is_empty() {
        report("no tunnel matches");
    }
    Ok(())
}

/// The targets that the flags select. Accounts and regions in the flags must be configured. Regions are not checked if a region
/// discovery failed.
fn plan(wiring: &Wiring, regions_known: bool, flags: &ListFlags) -> Result<Plan, CommandError> {
    if let Some(name) = flags.account.iter().find(|name| !wiring.accounts().any(|own| own == *name)) {
        return Err(usage(format!("--account: {name} is not configured; name an account that is")));
    }
    let mut plan = wiring.plan();
    plan.retain(|target, _| flags.account.is_empty() || flags.account.contains(&target.account));
    let is_planned = |name: &Region| plan.keys().any(|target| target.region == *name);
    if let Some(name) = flags.region.iter().find(|name| regions_known && !is_planned(name)) {
        return Err(usage(format!("--region: {name} is not configured; name a region of these accounts")));
    }
    plan.retain(|target, _| flags.region.is_empty() || flags.region.contains(&target.region));
    Ok(plan)
}

fn matches(tunnel: &Tunnel, flags: &ListFlags) -> bool {
    let gateway = |id: &String| **id == *tunnel.vpn_gateway_id;
    (flags.vpn_gateway_id.is_empty() || flags.vpn_gateway_id.iter().any(gateway))
        && (flags.state.is_empty() || flags.state.contains(&tunnel.state))
        && (flags.status.is_empty() || flags.status.contains(&tunnel.status()))
        && (!flags.down || tunnel.status() == TunnelStatus::Down)
}

/// One printed tunnel.
#[derive(Debug, Serialize)]
struct PrintedTunnel {
    account: String,
    region: String,
    vpn_gateway_id: String,
    vpn_connection_id: String,
    vpn_connection_name: String,
    /// The IKE identity of the peer.
    remote_identity: String,
    /// As in the metric `tunnel_status`.
    status: &'static str,
    state: &'static str,
    net_status: &'static str,
    /// None if no health check is configured.
    health_check_status: Option<&'static str>,
    /// Unix seconds; none if the API's time is malformed.
    #[serde(rename = "created_timestamp_seconds")]
    created: Option<i64>,
}

impl PrintedTunnel {
    fn new(target: &Target, record: &Arc<Record<Tunnel>>) -> Self {
        let tunnel = &record.row;
        Self {
            account: target.account.to_string(),
            region: target.region.to_string(),
            vpn_gateway_id: tunnel.vpn_gateway_id.to_string(),
            vpn_connection_id: tunnel.id.to_string(),
            vpn_connection_name: tunnel.name.to_string(),
            remote_identity: tunnel.remote_identity.to_string(),
            status: tunnel.status().as_str(),
            state: tunnel.state.as_str(),
            net_status: tunnel.net_status.as_str(),
            health_check_status: tunnel.health_check.status().map(Status::as_str),
            created: tunnel.created,
        }
    }
}

fn tunnel_table(rows: &[PrintedTunnel], now: Timestamp) -> String {
    let header = [
        "ACCOUNT",
        "REGION",
        "GATEWAY",
        "ID",
        "NAME",
        "PEER",
        "STATUS",
        "STATE",
        "NET STATUS",
        "HEALTH",
        "AGE",
    ];
    let rows = rows.iter().map(|row| {
        let plain = |text: &str| Cell::new(one_line(text));
        [
            plain(&row.account),
            plain(&row.region),
            plain(&row.vpn_gateway_id),
            plain(&row.vpn_connection_id),
            plain(&row.vpn_connection_name),
            plain(&row.remote_identity),
            coloured(row.status),
            plain(row.state),
            plain(row.net_status),
            plain(row.health_check_status.unwrap_or("-")),
            plain(&row.created.map_or("-".to_owned(), |created| age(now.as_second() - created))),
        ]
    });
    table(header, rows)
}

fn coloured(status: &str) -> Cell {
    match status {
        "up" => Cell::styled(status, GREEN),
        "down" => Cell::styled(status, BOLD_RED),
        "unknown" => Cell::styled(status, YELLOW),
        _ => Cell::new(status),
    }
}

/// An age in its largest unit.
fn age(seconds: i64) -> String {
    match seconds {
        ..=-1 => "-".to_owned(),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_in_its_largest_unit() {
        let ages = [-1, 0, 59, 60, 3599, 3600, 86_399, 86_400, 864_000].map(age);
        assert_eq!(ages, ["-", "0s", "59s", "1m", "59m", "1h", "23h", "1d", "10d"]);
    }
}
