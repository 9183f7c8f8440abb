//! The warning about broken gateways.

use std::borrow::Cow;

use super::{
    headline::{broken_gateways, capitalized},
    summary::{BrokenGateway, Summary, TunnelOfTarget},
    target_row::MAX_NAMED,
    text::{counted, escape_invisible},
};
use crate::domain::{display::number, gateway_status::GatewayStatus, tunnel_status::TunnelStatus};

/// The warning about broken gateways.
#[derive(Debug)]
pub(super) struct GatewayWarning<'a> {
    /// The first words: `1 gateway isolated`.
    pub(super) words: String,
    /// The gateways that it names, the worst first.
    pub(super) named: Vec<BrokenGatewayRow<'a>>,
    /// The number of further broken gateways.
    pub(super) unnamed: usize,
}

/// A broken gateway.
#[derive(Debug)]
pub(super) struct BrokenGatewayRow<'a> {
    pub(super) account: Cow<'a, str>,
    pub(super) region: &'a str,
    /// The name, or an empty text.
    pub(super) name: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    /// What its status means.
    pub(super) meaning: &'static str,
    /// Whether this is the last known state, because gateways cannot be listed now.
    pub(super) is_old: bool,
    /// A text about its tunnels.
    pub(super) tunnels: String,
}

impl<'a> GatewayWarning<'a> {
    /// The warning; `None` if no published gateway is broken.
    pub(super) fn of(summary: &Summary<'a>) -> Option<Self> {
        let broken = &summary.broken_gateways;
        let clauses: Vec<_> = broken_gateways(summary).collect();
        let named = broken.iter().take(MAX_NAMED).map(|broken| BrokenGatewayRow::of(broken, summary));
        (!broken.is_empty()).then(|| Self {
            words: capitalized(&clauses.join(", ")),
            named: named.collect(),
            unnamed: broken.len().saturating_sub(MAX_NAMED),
        })
    }
}

impl<'a> BrokenGatewayRow<'a> {
    fn of(broken: &BrokenGateway<'a>, summary: &Summary<'a>) -> Self {
        let BrokenGateway { target, gateway, status } = *broken;
        let is_own = |seen: &&TunnelOfTarget<'a>| {
            seen.target.target == target.target && *seen.record.row.vpn_gateway_id == *gateway.id.as_str()
        };
        let own: Vec<_> = summary.tunnels.iter().filter(is_own).collect();
        let up = own.iter().filter(|seen| seen.tunnel_status == TunnelStatus::Up).count();
        Self {
            account: escape_invisible(target.target.account.as_str()),
            region: target.target.region.as_str(),
            name: escape_invisible(&gateway.name),
            id: escape_invisible(gateway.id.as_str()),
            meaning: describe(status),
            is_old: target.gateways.as_ref().is_some_and(|gateways| gateways.gateways.failure().is_some()),
            tunnels: match own.len() {
                _ if target.published_tunnels().is_none() => "its tunnels are not known".to_owned(),
                0 => "it has no tunnels".to_owned(),
                all => format!("{} of its {} up", number(up), counted(all, "tunnel")),
            },
        }
    }
}

fn describe(status: GatewayStatus) -> &'static str {
    match status {
        GatewayStatus::Isolated => "isolated: it is unpaid, and carries no traffic",
        GatewayStatus::AddressBlocked => "its public address is blocked",
        GatewayStatus::Error => "in error: its creation or deletion failed",
        GatewayStatus::Unknown
        | GatewayStatus::Pending
        | GatewayStatus::Deleting
        | GatewayStatus::Available => "",
    }
}
