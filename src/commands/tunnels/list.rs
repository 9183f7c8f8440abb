//! `tunnels list`: prints all tunnels and their statuses, for people or for programs.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::{ListFlags, Output},
    commands::{
        error::CommandError,
        output::{one_line, print, report},
        poll_once::{GatewayListing, PreparedPolls, poll_each_once, prepare},
        selection::plan,
        table::{BOLD_RED, Cell, GREEN, YELLOW, table},
    },
    domain::{row::Row, shard::Shard, status::Status, tunnel::Tunnel, tunnel_status::TunnelStatus},
    logging,
    snapshot::TargetSnapshot,
};

pub(in crate::commands) async fn run(flags: &ListFlags) -> Result<(), CommandError> {
    logging::start(&flags.log.level, flags.log.format);
    let PreparedPolls { wiring, regions_known, .. } = prepare(&flags.config, Shard::SOLE).await?;
    let states =
        poll_each_once(plan(&wiring, regions_known, &flags.targets)?, GatewayListing::AfterTunnels).await?;
    let all_succeeded = states.iter().all(|state| state.failure().is_none());
    let rows: Vec<PrintedTunnel> = states
        .iter()
        .flat_map(|state| state.tunnels().iter().map(move |record| (state, &record.row)))
        .filter(|(_, tunnel)| matches(tunnel, flags))
        .map(|(state, tunnel)| PrintedTunnel::new(state, tunnel))
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
    /// None if the gateway is not known, for example because gateways are not listed.
    vpn_gateway_name: Option<String>,
    /// The status of the gateway; none if it is not known.
    gateway_status: Option<&'static str>,
    customer_gateway_id: String,
    /// None if the peer is not known.
    customer_gateway_name: Option<String>,
    /// The address that packets to the peer go to; none if it is not known.
    customer_gateway_ip_address: Option<String>,
    vpn_connection_id: String,
    vpn_connection_name: String,
    /// The IKE identity of the peer.
    remote_identity: String,
    /// As in the metric `tunnel_status`.
    status: &'static str,
    /// Why the tunnel is not up, if its gateway is broken. The keys `status` and `gateway_status` have the same information.
    #[serde(skip)]
    cause: Option<&'static str>,
    state: &'static str,
    net_status: &'static str,
    /// None if no health check is configured.
    health_check_status: Option<&'static str>,
    /// Unix seconds; none if the API's time is malformed.
    #[serde(rename = "created_timestamp_seconds")]
    created: Option<i64>,
}

impl PrintedTunnel {
    fn new(state: &TargetSnapshot, tunnel: &Tunnel) -> Self {
        let gateways = state.gateways.as_deref();
        let gateway = gateways.and_then(|gateways| gateways.gateway_of(tunnel));
        let peer = gateways.and_then(|gateways| gateways.customer_gateway_of(tunnel));
        Self {
            account: state.target.account.to_string(),
            region: state.target.region.to_string(),
            vpn_gateway_id: tunnel.vpn_gateway_id.to_string(),
            vpn_gateway_name: gateway.map(|gateway| gateway.name.to_string()),
            gateway_status: gateway.map(|gateway| gateway.status().as_str()),
            customer_gateway_id: tunnel.customer_gateway_id.to_string(),
            customer_gateway_name: peer.map(|peer| peer.name.to_string()),
            customer_gateway_ip_address: peer.map(|peer| peer.ip_address.to_string()),
            vpn_connection_id: tunnel.id.to_string(),
            vpn_connection_name: tunnel.name.to_string(),
            remote_identity: tunnel.remote_identity.to_string(),
            status: tunnel.status().as_str(),
            cause: gateways.and_then(|gateways| gateways.cause_of(tunnel)),
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
        "PEER ADDRESS",
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
            plain(name_or_id(row.vpn_gateway_name.as_ref(), &row.vpn_gateway_id)),
            plain(&row.vpn_connection_id),
            plain(&row.vpn_connection_name),
            plain(name_or_id(row.customer_gateway_name.as_ref(), &row.customer_gateway_id)),
            plain(row.customer_gateway_ip_address.as_deref().unwrap_or("-")),
            coloured(row),
            plain(row.state),
            plain(row.net_status),
            plain(row.health_check_status.unwrap_or("-")),
            plain(&row.created.map_or("-".to_owned(), |created| age(now.as_second() - created))),
        ]
    });
    table(header, rows)
}

/// The name where it is known and not empty, else the id, else a dash.
fn name_or_id<'a>(name: Option<&'a String>, id: &'a str) -> &'a str {
    let texts = [name.map_or("", String::as_str), id];
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or("-")
}

/// The status, and its cause if the gateway is broken.
fn coloured(row: &PrintedTunnel) -> Cell {
    let text = match row.cause {
        Some(cause) => format!("{} ({cause})", row.status),
        None => row.status.to_owned(),
    };
    match row.status {
        "up" => Cell::styled(text, GREEN),
        "down" => Cell::styled(text, BOLD_RED),
        "unknown" => Cell::styled(text, YELLOW),
        _ => Cell::new(text),
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
