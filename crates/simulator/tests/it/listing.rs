//! The two listings of gateways, for tests that apply to both.

use serde_json::Value;

use crate::client::RunningSimulator;

pub(crate) const EU: &str = "eu-frankfurt";

/// The names of a listing.
pub(crate) struct Listing {
    pub(crate) action: &'static str,
    pub(crate) set: &'static str,
    pub(crate) id: &'static str,
    pub(crate) ids: &'static str,
    pub(crate) rows: fn(&RunningSimulator) -> Vec<Value>,
}

pub(crate) const GATEWAYS: Listing = Listing {
    action: "DescribeVpnGateways",
    set: "VpnGatewaySet",
    id: "VpnGatewayId",
    ids: "VpnGatewayIds",
    rows: |api| api.control.gateway_rows(EU).expect("the region"),
};
pub(crate) const CUSTOMERS: Listing = Listing {
    action: "DescribeCustomerGateways",
    set: "CustomerGatewaySet",
    id: "CustomerGatewayId",
    ids: "CustomerGatewayIds",
    rows: |api| api.control.customer_gateway_rows(EU).expect("the region"),
};

impl Listing {
    pub(crate) async fn call(&self, api: &RunningSimulator, parameters: Value) -> Value {
        api.client.call(self.action, EU, parameters).await
    }

    pub(crate) async fn page(&self, api: &RunningSimulator, parameters: Value) -> Vec<Value> {
        let response = self.call(api, parameters).await;
        response[self.set].as_array().unwrap_or_else(|| panic!("no rows: {response}")).clone()
    }

    pub(crate) async fn code(&self, api: &RunningSimulator, parameters: Value) -> String {
        let response = self.call(api, parameters).await;
        response["Error"]["Code"].as_str().unwrap_or_else(|| panic!("no refusal: {response}")).to_owned()
    }

    pub(crate) fn ids(&self, api: &RunningSimulator) -> Vec<String> {
        (self.rows)(api).iter().map(|row| text(&row[self.id])).collect()
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
