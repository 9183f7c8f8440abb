//! Listings of gateways start after those of tunnels, and leave them enough connections.

use simulator::{Entry, Fault, FaultKind, GatewayProblem};

use super::{CUSTOMER_GATEWAYS, GATEWAYS, TUNNELS, config, requests};
use test_support::{
    Api, Daemon, frozen,
    scene::{FAULTY_TARGET, FRANKFURT, GUANGZHOU, Scene},
    with_gateways, with_timeout,
};

#[tokio::test]
async fn gateways_wait_for_the_first_tunnels() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), |api| {
        let fault = Fault::new(FaultKind::Error { code: "InvalidParameter".to_owned() });
        let fault = Fault { region: Some(GUANGZHOU.to_owned()), action: Some(TUNNELS.to_owned()), ..fault };
        api.control.set_faults(vec![fault]).expect("a fault");
        config(api)
    })
    .await;
    scene.daemon.until(|metrics| metrics.value("polls_total", &FAULTY_TARGET) >= Some(4.0)).await;
    let of_gateways = |entries: &[Entry]| {
        requests(entries, GATEWAYS, GUANGZHOU) + requests(entries, CUSTOMER_GATEWAYS, GUANGZHOU)
    };
    assert_eq!(of_gateways(&scene.api.control.journal()), 0);
    assert_eq!(scene.daemon.readiness().await, 200, "gateways are not waited for");
    scene.clear_faults();
    let metrics = scene.daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 3.0).await;
    assert!(metrics.value("gateways_last_success_timestamp_seconds", &FAULTY_TARGET).is_some());
}

/// A process sends at most 256 requests at the same time. Stalled listings of gateways use a quarter of them, because only
/// their first pages are requested.
#[tokio::test]
async fn stalled_gateways_leave_connections_for_tunnels() {
    let regions: Vec<_> = (0..150).map(|number| format!("region-{number}")).collect();
    let names: Vec<_> = regions.iter().map(|name| &**name).collect();
    let api = Api::start(frozen(&names.iter().map(|name| (*name, 1)).collect::<Vec<_>>())).await;
    let stall =
        |action: &str| Fault { action: Some(action.to_owned()), ..Fault::new(FaultKind::StallHeaders) };
    api.control.set_faults([GATEWAYS, CUSTOMER_GATEWAYS].map(stall).into()).expect("faults");
    let config =
        with_gateways(&api.config_with_poll(&names, "interval: 4s, timeout: 200s, stale_after: 1h"), "4s");
    let daemon = Daemon::start(&config.replace("request_timeout: 2s", "request_timeout: 150s")).await;
    let of_gateways = |entries: &[Entry]| {
        entries.iter().filter(|entry| [GATEWAYS, CUSTOMER_GATEWAYS].contains(&&*entry.action)).count()
    };
    with_timeout(api.control.until(|entries| of_gateways(entries) == 64)).await;
    let polled = |metrics: &test_support::Metrics| {
        metrics.all("polls_total", &[]).filter(|sample| sample.value >= 3.0).count() == 150
    };
    let metrics = daemon.until(polled).await;
    assert_eq!(metrics.sum("up", &[]), 150.0);
    assert_eq!(metrics.sum("poll_failures_total", &[]), 0.0);
    assert_eq!(of_gateways(&api.control.journal()), 64);
}

#[tokio::test]
async fn change_of_tunnels_causes_a_listing() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let daemon = Daemon::start(&with_gateways(&api.config(&[GUANGZHOU]), "1h")).await;
    daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 1.0).await;
    let rows = api.control.gateway_rows(GUANGZHOU).expect("the region");
    let id = rows[0]["VpnGatewayId"].as_str().expect("an id");
    api.control.set_gateway_problem(GUANGZHOU, id, Some(GatewayProblem::Isolated)).expect("a gateway");
    let isolated = [("vpn_gateway_id", id)];
    daemon.until(|metrics| metrics.value("gateway_restricted", &isolated) == Some(1.0)).await;
    api.control.set_gateway_problem(GUANGZHOU, id, None).expect("a gateway");
    daemon.until(|metrics| metrics.value("gateway_restricted", &isolated) == Some(0.0)).await;
}
