//! Any bytes as the body of an answer: none panics, none holds more than a page, and no tunnel is said to be available
//! that the answer does not say it of.
//!
//! `cargo fuzz run answer fuzz/corpus/answer tests/fixtures/api -- -dict=fuzz/answer.dict -max_len=16384`

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tencentcloud_vpn_exporter::{
    domain::{HealthCheck, HealthCheckStatus, NetStatus, Tunnel, TunnelState},
    tencent::{
        answer::unframe,
        client::FromResponse,
        vpn::{PAGE_ROWS, Page},
    },
};

fuzz_target!(|body: &[u8]| {
    let Ok(page) = unframe(body, None).and_then(Page::from_response) else { return };
    assert!(page.tunnels.len() + page.rows_without_id <= PAGE_ROWS);
    for tunnel in &page.tunnels {
        assert!(tunnel.id.as_str().chars().count() <= 128 && tunnel.name.chars().count() <= 128);
    }
    // A second reading of the same bytes, which refuses some that the first one takes.
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return };
    let no_rows = Vec::new();
    let rows = answer["Response"]["VpnConnectionSet"].as_array().unwrap_or(&no_rows);
    let is_available = |value: &Value| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("AVAILABLE"));
    let says = |field: &str| rows.iter().filter(|row| is_available(&row[field])).count();
    let reads = |is: fn(&Tunnel) -> bool| page.tunnels.iter().filter(|tunnel| is(tunnel)).count();
    assert!(reads(|tunnel| tunnel.state == TunnelState::Available) <= says("State"));
    assert!(reads(|tunnel| tunnel.net_status == NetStatus::Available) <= says("NetStatus"));
    assert!(
        reads(|tunnel| tunnel.health_check == HealthCheck::Configured(HealthCheckStatus::Available))
            <= says("HealthCheckStatus")
    );
});
