//! A customer gateway: the peer of tunnels, outside Tencent Cloud.
//!
//! Source of the values: the Python SDK of `vpc` 2017-03-12, release 3.1.193, and the example of Tencent's command line for
//! `DescribeCustomerGateways`.

use super::{id::id, row::Row, tag_label::TagLabel};

id! {
    /// The id of a customer gateway, such as `cgw-apytvc1n`. It never changes.
    CustomerGatewayId
}

/// A customer gateway as one listing showed it.
///
/// Texts are the API's, cut to 128 characters, and empty where they are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerGateway {
    /// `CustomerGatewayId`.
    pub id: CustomerGatewayId,
    /// `CustomerGatewayName`: free text, chosen and changed by people.
    pub name: Box<str>,
    /// `IpAddress`: the address that packets go to. It can be an IPv6 or a private address.
    pub ip_address: Box<str>,
    /// `BgpAsn`; empty where it is 0, which means none.
    pub bgp_asn: Box<str>,
}

impl Row for CustomerGateway {
    type Id = CustomerGatewayId;
    type Status = ();
    const STATUS_FIELDS: &'static [&'static str] = &[];

    fn id(&self) -> &CustomerGatewayId {
        &self.id
    }

    fn status(&self) {}

    fn with_unknown_statuses(&self) -> Self {
        self.clone()
    }

    /// Its tags are not read: no metric has them.
    fn keep_tags(&mut self, _: &[TagLabel]) {}

    fn is_worse_than(&self, _: &Self) -> bool {
        false
    }
}
