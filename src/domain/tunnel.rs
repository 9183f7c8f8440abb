//! A VPN tunnel as the API describes it, in types that keep its three statuses apart.
//!
//! Source of the values: the API reference of `DescribeVpnConnections`, 2025-11-13.

use std::fmt;

use super::{
    row::Row,
    status::{HealthCheckStatus, NetStatus, Status, TunnelState},
    tag_label::TagLabel,
    tunnel_status::{LinkStatus, TunnelStatus},
};

/// The longest id that is accepted. Real ones have 13 characters.
const MAX_ID_CHARS: usize = 128;

/// The id of a tunnel, such as `vpnx-f49l6u0z`. It never changes, and a tunnel that is created again has another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TunnelId(Box<str>);

impl TunnelId {
    /// Accepts 1 to 128 characters without control characters. `None` for anything else.
    #[must_use]
    pub fn new(id: &str) -> Option<Self> {
        let fits = !id.is_empty() && id.chars().nth(MAX_ID_CHARS).is_none() && !id.contains(char::is_control);
        fits.then(|| Self(id.into()))
    }

    /// The id as the API spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tunnel's health check. Only a configured one has a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthCheck {
    /// There is none. A status in the response is not read.
    NotConfigured,
    /// There is one, with this status.
    Configured(HealthCheckStatus),
}

impl HealthCheck {
    /// The status, where one applies.
    #[must_use]
    pub const fn status(self) -> Option<HealthCheckStatus> {
        match self {
            Self::NotConfigured => None,
            Self::Configured(status) => Some(status),
        }
    }
}

/// Who starts the negotiation of a tunnel: the API's `NegotiationType`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NegotiationType {
    /// `flowTrigger`: traffic does. Without traffic such a tunnel may be unconnected.
    FlowTrigger,
    /// `active`, `passive`, or a new kind, as the API spells it; empty where it is absent.
    Other(Box<str>),
}

impl NegotiationType {
    /// Reads the API's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "flowTrigger" => Self::FlowTrigger,
            other => Self::Other(other.into()),
        }
    }

    /// The API's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::FlowTrigger => "flowTrigger",
            Self::Other(text) => text,
        }
    }
}

/// How the two ends agree on keys (IKE, phase 1), in the API's spelling; empty where a value is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IkeParameters {
    /// `IKEVersion`: `IKEV1` or `IKEV2`.
    pub version: Box<str>,
    /// `PropoEncryAlgorithm`, such as `AES-CBC-128`.
    pub encryption: Box<str>,
    /// `PropoAuthenAlgorithm`, such as `SHA-256`.
    pub integrity: Box<str>,
    /// `DhGroupName`, such as `GROUP14`.
    pub dh_group: Box<str>,
    /// `ExchangeMode`: `MAIN` or `AGGRESSIVE`.
    pub exchange_mode: Box<str>,
}

/// How traffic is protected (IPsec, phase 2), in the API's spelling; empty where a value is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpsecParameters {
    /// `EncryptAlgorithm`; `NULL` means that nothing is encrypted.
    pub encryption: Box<str>,
    /// `IntegrityAlgorith` (sic), or `IntegrityAlgorithm` in newer responses.
    pub integrity: Box<str>,
    /// `PfsDhGroup`; `NULL` means no perfect forward secrecy.
    pub pfs_dh_group: Box<str>,
}

