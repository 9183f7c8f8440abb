//! When traffic is queried, of what, and what a reload changes.

use simulator::{Fault, FaultKind};
use test_support::{
    Api, Daemon, Metrics, frozen,
    scene::{FAULTY_TARGET, FRANKFURT, GUANGZHOU, Scene},
    with_gateways, with_traffic,
};

use super::{ACTION, config, healthy, is_traffic, patient, requests};

#[tokio::test]
async fn disabled_traffic_sends_no_request() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), |api| {
        with_gateways(&Scene::config(api, "interval: 250ms, timeout: 3s, stale_after: 1h"), "250ms")
    })
    .await;
    let polled = |metrics: &Metrics| metrics.value("polls_total", &FAULTY_TARGET) >= Some(4.0);
    let metrics = scene.daemon.until(polled).await;
    assert_eq!(requests(&scene.api.control.journal()).count(), 0);
    assert_eq!(metrics.0.iter().find(|sample| is_traffic(sample)), None);
    assert_eq!(metrics.count("traffic_up", &[]), 0);
    assert_eq!(metrics.count("api_requests_total", &[("action", ACTION)]), 0);
}

#[tokio::test]
async fn disabling_traffic_removes_its_series() {
    let (scene, before) = healthy().await;
    assert!(before.0.iter().any(is_traffic));
    assert_eq!(before.count("traffic_last_success_timestamp_seconds", &[]), 3);
    let disabled = config(&scene.api).replace("enabled: true, interval", "enabled: false, interval");
    scene.daemon.reload(&disabled).await.expect("a good configuration");
    let after = scene.daemon.until(|metrics| !metrics.0.iter().any(is_traffic)).await;
    assert_eq!(after.count("traffic_up", &[]), 0);
    let queries = requests(&scene.api.control.journal()).count();
    scene.daemon.reload(&config(&scene.api)).await.expect("a good configuration");
    scene.daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 3.0).await;
    assert_eq!(requests(&scene.api.control.journal()).count(), 2 * queries);
}

#[tokio::test]
async fn only_configured_metrics_are_queried() {
    let (scene, _) = healthy().await;
    scene.api.control.clear_journal();
    let packets = config(&scene.api).replace("[bandwidth]", "[packets]");
    scene.daemon.reload(&packets).await.expect("a good configuration");
    let received = |metrics: &Metrics| metrics.count("tunnel_receive_packets_per_second", &[]);
    let after = scene.daemon.until(|metrics| received(metrics) == 7).await;
    for name in ["tunnel_receive_bytes_per_second", "gateway_bandwidth_usage_ratio"] {
        assert_eq!(after.count(name, &[]), 0, "{name}");
    }
    let journal = scene.api.control.journal();
    let mut metrics: Vec<_> = requests(&journal).filter_map(|entry| entry.metric.as_deref()).collect();
    metrics.sort_unstable();
    assert_eq!(metrics, ["InPkg", "InPkg", "InPkg", "OutPkg", "OutPkg", "OutPkg"]);
}

#[tokio::test]
async fn query_waits_for_the_first_listings() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), |api| {
        let fault = Fault::new(FaultKind::Error { code: "InvalidParameter".to_owned() });
        let action = Some("DescribeVpnConnections".to_owned());
        let fault = Fault { region: Some(GUANGZHOU.to_owned()), action, ..fault };
        api.control.set_faults(vec![fault]).expect("a fault");
        config(api)
    })
    .await;
    scene.daemon.until(|metrics| metrics.value("polls_total", &FAULTY_TARGET) >= Some(4.0)).await;
    let here = |entry: &&simulator::Entry| entry.region == GUANGZHOU;
    assert_eq!(requests(&scene.api.control.journal()).filter(here).count(), 0);
    assert_eq!(scene.daemon.readiness().await, 200, "traffic is not waited for");
    scene.clear_faults();
    scene.daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 3.0).await;
    let journal = scene.api.control.journal();
    let first = |action: &str| {
        journal.iter().position(|entry| entry.region == GUANGZHOU && entry.action == action).expect(action)
    };
    assert!(first("DescribeVpnGateways") < first(ACTION));
    assert!(first("DescribeCustomerGateways") < first(ACTION));
}

#[tokio::test]
async fn site_decides_the_instances_of_a_request() {
    let api = Api::start(frozen(&[(GUANGZHOU, 60)])).await;
    for (site, sizes) in [("international", vec![10; 6]), ("china", vec![10, 50])] {
        api.control.clear_journal();
        let account =
            api.account("main", &[GUANGZHOU]).replace("  regions", &format!("  site: {site}\n  regions"));
        let config = patient(&api.config_for(&[&account], "interval: 250ms, timeout: 3s"));
        let daemon = Daemon::start(&with_traffic(&config, "interval: 1m, metrics: [latency]")).await;
        let metrics = daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 1.0).await;
        let journal = api.control.journal();
        let mut found: Vec<_> = requests(&journal).map(|entry| entry.ids.len()).collect();
        found.sort_unstable();
        assert_eq!(found, sizes, "{site}");
        let mut ids: Vec<_> = requests(&journal).flat_map(|entry| &entry.ids).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 60);
        for entry in requests(&journal) {
            assert_eq!((entry.namespace.as_deref(), entry.period), (Some("QCE/VPNX"), Some(60)));
        }
        assert_eq!(metrics.sum("api_requests_total", &[("action", ACTION)]), sizes.len() as f64);
    }
}

