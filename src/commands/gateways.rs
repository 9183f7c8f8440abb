//! `gateways list`: prints all VPN gateways, for people or for programs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    error::{CommandError, usage},
    output::{one_line, print, report},
    poll_once::{GatewayListing, PreparedPolls, poll_each_once, prepare},
    selection::plan,
    table::{BOLD_RED, Cell, GREEN, YELLOW, table},
};
use crate::{
    cli::{GatewayListFlags, Output},
    domain::{
        gateway::Gateway, row::Row, shard::Shard, status::Status, target::Target, tunnel_status::TunnelStatus,
    },
    logging,
    snapshot::TargetSnapshot,
};

const DAY: i64 = 86_400;

/// A gateway expires soon if it expires in less than this number of seconds, as in the alert about expiry.
const SOON: i64 = 14 * DAY;

const MBIT: u64 = 125_000;

pub(super) async fn list(flags: &GatewayListFlags) -> Result<(), CommandError> {
    logging::start(&flags.log.level, flags.log.format);
    let PreparedPolls { wiring, regions_known, .. } = prepare(&flags.config, Shard::SOLE).await?;
    if !wiring.config().gateways.enabled {
        return Err(usage(
            "gateways.enabled is false, so gateways are not listed; set it to true, in the configuration or in \
             TENCENTCLOUD_VPN_EXPORTER__GATEWAYS__ENABLED",
        ));
    }
    let plan = plan(&wiring, regions_known, &flags.targets)?;
    let states = poll_each_once(plan, GatewayListing::Always).await?;
    let all_succeeded = states.iter().all(is_listed);
    let rows: Vec<_> = states.iter().flat_map(printed_gateways).collect();
    let text = match flags.output {
        Output::Table if rows.is_empty() => String::new(),
        Output::Table => gateway_table(&rows, Timestamp::now()),
        Output::Json => serde_json::to_string_pretty(&rows)? + "\n",
    };
    print(text.as_bytes())?;
    if !(regions_known && all_succeeded) {
        return Err(CommandError::AlreadyReported);
    }
    if rows.is_empty() {
        report("there is no gateway");
    }
    Ok(())
}

/// Whether the tunnels and the gateways of a target were listed.
fn is_listed(state: &TargetSnapshot) -> bool {
    let gateways = state.gateways.as_ref();
    state.failure().is_none() && gateways.is_some_and(|gateways| gateways.gateways.failure().is_none())
}

/// One printed gateway.
#[derive(Debug, Serialize)]
struct PrintedGateway {
    account: String,
    region: String,
    vpn_gateway_id: String,
    vpn_gateway_name: String,
    r#type: String,
    /// As on the status page: `isolated`, `address blocked`, `error`, `available` …
    status: &'static str,
    state: &'static str,
    restrict_state: String,
    /// None if the API's value is malformed.
    address_blocked: Option<bool>,
    public_ip_address: String,
    vpc_id: String,
    network_instance_id: String,
    charge_type: String,
    renew_flag: String,
    /// Unix seconds; none if the gateway is not prepaid.
    #[serde(rename = "expiry_timestamp_seconds")]
    expires: Option<i64>,
    #[serde(rename = "bandwidth_bytes_per_second")]
    bandwidth: Option<u64>,
    /// The number of its tunnels; none if the tunnels of the target are not known.
    tunnels: Option<usize>,
    tunnels_up: Option<usize>,
    /// Whether the gateway is isolated, blocked or in error. The key `status` has the same information.
    #[serde(skip)]
    is_broken: bool,
    /// Whether the gateway is isolated. The key `restrict_state` has the reason.
    #[serde(skip)]
    is_restricted: bool,
}

/// The gateways of a target, in the order of their ids.
fn printed_gateways(state: &TargetSnapshot) -> impl Iterator<Item = PrintedGateway> {
    let records = state.gateways.as_deref().and_then(|gateways| gateways.gateways.published());
    let counts = tunnel_counts(state);
    records.unwrap_or_default().iter().map(move |record| {
        let gateway = &record.row;
        let own = counts.as_ref().map(|counts| counts.get(gateway.id.as_str()).copied().unwrap_or_default());
        PrintedGateway::new(&state.target, gateway, own)
    })
}

/// How many tunnels a gateway has.
#[derive(Debug, Clone, Copy, Default)]
struct TunnelCounts {
    all: usize,
    up: usize,
}