/// A VPN tunnel as one listing showed it, without the pre-shared key.
///
/// Texts are the API's, cut to 128 characters, and empty where they are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// `VpnConnectionId`.
    pub id: TunnelId,
    /// `VpnConnectionName`: free text, chosen and changed by people.
    pub name: Box<str>,
    /// `VpcId`; empty for a gateway that is attached to a CCN (unverified).
    pub vpc_id: Box<str>,
    /// `VpnGatewayId`.
    pub vpn_gateway_id: Box<str>,
    /// `CustomerGatewayId`.
    pub customer_gateway_id: Box<str>,
    /// `State`.
    pub state: TunnelState,
    /// `NetStatus`.
    pub net_status: NetStatus,
    /// `EnableHealthCheck` and `HealthCheckStatus`, read together.
    pub health_check: HealthCheck,
    /// `HealthCheckLocalIp`.
    pub health_check_local_ip: Box<str>,
    /// `HealthCheckRemoteIp`.
    pub health_check_remote_ip: Box<str>,
    /// `NegotiationType`.
    pub negotiation_type: NegotiationType,
    /// `RouteType`.
    pub route_type: Box<str>,
    /// `DpdAction`: `clear` or `restart`.
    pub dpd_action: Box<str>,
    /// The IKE identity of this side: `LocalFqdnName` where `LocalIdentity` is `FQDN`, else `LocalAddress`. Behind NAT it
    /// is not the address that packets come from.
    pub local_identity: Box<str>,
    /// The IKE identity of the peer: `RemoteFqdnName` where `RemoteIdentity` is `FQDN`, else `RemoteAddress`.
    pub remote_identity: Box<str>,
    /// The rest of `IKEOptionsSpecification` that is exposed.
    pub ike: IkeParameters,
    /// The part of `IPSECOptionsSpecification` that is exposed.
    pub ipsec: IpsecParameters,
    /// `CreatedTime` in Unix seconds. `None`: it cannot be read.
    pub created: Option<i64>,
    /// `TagSet`: keys and values, in the API's order.
    pub tags: Box<[(Box<str>, Box<str>)]>,
}

impl Tunnel {
    /// The overall status, as the status page, the command line and the log show it.
    #[must_use]
    pub fn overall_status(&self) -> TunnelStatus {
        if self.is_idle() { TunnelStatus::Idle } else { self.link_status().into() }
    }

    /// Whether the tunnel is connected: down if any status that applies is known and not `AVAILABLE`; otherwise unknown if
    /// any is `UNKNOWN`; otherwise up. The link of an idle tunnel is down.
    #[must_use]
    pub fn link_status(&self) -> LinkStatus {
        let statuses = Self::STATUS_FIELDS.iter().filter_map(|field| self.status(field));
        statuses.map(LinkStatus::of).min().unwrap_or(LinkStatus::Unknown)
    }

    /// Keeps only the tags that become labels.
    pub fn keep_tags(&mut self, tag_labels: &[TagLabel]) {
        let is_kept = |(key, _): &(Box<str>, Box<str>)| tag_labels.iter().any(|label| *label.key == **key);
        self.tags = std::mem::take(&mut self.tags).into_iter().filter(is_kept).collect();
    }

    /// Whether the tunnel waits for traffic: traffic triggers it, it has no health check and is not connected, and it is not
    /// being created or deleted. Such a tunnel is shown as idle, not as down.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, TunnelState::Available | TunnelState::Unknown)
            && self.net_status == NetStatus::Unavailable
            && self.health_check == HealthCheck::NotConfigured
            && self.negotiation_type == NegotiationType::FlowTrigger
    }
}

