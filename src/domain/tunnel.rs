//! A VPN tunnel as the API describes it, in types that keep its three statuses apart.
//!
//! Source of the values: the document of `DescribeVpnConnections`, 2025-11-13.

use std::fmt;

use super::{Row, TagLabel};

/// The longest id that is believed; real ones have 13 characters.
const MAX_ID_CHARS: usize = 128;

/// The id of a tunnel, such as `vpnx-f49l6u0z`. It never changes, and a tunnel made anew has another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TunnelId(Box<str>);

impl TunnelId {
    /// Accepts 1 to 128 characters, none of them a control character; anything else is no id, and gives `None`.
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

/// Declares a status of the API: its known values, and `Unknown` for all that is new, null, absent or empty.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
            /// New to us, null, absent or empty: nothing is known, and so nothing is claimed.
            Unknown,
        }

        impl $name {
            /// Every value, in the order in which it is exposed.
            pub const ALL: &[Self] = &[$(Self::$value,)+ Self::Unknown];

            /// The value as the API spells it, `UNKNOWN` for what it does not.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                    Self::Unknown => "UNKNOWN",
                }
            }

            /// Reads the API's spelling, in upper or lower case, as old documents have it; everything else is `Unknown`.
            #[must_use]
            pub fn parse(text: &str) -> Self {
                let known = [$(($text, Self::$value),)+].into_iter();
                let mut same = known.filter(|(known, _)| known.eq_ignore_ascii_case(text));
                same.next().map_or(Self::Unknown, |(_, value)| value)
            }

            /// What this status says of the link.
            #[must_use]
            pub const fn verdict(self) -> Verdict {
                match self {
                    Self::Available => Verdict::Up,
                    Self::Unknown => Verdict::Unknown,
                    #[allow(unreachable_patterns, reason = "every status has its own set of values")]
                    _ => Verdict::Down,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

status! {
    /// Where a tunnel is in its life: the API's `State`.
    TunnelState {
        /// It is being made.
        Pending = "PENDING",
        /// It exists and is in service.
        Available = "AVAILABLE",
        /// It is being deleted.
        Deleting = "DELETING",
    }
}

status! {
    /// Whether the two ends are connected: the API's `NetStatus`.
    NetStatus {
        /// Connected.
        Available = "AVAILABLE",
        /// Not connected.
        Unavailable = "UNAVAILABLE",
    }
}

status! {
    /// What the probes through the tunnel say, where they are configured: the API's `HealthCheckStatus`.
    HealthCheckStatus {
        /// Probes are answered.
        Available = "AVAILABLE",
        /// Probes are lost.
        Unavailable = "UNAVAILABLE",
    }
}

/// Which of a tunnel's three statuses; the label `field` of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusField {
    /// [`TunnelState`].
    State,
    /// [`NetStatus`].
    NetStatus,
    /// [`HealthCheckStatus`].
    HealthCheckStatus,
}

impl StatusField {
    /// Every field, in the order of the document.
    pub const ALL: [Self; 3] = [Self::State, Self::NetStatus, Self::HealthCheckStatus];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::NetStatus => "net_status",
            Self::HealthCheckStatus => "health_check_status",
        }
    }

    /// Whether the document has this value.
    #[must_use]
    pub fn knows(self, value: &str) -> bool {
        match self {
            Self::State => TunnelState::parse(value) != TunnelState::Unknown,
            Self::NetStatus => NetStatus::parse(value) != NetStatus::Unknown,
            Self::HealthCheckStatus => HealthCheckStatus::parse(value) != HealthCheckStatus::Unknown,
        }
    }
}

/// What one status, or all of them together, say of a tunnel's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that is known and applies is `AVAILABLE`, and nothing is unknown.
    Up,
    /// At least one known status is not `AVAILABLE`.
    Down,
    /// Nothing is known to be down, and something is unknown.
    Unknown,
}

/// A tunnel's health check: configured with a status, or not configured and then without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthCheck {
    /// None is configured: a status is not applicable, and whatever the API sent for it is not read.
    NotConfigured,
    /// One is configured; this is what it says.
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
    /// `flowTrigger`: traffic does. Without traffic such a tunnel may rightly be unconnected.
    FlowTrigger,
    /// `active`, `passive`, or a kind that is new to us, as the API spells it; empty where it is absent.
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
    /// `IntegrityAlgorith` (sic), or `IntegrityAlgorithm` in newer answers.
    pub integrity: Box<str>,
    /// `PfsDhGroup`; `NULL` means no perfect forward secrecy.
    pub pfs_dh_group: Box<str>,
}

