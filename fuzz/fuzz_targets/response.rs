//! Any bytes as the body of a response: none panics, none holds more than a page, and no tunnel reads as available
//! unless the response says so. No gateway reads as normal if its row has the text of an isolated one.
//!
//! `cargo fuzz run response fuzz/corpus/response tests/fixtures/api -- -dict=fuzz/response.dict -max_len=16384`

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tencentcloud_vpn_exporter::{
    domain::{status::{HealthCheckStatus, NetStatus, TunnelState}, tunnel::{HealthCheck, Tunnel}},
    tencent::{
        action::Action, describe_customer_gateways::DescribeCustomerGateways,
        describe_vpn_connections::DescribeVpnConnections, describe_vpn_gateways::DescribeVpnGateways, envelope,
        page::PAGE_ROWS,
    },
};

fuzz_target!(|body: &[u8]| {
    tunnels(body);
    gateways(body);
});

fn gateways(body: &[u8]) {
    let Ok(fields) = envelope::parse(body, None) else { return };
    if let Ok(page) = DescribeCustomerGateways::read(&fields) {
        assert!(page.rows.len() + page.rows_without_id <= PAGE_ROWS);
    }
    let Ok(page) = DescribeVpnGateways::read(&fields) else { return };
    assert!(page.rows.len() + page.rows_without_id <= PAGE_ROWS);
    // A second reading of the same bytes, which refuses some that the first one takes.
    let Ok(response) = serde_json::from_slice::<Value>(body) else { return };
    let no_rows = Vec::new();
    let rows = response["Response"]["VpnGatewaySet"].as_array().unwrap_or(&no_rows);
    let says_isolated = |row: &&Value| {
        row["VpnGatewayId"].is_string() && row["RestrictState"] == "PROTECTIVELY_ISOLATED"
    };
    if page.rows_without_id == 0 {
        let isolated = page.rows.iter().filter(|gateway| gateway.is_restricted()).count();
        assert!(isolated >= rows.iter().filter(says_isolated).count());
    }
}

fn tunnels(body: &[u8]) {
    let Ok(page) = envelope::parse(body, None).and_then(|fields| DescribeVpnConnections::read(&fields)) else { return };
    assert!(page.rows.len() + page.rows_without_id <= PAGE_ROWS);
    for tunnel in &page.rows {
        assert!(tunnel.id.as_str().chars().count() <= 128 && tunnel.name.chars().count() <= 128);
    }
    // A second reading of the same bytes, which refuses some that the first one takes.
    let Ok(response) = serde_json::from_slice::<Value>(body) else { return };
    let no_rows = Vec::new();
    let rows = response["Response"]["VpnConnectionSet"].as_array().unwrap_or(&no_rows);
    let is_available = |value: &Value| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("AVAILABLE"));
    let says = |field: &str| rows.iter().filter(|row| is_available(&row[field])).count();
    let reads = |is: fn(&Tunnel) -> bool| page.rows.iter().filter(|tunnel| is(tunnel)).count();
    assert!(reads(|tunnel| tunnel.state == TunnelState::Available) <= says("State"));
    assert!(reads(|tunnel| tunnel.net_status == NetStatus::Available) <= says("NetStatus"));
    assert!(
        reads(|tunnel| tunnel.health_check == HealthCheck::Configured(HealthCheckStatus::Available))
            <= says("HealthCheckStatus")
    );
}
