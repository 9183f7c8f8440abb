//! A VPN tunnel as the API describes it, in types that keep its three statuses apart.
//!
//! Source of the values: the API reference of `DescribeVpnConnections`, 2025-11-13.

use super::{
    id::id,
    row::Row,
    status::{ApiStatus, HealthCheckStatus, NetStatus, TunnelState},
    tag_label::{self, TagLabel, Tags},
    tunnel_status::TunnelStatus,
};

id! {
    /// The id of a tunnel, such as `vpnx-f49l6u0z`. It never changes, and a tunnel that is created again has another one.
    TunnelId
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
    /// `IKESaLifetimeSeconds`, such as `86400`: how long keys are used before the ends agree on new ones.
    pub sa_lifetime_seconds: Box<str>,
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
    /// `IPSECSaLifetimeSeconds`, such as `3600`: how long keys are used before the ends agree on new ones.
    pub sa_lifetime_seconds: Box<str>,
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
    /// `DpdTimeout`, such as `30`: how long the peer may be silent before `DpdAction`, in seconds. The API sends a text.
    pub dpd_timeout_seconds: Box<str>,
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
    pub tags: Tags,
}

impl Tunnel {
    /// The name of the id: the value of the label `field` that counts rows without a usable id.
    pub const ID_FIELD: &'static str = "vpn_connection_id";
}

impl Row for Tunnel {
    type Id = TunnelId;
    type Status = TunnelStatus;
    const STATUS_FIELDS: &'static [&'static str] =
        &[TunnelState::FIELD, NetStatus::FIELD, HealthCheckStatus::FIELD];

    fn id(&self) -> &TunnelId {
        &self.id
    }

    fn status(&self) -> TunnelStatus {
        let is_flow_triggered = self.negotiation_type == NegotiationType::FlowTrigger;
        TunnelStatus::of(self.state, self.net_status, self.health_check.status(), is_flow_triggered)
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

    fn keep_tags(&mut self, tag_labels: &[TagLabel]) {
        tag_label::keep(&mut self.tags, tag_labels);
    }

    fn is_worse_than(&self, other: &Self) -> bool {
        self.status() < other.status()
    }
}
