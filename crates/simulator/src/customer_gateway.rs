//! One simulated customer gateway: an element of `CustomerGatewaySet`, with the fields and order of the documented
//! example.

use std::{borrow::Cow, net::Ipv4Addr};

use fastrand::Rng;
use serde::{Serialize, Serializer};

use super::{changes::Changes, listing::ListedRow, names, tag::Tag, times};

/// A customer gateway is created this number of seconds before its first tunnel.
const BEFORE_TUNNELS: i64 = 1800;

/// A customer gateway: its fixed attributes, and later changes.
#[derive(Debug)]
pub(super) struct CustomerGateway {
    pub(super) id: String,
    pub(super) address: Ipv4Addr,
    /// Whether the device has a private address, which is its IKE identity.
    pub(super) behind_nat: bool,
    pub(super) changes: Changes,
    name: String,
    bgp_asn: u32,
    created: String,
    tags: Vec<Tag>,
}

impl CustomerGateway {
    /// Chooses the attributes at random. `site` is its index in the region, in the order of creation.
    pub(super) fn draw(id: String, site: usize, rng: &mut Rng) -> Self {
        // Unique among a region's first 65,536 customer gateways.
        let [high, low] = u16::try_from(site % 0x10000).expect("less than 2^16").to_be_bytes();
        Self {
            id,
            address: Ipv4Addr::new(198, 18 + (high >> 7), high << 1 | low >> 7, low << 1 | 1),
            behind_nat: site % 5 == 2,
            changes: Changes::default(),
            name: names::site_name(site),
            bgp_asn: if rng.u8(..6) == 0 { 65_000 } else { 0 },
            created: times::text(times::creation(2 * site) - BEFORE_TUNNELS),
            tags: Tag::draw(rng),
        }
    }
}

/// A customer gateway and the number of its tunnels, serialized as an element of `CustomerGatewaySet`.
pub(super) struct ListedCustomerGateway<'a> {
    pub(super) gateway: &'a CustomerGateway,
    pub(super) tunnels: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    bgp_asn: u32,
    created_time: &'a str,
    customer_gateway_id: &'a str,
    customer_gateway_name: &'a str,
    ip_address: Ipv4Addr,
    tag_set: &'a [Tag],
    vpn_conn_num: usize,
}

impl ListedCustomerGateway<'_> {
    fn row(&self) -> Row<'_> {
        let gateway = self.gateway;
        Row {
            bgp_asn: gateway.bgp_asn,
            created_time: &gateway.created,
            customer_gateway_id: &gateway.id,
            customer_gateway_name: &gateway.name,
            ip_address: gateway.address,
            tag_set: &gateway.tags,
            vpn_conn_num: self.tunnels,
        }
    }
}

impl ListedRow for ListedCustomerGateway<'_> {
    fn text(&self, field: &str) -> Option<Cow<'_, str>> {
        let gateway = self.gateway;
        let text = match field {
            "CustomerGatewayId" => Cow::from(&*gateway.id),
            "CustomerGatewayName" => Cow::from(&*gateway.name),
            "IpAddress" => Cow::from(gateway.address.to_string()),
            _ => return gateway.changes.text(field, None),
        };
        gateway.changes.text(field, Some(text))
    }
}

impl Serialize for ListedCustomerGateway<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.gateway.changes.serialize(&self.row(), serializer)
    }
}
