//! A VPN gateway: the end of tunnels in Tencent Cloud.
//!
//! Source of the values: the Python SDK of `vpc` 2017-03-12, release 3.1.193, and the examples of Tencent's command line for
//! `DescribeVpnGateways`.

use super::{
    gateway_status::GatewayStatus,
    id::id,
    row::Row,
    status::{ApiStatus, GatewayState},
    tag_label::{self, TagLabel, Tags},
};

id! {
    /// The id of a VPN gateway, such as `vpngw-6x0wxvtp`. It never changes.
    GatewayId
}

/// A VPN gateway as one listing showed it.
///
/// Texts are the API's, cut to 128 characters, and empty where they are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// `VpnGatewayId`.
    pub id: GatewayId,
    /// `VpnGatewayName`: free text, chosen and changed by people.
    pub name: Box<str>,
    /// `Type`, such as `IPSEC` or `CCN`.
    pub kind: Box<str>,
    /// `VpcId`; empty or a hidden VPC for a gateway that is attached to a CCN.
    pub vpc_id: Box<str>,
    /// `NetworkInstanceId`: the CCN of such a gateway.
    pub network_instance_id: Box<str>,
    /// `PublicIpAddress`.
    pub public_ip_address: Box<str>,
    /// `Zone`.
    pub zone: Box<str>,
    /// `Version`: free text, such as `ver3.0`.
    pub version: Box<str>,
    /// `InstanceChargeType`: `PREPAID` or `POSTPAID_BY_HOUR`.
    pub charge_type: Box<str>,
    /// `RenewFlag`, such as `NOTIFY_AND_AUTO_RENEW`.
    pub renew_flag: Box<str>,
    /// `State`.
    pub state: GatewayState,
    /// `RestrictState`: `NORMAL`, or the API's text for an isolated gateway, such as `PROTECTIVELY_ISOLATED`.
    pub restrict_state: Box<str>,
    /// `IsAddressBlocked`. `None`: it cannot be read.
    pub is_address_blocked: Option<bool>,
    /// `ExpiredTime` of a prepaid gateway, in Unix seconds. `None`: it is not prepaid, or the time cannot be read.
    pub expires: Option<i64>,
    /// `InternetMaxBandwidthOut` in bytes a second. `None`: it cannot be read.
    pub bandwidth: Option<u64>,
    /// `CreatedTime` in Unix seconds. `None`: it cannot be read.
    pub created: Option<i64>,
    /// `TagSet`: keys and values, in the API's order.
    pub tags: Tags,
}

impl Gateway {
    /// The name of `RestrictState` as a value of the label `field`.
    pub const RESTRICT_STATE_FIELD: &'static str = "gateway_restrict_state";

    /// Whether the gateway is isolated: `RestrictState` is neither `NORMAL` nor empty. It then carries no traffic.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        !self.restrict_state.is_empty() && !self.restrict_state.eq_ignore_ascii_case("NORMAL")
    }
}

impl Row for Gateway {
    type Id = GatewayId;
    type Status = GatewayStatus;
    const STATUS_FIELDS: &'static [&'static str] = &[GatewayState::FIELD, Self::RESTRICT_STATE_FIELD];

    fn id(&self) -> &GatewayId {
        &self.id
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus::of(self.state, self.is_restricted(), self.is_address_blocked == Some(true))
    }

    /// The restriction and the block keep their last values.
    fn with_unknown_statuses(&self) -> Self {
        Self { state: GatewayState::Unknown, ..self.clone() }
    }

    fn keep_tags(&mut self, tag_labels: &[TagLabel]) {
        tag_label::keep(&mut self.tags, tag_labels);
    }

    fn is_worse_than(&self, other: &Self) -> bool {
        self.status() < other.status()
    }
}