#[tokio::test]
async fn query_ends_two_minutes_ago() {
    let (scene, _) = healthy().await;
    let journal = scene.api.control.journal();
    let now = jiff::Timestamp::now();
    for entry in requests(&journal) {
        let time = |text: &Option<String>| -> jiff::Timestamp {
            let text = text.as_deref().expect("a time");
            assert!(text.ends_with("+08:00"), "{text}");
            text.parse().expect("a time")
        };
        let (start, end) = (time(&entry.start_time), time(&entry.end_time));
        // Three periods and five minutes before the query, to two minutes before it.
        assert_eq!(end.duration_since(start).as_secs(), 18 * 60);
        assert!(now.duration_since(end).as_secs() >= 120, "{end}");
    }
}

#[tokio::test]
async fn without_gateways_only_tunnels_are_queried() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let daemon = Daemon::start(&with_traffic(&api.config(&[GUANGZHOU]), "interval: 5m")).await;
    let metrics = daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 1.0).await;
    assert_eq!(metrics.count("tunnel_receive_bytes_per_second", &[]), 3);
    assert_eq!(metrics.count("gateway_traffic_timestamp_seconds", &[]), 0);
    let journal = api.control.journal();
    assert!(requests(&journal).all(|entry| entry.namespace.as_deref() == Some("QCE/VPNX")));
}

#[tokio::test]
async fn target_without_tunnels_is_not_queried() {
    let api = Api::start(frozen(&[(GUANGZHOU, 0), (FRANKFURT, 1)])).await;
    let config = with_gateways(&api.config(&[GUANGZHOU, FRANKFURT]), "250ms");
    let daemon = Daemon::start(&with_traffic(&config, "interval: 5m")).await;
    let metrics = daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 1.0).await;
    assert_eq!(metrics.count("traffic_up", &[("region", GUANGZHOU)]), 0);
    let journal = api.control.journal();
    assert!(requests(&journal).all(|entry| entry.region == FRANKFURT));
}

#[tokio::test]
async fn deleted_tunnel_has_no_traffic() {
    let (scene, before) = healthy().await;
    let sample = before.all("tunnel_receive_bytes_per_second", &FAULTY_TARGET).next().expect("a tunnel");
    let id = sample.labels["vpn_connection_id"].clone();
    scene.api.control.remove(GUANGZHOU, &id).expect("the tunnel");
    let label = [("vpn_connection_id", &*id)];
    let after = scene.daemon.until(|metrics| metrics.count("tunnel_up", &label) == 0).await;
    assert_eq!(after.count("tunnel_receive_bytes_per_second", &label), 0);
    assert_eq!(after.count("tunnel_receive_bytes_per_second", &FAULTY_TARGET), 2);
}

#[tokio::test]
async fn expensive_account_is_warned_about_once() {
    let log = test_support::log::Log::capture();
    let regions: Vec<_> = (0..4).map(|number| format!("region-{number}")).collect();
    let regions: Vec<_> = regions.iter().map(|region| (&**region, 80)).collect();
    let api = Api::start(frozen(&regions)).await;
    let names: Vec<_> = regions.iter().map(|(name, _)| *name).collect();
    let config = with_traffic(&api.config(&names), "interval: 1m, metrics: [latency]");
    let daemon = Daemon::start(&config).await;
    daemon.until(|metrics| metrics.sum("traffic_up", &[]) == 4.0).await;
    let warning = log.only_line(&["WARN", "traffic needs more requests than are free"]);
    // Eight requests every minute in each of three or four regions.
    let of_account = [1_036_800, 1_382_400].map(|number| format!("account_requests_per_month={number}"));
    assert!(of_account.iter().any(|text| warning.contains(text)), "{warning}");
    let estimates = log.lines(&["INFO", "traffic is queried from Cloud Monitor", "requests_per_query=8"]);
    assert_eq!(estimates.len(), 4, "{estimates:?}");
}

#[tokio::test]
async fn reload_queries_the_new_listing() {
    let api = Api::start(frozen(&[(GUANGZHOU, 30)])).await;
    let rows = api.control.rows(GUANGZHOU).expect("the region");
    let gateway = rows[0]["VpnGatewayId"].as_str().expect("an id");
    let all = with_traffic(&api.config(&[GUANGZHOU]), "interval: 5m, metrics: [packets]");
    let filter = format!("  filters: [{{name: vpn-gateway-id, values: [{gateway}]}}]\n");
    let daemon = Daemon::start(&(all.clone() + &filter)).await;
    let tunnels = |metrics: &Metrics| metrics.count("tunnel_traffic_timestamp_seconds", &[]);
    daemon.until(|metrics| tunnels(metrics) == 10).await;
    daemon.reload(&all).await.expect("a good configuration");
    daemon.until(|metrics| tunnels(metrics) == 30).await;
}