/// One VPN tunnel as one listing showed it. The API's pre-shared key is no part of it.
///
/// Texts are the API's, cut to 128 characters, and empty where the API left them out.
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
    /// `CreatedTime` in Unix seconds; `None` where it cannot be read.
    pub created: Option<i64>,
    /// `TagSet`: keys and values, in the API's order.
    pub tags: Box<[(Box<str>, Box<str>)]>,
}

impl Tunnel {
    /// The state of the link: down if any known status that applies is not `AVAILABLE`, whatever the others; else
    /// unknown if any is `UNKNOWN`; else up.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdicts = [
            Some(self.state.verdict()),
            Some(self.net_status.verdict()),
            self.health_check.status().map(HealthCheckStatus::verdict),
        ];
        let says = |verdict| verdicts.contains(&Some(verdict));
        if says(Verdict::Down) {
            Verdict::Down
        } else if says(Verdict::Unknown) {
            Verdict::Unknown
        } else {
            Verdict::Up
        }
    }

    /// Drops all tags but those that become labels.
    pub fn keep_tags(&mut self, tag_labels: &[TagLabel]) {
        let is_kept = |(key, _): &(Box<str>, Box<str>)| tag_labels.iter().any(|label| *label.key == **key);
        self.tags = std::mem::take(&mut self.tags).into_iter().filter(is_kept).collect();
    }

    /// A status in the API's spelling, `UNKNOWN` included; `None` for the status of a check that is not configured.
    #[must_use]
    pub fn status(&self, field: StatusField) -> Option<&'static str> {
        match field {
            StatusField::State => Some(self.state.as_str()),
            StatusField::NetStatus => Some(self.net_status.as_str()),
            StatusField::HealthCheckStatus => self.health_check.status().map(HealthCheckStatus::as_str),
        }
    }

    /// Whether the tunnel merely waits for traffic: it is triggered by traffic, without a health check, not connected, and not
    /// known to be made or deleted just now. Every view counts such a tunnel as idle, not as down.
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

    fn id(&self) -> &TunnelId {
        &self.id
    }

    /// Whether a health check is configured stays as it was.
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
        other.verdict() != Verdict::Down && self.verdict() != Verdict::Up
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
    fn a_known_bad_status_outweighs_an_unknown_one() {
        use HealthCheck::{Configured, NotConfigured};
        use HealthCheckStatus as Health;
        use NetStatus as Net;
        use TunnelState as State;
        let table = [
            (State::Available, Net::Available, NotConfigured, Verdict::Up),
            (State::Available, Net::Available, Configured(Health::Available), Verdict::Up),
            (State::Available, Net::Available, Configured(Health::Unavailable), Verdict::Down),
            (State::Available, Net::Available, Configured(Health::Unknown), Verdict::Unknown),
            (State::Available, Net::Unavailable, NotConfigured, Verdict::Down),
            (State::Available, Net::Unknown, NotConfigured, Verdict::Unknown),
            (State::Unknown, Net::Unavailable, NotConfigured, Verdict::Down),
            (State::Unknown, Net::Available, NotConfigured, Verdict::Unknown),
            (State::Unknown, Net::Unknown, Configured(Health::Unavailable), Verdict::Down),
            (State::Pending, Net::Available, NotConfigured, Verdict::Down),
            (State::Deleting, Net::Unknown, Configured(Health::Unknown), Verdict::Down),
        ];
        for (state, net, health, verdict) in table {
            assert_eq!(tunnel(state, net, health).verdict(), verdict, "{state} {net} {health:?}");
        }
    }

    #[test]
    fn only_an_unconnected_flow_trigger_tunnel_without_a_check_is_idle() {
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
    fn status_is_read_in_any_case() {
        for text in ["AVAILABLE", "available", "Available"] {
            assert_eq!(TunnelState::parse(text), TunnelState::Available, "{text:?}");
        }
        assert_eq!(NetStatus::parse("Unavailable"), NetStatus::Unavailable);
        for text in ["", "AVAILABLE ", "UNKNOWN", "UPDATING"] {
            assert_eq!(TunnelState::parse(text), TunnelState::Unknown, "{text:?}");
        }
        for &status in NetStatus::ALL {
            assert_eq!(NetStatus::parse(status.as_str()), status);
        }
    }

    #[test]
    fn an_id_has_1_to_128_characters_that_can_be_printed() {
        assert!(TunnelId::new("").is_none());
        assert!(TunnelId::new("vpnx-\u{1b}[31m").is_none());
        assert!(TunnelId::new(&"x".repeat(128)).is_some());
        assert!(TunnelId::new(&"x".repeat(129)).is_none());
    }
}