/// The number of tunnels of each gateway. `None` if the tunnels are not known.
fn tunnel_counts(state: &TargetSnapshot) -> Option<BTreeMap<&str, TunnelCounts>> {
    let mut counts = BTreeMap::<&str, TunnelCounts>::new();
    for record in state.published_tunnels()? {
        let own = counts.entry(&*record.row.vpn_gateway_id).or_default();
        own.all += 1;
        own.up += usize::from(record.row.status() == TunnelStatus::Up);
    }
    Some(counts)
}

impl PrintedGateway {
    fn new(target: &Target, gateway: &Gateway, tunnels: Option<TunnelCounts>) -> Self {
        Self {
            account: target.account.to_string(),
            region: target.region.to_string(),
            vpn_gateway_id: gateway.id.to_string(),
            vpn_gateway_name: gateway.name.to_string(),
            r#type: gateway.kind.to_string(),
            status: gateway.status().as_str(),
            state: gateway.state.as_str(),
            restrict_state: gateway.restrict_state.to_string(),
            address_blocked: gateway.is_address_blocked,
            public_ip_address: gateway.public_ip_address.to_string(),
            vpc_id: gateway.vpc_id.to_string(),
            network_instance_id: gateway.network_instance_id.to_string(),
            charge_type: gateway.charge_type.to_string(),
            renew_flag: gateway.renew_flag.to_string(),
            expires: gateway.expires,
            bandwidth: gateway.bandwidth,
            tunnels: tunnels.map(|tunnels| tunnels.all),
            tunnels_up: tunnels.map(|tunnels| tunnels.up),
            is_broken: gateway.status().is_broken(),
            is_restricted: gateway.is_restricted(),
        }
    }

    /// The state, with its colour.
    fn state(&self) -> Cell {
        match self.state {
            state @ "AVAILABLE" => Cell::styled(state, GREEN),
            state @ ("PENDING_ERROR" | "DELETING_ERROR") => Cell::styled(state, BOLD_RED),
            state @ "UNKNOWN" => Cell::styled(state, YELLOW),
            state => Cell::new(state),
        }
    }

    /// What restricts the gateway: `RestrictState`, a blocked address, both, or a dash.
    fn restriction(&self) -> Cell {
        let restrict_state = self.is_restricted.then(|| one_line(&self.restrict_state));
        let blocked = (self.address_blocked == Some(true)).then(|| "address blocked".to_owned());
        let restrictions: Vec<_> = restrict_state.into_iter().chain(blocked).collect();
        if restrictions.is_empty() {
            return Cell::new("-");
        }
        Cell::styled(restrictions.join(", "), BOLD_RED)
    }

    /// The date of expiry in UTC and the days until then. It is red if the gateway expires soon and nothing renews it.
    fn expiry(&self, now: Timestamp) -> Cell {
        let Some(time) = self.expires.and_then(|expires| Timestamp::from_second(expires).ok()) else {
            return Cell::new("-");
        };
        let renews = self.renew_flag == "NOTIFY_AND_AUTO_RENEW";
        let seconds = time.as_second() - now.as_second();
        let days = (seconds + DAY / 2).div_euclid(DAY);
        let left = if seconds < 0 { "expired".to_owned() } else { format!("{days} d") };
        let renewal = if renews { ", auto-renew" } else { "" };
        let text = format!("{} ({left}{renewal})", time.strftime("%Y-%m-%d"));
        if seconds < SOON && !renews { Cell::styled(text, BOLD_RED) } else { Cell::new(text) }
    }

    /// The number of its tunnels that are up, and of all.
    fn tunnels(&self) -> Cell {
        let (Some(up), Some(all)) = (self.tunnels_up, self.tunnels) else { return Cell::new("-") };
        let text = format!("{up}/{all}");
        match (up, all) {
            (0, 1..) => Cell::styled(text, BOLD_RED),
            _ if up < all => Cell::styled(text, YELLOW),
            _ => Cell::new(text),
        }
    }
}

