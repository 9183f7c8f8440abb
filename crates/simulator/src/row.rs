//! A row: an element of `VpnConnectionSet`, with the fields and order of the documented example.

use std::{borrow::Cow, net::Ipv4Addr};

use serde::{Serialize, Serializer};

use super::{
    behaviour::{State, Status},
    listing::ListedRow,
    tag::Tag,
    tunnel::{Bgp, HealthCheck, Ike, Ipsec, Policy, Tunnel},
};

/// A tunnel and its status, serialized as an element of `VpnConnectionSet`.
pub(super) struct ListedTunnel<'a> {
    pub(super) tunnel: &'a Tunnel,
    pub(super) status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    vpc_id: &'a str,
    vpn_connection_id: &'a str,
    vpn_connection_name: &'a str,
    vpn_gateway_id: &'a str,
    customer_gateway_id: &'a str,
    pre_share_key: &'a str,
    vpn_proto: &'a str,
    encrypt_proto: &'a str,
    route_type: &'a str,
    #[serde(rename = "IKEOptionsSpecification")]
    ike: &'a Ike,
    #[serde(rename = "IPSECOptionsSpecification")]
    ipsec: &'a Ipsec,
    created_time: &'a str,
    security_policy_database_set: &'a [Policy],
    state: &'a str,
    net_status: &'a str,
    negotiation_type: &'a str,
    dpd_enable: u8,
    dpd_timeout: &'a str,
    dpd_action: &'a str,
    enable_health_check: bool,
    health_check_local_ip: Text<Ipv4Addr>,
    health_check_remote_ip: Text<Ipv4Addr>,
    health_check_status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check_config: Option<&'a HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bgp_config: Option<&'a Bgp>,
    tag_set: &'a [Tag],
}

/// A value that is serialized as an empty string if it is `None`.
struct Text<T>(Option<T>);

impl<T: Serialize> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }
}

impl ListedTunnel<'_> {
    fn row(&self) -> Row<'_> {
        let Self { tunnel, status } = self;
        let health_check = tunnel.health_check.as_ref();
        Row {
            vpc_id: &tunnel.vpc_id,
            vpn_connection_id: &tunnel.id,
            vpn_connection_name: &tunnel.name,
            vpn_gateway_id: &tunnel.gateway_id,
            customer_gateway_id: &tunnel.customer_gateway_id,
            pre_share_key: &tunnel.pre_share_key,
            vpn_proto: "IPSEC",
            encrypt_proto: "IKE",
            route_type: tunnel.route_type,
            ike: &tunnel.ike,
            ipsec: &tunnel.ipsec,
            created_time: &tunnel.created,
            security_policy_database_set: &tunnel.policies,
            state: match status.state {
                State::Pending => "PENDING",
                State::Available => "AVAILABLE",
                State::Deleting => "DELETING",
            },
            net_status: availability(status.connected),
            negotiation_type: tunnel.negotiation_type,
            dpd_enable: 1,
            dpd_timeout: &tunnel.dpd_timeout,
            dpd_action: if tunnel.dpd_timeout == "60" { "restart" } else { "clear" },
            enable_health_check: health_check.is_some(),
            health_check_local_ip: Text(health_check.map(|check| check.local_ip)),
            health_check_remote_ip: Text(health_check.map(|check| check.remote_ip)),
            health_check_status: health_check.map_or("", |_| availability(status.healthy)),
            health_check_config: health_check,
            bgp_config: tunnel.bgp.as_ref(),
            tag_set: &tunnel.tags,
        }
    }
}

fn availability(available: bool) -> &'static str {
    if available { "AVAILABLE" } else { "UNAVAILABLE" }
}

impl ListedRow for ListedTunnel<'_> {
    fn text(&self, field: &str) -> Option<Cow<'_, str>> {
        self.tunnel.text(field)
    }
}

impl Serialize for ListedTunnel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tunnel.changes.serialize(&self.row(), serializer)
    }
}