impl Row for Tunnel {
    type Id = TunnelId;
    const ID_FIELD: &'static str = "vpn_connection_id";
    const STATUS_FIELDS: &'static [&'static str] =
        &[TunnelState::FIELD, NetStatus::FIELD, HealthCheckStatus::FIELD];

    fn id(&self) -> &TunnelId {
        &self.id
    }

    /// The health check has no status if it is not configured.
    fn status(&self, field: &str) -> Option<&'static str> {
        match field {
            TunnelState::FIELD => Some(self.state.as_str()),
            NetStatus::FIELD => Some(self.net_status.as_str()),
            HealthCheckStatus::FIELD => self.health_check.status().map(Status::as_str),
            _ => None,
        }
    }

    /// It does not change whether a health check is configured.
    fn with_unknown_statuses(&self) -> Self {
        Self {
            state: TunnelState::Unknown,
            net_status: NetStatus::Unknown,
            health_check: match self.health_check {
                HealthCheck::NotConfigured => HealthCheck::NotConfigured,
                HealthCheck::Configured(_) => HealthCheck::Configured(HealthCheckStatus::Unknown),
            },
            ..self.clone()
        }
    }

    fn is_worse_than(&self, other: &Self) -> bool {
        other.link_status() != LinkStatus::Down && self.link_status() != LinkStatus::Up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(state: TunnelState, net: NetStatus, health: HealthCheck) -> Tunnel {
        Tunnel {
            id: TunnelId::new("vpnx-f49l6u0z").expect("an id"),
            name: "".into(),
            vpc_id: "".into(),
            vpn_gateway_id: "".into(),
            customer_gateway_id: "".into(),
            state,
            net_status: net,
            health_check: health,
            health_check_local_ip: "".into(),
            health_check_remote_ip: "".into(),
            negotiation_type: NegotiationType::FlowTrigger,
            route_type: "".into(),
            dpd_action: "".into(),
            local_identity: "".into(),
            remote_identity: "".into(),
            ike: IkeParameters::default(),
            ipsec: IpsecParameters::default(),
            created: None,
            tags: Box::default(),
        }
    }

    #[test]
    fn known_bad_status_wins_over_unknown() {
        use HealthCheck::{Configured, NotConfigured};
        use HealthCheckStatus as Health;
        use NetStatus as Net;
        use TunnelState as State;
        let table = [
            (State::Available, Net::Available, NotConfigured, LinkStatus::Up),
            (State::Available, Net::Available, Configured(Health::Available), LinkStatus::Up),
            (State::Available, Net::Available, Configured(Health::Unavailable), LinkStatus::Down),
            (State::Available, Net::Available, Configured(Health::Unknown), LinkStatus::Unknown),
            (State::Available, Net::Unavailable, NotConfigured, LinkStatus::Down),
            (State::Available, Net::Unknown, NotConfigured, LinkStatus::Unknown),
            (State::Unknown, Net::Unavailable, NotConfigured, LinkStatus::Down),
            (State::Unknown, Net::Available, NotConfigured, LinkStatus::Unknown),
            (State::Unknown, Net::Unknown, Configured(Health::Unavailable), LinkStatus::Down),
            (State::Pending, Net::Available, NotConfigured, LinkStatus::Down),
            (State::Deleting, Net::Unknown, Configured(Health::Unknown), LinkStatus::Down),
        ];
        for (state, net, health, expected) in table {
            assert_eq!(tunnel(state, net, health).link_status(), expected, "{state} {net} {health:?}");
        }
    }

    #[test]
    fn idle_tunnel_waits_for_traffic() {
        let idle = tunnel(TunnelState::Available, NetStatus::Unavailable, HealthCheck::NotConfigured);
        assert!(idle.is_idle());
        assert!(Tunnel { state: TunnelState::Unknown, ..idle.clone() }.is_idle());
        let connected = Tunnel { net_status: NetStatus::Available, ..idle.clone() };
        let active = Tunnel { negotiation_type: NegotiationType::parse("active"), ..idle.clone() };
        let checked =
            Tunnel { health_check: HealthCheck::Configured(HealthCheckStatus::Unavailable), ..idle.clone() };
        let pending = Tunnel { state: TunnelState::Pending, ..idle.clone() };
        let deleting = Tunnel { state: TunnelState::Deleting, ..idle };
        for other in [connected, active, checked, pending, deleting] {
            assert!(!other.is_idle(), "{other:?}");
        }
    }

    #[test]
    fn id_has_1_to_128_printable_characters() {
        assert!(TunnelId::new("").is_none());
        assert!(TunnelId::new("vpnx-\u{1b}[31m").is_none());
        assert!(TunnelId::new(&"x".repeat(128)).is_some());
        assert!(TunnelId::new(&"x".repeat(129)).is_none());
    }
}
