//! `DescribeCustomerGateways`: the wire format of a customer gateway.
//!
//! Source: the Python SDK of `vpc` 2017-03-12, release 3.1.193, and the example of Tencent's command line, release 3.1.189.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    field::{self, Field, structure},
    page::{Describe, ListedRow},
    row_fields::short_text,
};
use crate::domain::{
    customer_gateway::{CustomerGateway, CustomerGatewayId},
    listing::UnknownValue,
};

/// Lists customer gateways, a page at a time.
pub type DescribeCustomerGateways<'a> = Describe<'a, CustomerGateway>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RowFields<'a> {
    #[serde(borrow)]
    customer_gateway_id: Field<'a>,
    #[serde(borrow)]
    customer_gateway_name: Field<'a>,
    #[serde(borrow)]
    ip_address: Field<'a>,
    #[serde(borrow)]
    bgp_asn: Field<'a>,
}

impl ListedRow for CustomerGateway {
    const ACTION: &'static str = "DescribeCustomerGateways";
    const PERMISSION: &'static str = "vpc:DescribeCustomerGateways";
    const SET: &'static str = "CustomerGatewaySet";
    const ID: &'static str = "CustomerGatewayId";
    const ID_FILTER: &'static str = "customer-gateway-id";
    const FILTERS: &'static [&'static str] = &["customer-gateway-id"];

    fn read(row: &RawValue, _: &mut Vec<UnknownValue>) -> Option<Self> {
        let row: RowFields<'_> = structure(Some(row))?;
        Some(Self {
            id: CustomerGatewayId::new(&field::text(row.customer_gateway_id)?)?,
            name: short_text(row.customer_gateway_name),
            ip_address: short_text(row.ip_address),
            bgp_asn: field::text(row.bgp_asn)
                .filter(|text| text != "0")
                .map_or_else(Box::default, |_| short_text(row.bgp_asn)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tencent::{action::Action, envelope};

    /// A row like that of Tencent's example, and one with few fields, as on the international site.
    const EXAMPLE: &str = include_str!("../../tests/fixtures/api/describe_customer_gateways.json");

    #[test]
    fn example_of_the_command_line_is_read() {
        let response = envelope::parse(EXAMPLE.as_bytes(), None).expect("a response");
        let page = DescribeCustomerGateways::read(&response).expect("a page");
        let texts: Vec<[&str; 4]> = page
            .rows
            .iter()
            .map(|row| [row.id.as_str(), &*row.name, &*row.ip_address, &*row.bgp_asn])
            .collect();
        assert_eq!(
            texts,
            [
                ["cgw-0peer001", "branch-1", "198.51.****.53", ""],
                ["cgw-0peer002", "", "2001:db8::7", "64512"]
            ]
        );
        assert_eq!(page.rows_without_id, 1);
    }
}