fn gateway_table(rows: &[PrintedGateway], now: Timestamp) -> String {
    let header = [
        "ACCOUNT",
        "REGION",
        "ID",
        "NAME",
        "TYPE",
        "STATE",
        "RESTRICTION",
        "EXPIRY",
        "BANDWIDTH",
        "TUNNELS UP",
    ];
    let mut rows: Vec<_> = rows.iter().collect();
    // The sort is stable: accounts, regions and ids stay in order.
    rows.sort_by_key(|row| !row.is_broken);
    let rows = rows.into_iter().map(|row| {
        let plain = |text: &str| Cell::new(one_line(text));
        [
            plain(&row.account),
            plain(&row.region),
            plain(&row.vpn_gateway_id),
            plain(&row.vpn_gateway_name),
            plain(&row.r#type),
            row.state(),
            row.restriction(),
            row.expiry(now),
            plain(&row.bandwidth.map_or("-".to_owned(), megabits)),
            row.tunnels(),
        ]
    });
    table(header, rows)
}

/// A bandwidth in Mbit/s, the unit in which it is paid for.
fn megabits(bytes_per_second: u64) -> String {
    format!("{} Mbit/s", bytes_per_second / MBIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        gateway::GatewayId,
        status::GatewayState,
        target::{AccountName, Region},
    };

    const NOW: i64 = 1_700_000_000;

    fn gateway() -> Gateway {
        Gateway {
            id: GatewayId::new("vpngw-1").expect("an id"),
            name: "offices".into(),
            kind: "IPSEC".into(),
            vpc_id: "vpc-1".into(),
            network_instance_id: "".into(),
            public_ip_address: "203.0.113.7".into(),
            zone: "".into(),
            version: "".into(),
            charge_type: "PREPAID".into(),
            renew_flag: "NOTIFY_AND_MANUAL_RENEW".into(),
            state: GatewayState::Available,
            restrict_state: "NORMAL".into(),
            is_address_blocked: Some(false),
            expires: None,
            bandwidth: Some(625_000),
            created: None,
            tags: Box::default(),
        }
    }

    fn printed(gateway: &Gateway, tunnels: Option<(usize, usize)>) -> PrintedGateway {
        let account = AccountName::new("main").expect("a name");
        let target = Target { account, region: Region::new("eu").expect("a region") };
        PrintedGateway::new(&target, gateway, tunnels.map(|(up, all)| TunnelCounts { all, up }))
    }

    #[test]
    fn near_expiry_without_renewal_is_red() {
        let now = Timestamp::from_second(NOW).expect("a time");
        let expiry = |seconds: i64, renew_flag: &str| {
            let expires = Some(NOW + seconds);
            printed(&Gateway { expires, renew_flag: renew_flag.into(), ..gateway() }, None).expiry(now)
        };
        let (manual, automatic) = ("NOTIFY_AND_MANUAL_RENEW", "NOTIFY_AND_AUTO_RENEW");
        let table = [
            (20 * DAY, manual, Cell::new("2023-12-04 (20 d)")),
            (14 * DAY, manual, Cell::new("2023-11-28 (14 d)")),
            (14 * DAY - 1, manual, Cell::styled("2023-11-28 (14 d)", BOLD_RED)),
            (DAY, "DISABLE_NOTIFY_AND_MANUAL_RENEW", Cell::styled("2023-11-15 (1 d)", BOLD_RED)),
            (DAY, "", Cell::styled("2023-11-15 (1 d)", BOLD_RED)),
            (DAY, automatic, Cell::new("2023-11-15 (1 d, auto-renew)")),
            (-DAY, manual, Cell::styled("2023-11-13 (expired)", BOLD_RED)),
            (i64::MAX - NOW, manual, Cell::new("-")),
        ];
        for (seconds, renew_flag, cell) in table {
            assert_eq!(expiry(seconds, renew_flag), cell, "{seconds} {renew_flag}");
        }
        assert_eq!(printed(&gateway(), None).expiry(now), Cell::new("-"));
    }

    #[test]
    fn problems_are_red() {
        let restriction = |gateway: Gateway| printed(&gateway, None).restriction();
        assert_eq!(restriction(gateway()), Cell::new("-"));
        assert_eq!(restriction(Gateway { restrict_state: "".into(), ..gateway() }), Cell::new("-"));
        let isolated =
            Gateway { restrict_state: "NEW\n".into(), is_address_blocked: Some(true), ..gateway() };
        assert_eq!(restriction(isolated), Cell::styled("NEW , address blocked", BOLD_RED));
        let failed = Gateway { state: GatewayState::PendingError, ..gateway() };
        assert_eq!(printed(&failed, None).state(), Cell::styled("PENDING_ERROR", BOLD_RED));
    }

    #[test]
    fn tunnels_up_are_counted() {
        let tunnels = |counts| printed(&gateway(), counts).tunnels();
        assert_eq!(tunnels(None), Cell::new("-"));
        assert_eq!(tunnels(Some((0, 0))), Cell::new("0/0"));
        assert_eq!(tunnels(Some((0, 4))), Cell::styled("0/4", BOLD_RED));
        assert_eq!(tunnels(Some((3, 4))), Cell::styled("3/4", YELLOW));
        assert_eq!(tunnels(Some((4, 4))), Cell::new("4/4"));
    }
}
