//! What is published, and for which gateways.

use serde_json::Value;
use simulator::{Entry, GatewayProblem};

use super::{CUSTOMER_GATEWAYS, GATEWAYS, config, requests};
use test_support::{
    Api, Daemon, Metrics, frozen,
    log::Log,
    scene::{FAULTY_TARGET, FRANKFURT, GUANGZHOU, Scene},
    with_gateways, with_timeout,
};

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().expect(field)
}

/// The labels of a gateway of the faulty target.
fn labels(id: &str) -> [(&str, &str); 3] {
    [FAULTY_TARGET[0], FAULTY_TARGET[1], ("vpn_gateway_id", id)]
}

#[tokio::test]
async fn every_gateway_is_published_as_listed() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 43), (FRANKFURT, 2)]), config).await;
    let metrics = scene.daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 3.0).await;
    let rows = scene.api.control.gateway_rows(GUANGZHOU).expect("the region");
    assert_eq!(metrics.count("gateway_info", &FAULTY_TARGET), rows.len());
    for row in &rows {
        let labels = labels(text(row, "VpnGatewayId"));
        let info = metrics.all("gateway_info", &labels).next().expect("a gateway");
        for (label, field) in [
            ("vpn_gateway_name", "VpnGatewayName"),
            ("type", "Type"),
            ("vpc_id", "VpcId"),
            ("public_ip_address", "PublicIpAddress"),
            ("zone", "Zone"),
            ("gateway_version", "Version"),
            ("charge_type", "InstanceChargeType"),
            ("renew_flag", "RenewFlag"),
        ] {
            assert_eq!(info.labels[label], text(row, field), "{label}");
        }
        let bandwidth = row["InternetMaxBandwidthOut"].as_f64().map(|megabits| megabits * 125_000.0);
        assert_eq!(metrics.value("gateway_bandwidth_bytes_per_second", &labels), bandwidth);
        assert_eq!(metrics.value("gateway_restricted", &labels), Some(0.0));
        assert_eq!(metrics.value("gateway_address_blocked", &labels), Some(0.0));
        assert_eq!(metrics.sum("gateway_state", &labels), 1.0);
        assert_eq!(metrics.count("gateway_state", &labels), 6);
        let has_expiry = metrics.count("gateway_expiry_timestamp_seconds", &labels) == 1;
        let is_prepaid = text(row, "InstanceChargeType") == "PREPAID";
        let is_sentinel = text(row, "ExpiredTime").starts_with("0000");
        assert_eq!(has_expiry, is_prepaid && !is_sentinel, "{row}");
    }
    let peers = scene.api.control.customer_gateway_rows(GUANGZHOU).expect("the region");
    assert_eq!(metrics.count("customer_gateway_info", &FAULTY_TARGET), peers.len());
    for row in &peers {
        let peer =
            [FAULTY_TARGET[0], FAULTY_TARGET[1], ("customer_gateway_id", text(row, "CustomerGatewayId"))];
        let info = metrics.all("customer_gateway_info", &peer).next().expect("a customer gateway");
        assert_eq!(info.labels["customer_gateway_name"], text(row, "CustomerGatewayName"));
        assert_eq!(info.labels["ip_address"], text(row, "IpAddress"));
        let asn = row["BgpAsn"].as_u64().filter(|asn| *asn > 0).map_or(String::new(), |asn| asn.to_string());
        assert_eq!(info.labels["bgp_asn"], asn);
    }
    // Every tunnel finds its gateway and its peer.
    for tunnel in metrics.all("tunnel_info", &FAULTY_TARGET) {
        for (name, label) in
            [("gateway_info", "vpn_gateway_id"), ("customer_gateway_info", "customer_gateway_id")]
        {
            assert_eq!(metrics.count(name, &[FAULTY_TARGET[0], (label, &tunnel.labels[label])]), 1);
        }
    }
}

#[tokio::test]
async fn isolation_is_published_and_logged() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), config).await;
    scene.daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 3.0).await;
    let control = &scene.api.control;
    let rows = control.gateway_rows(GUANGZHOU).expect("the region");
    let id = text(&rows[0], "VpnGatewayId");
    let set = |problem| control.set_gateway_problem(GUANGZHOU, id, problem).expect("a gateway");
    let labels = labels(id);
    for (problem, metric, change) in [
        (GatewayProblem::Isolated, "gateway_restricted", "available -> isolated"),
        (GatewayProblem::AddressBlocked, "gateway_address_blocked", "isolated -> address blocked"),
    ] {
        set(Some(problem));
        let during = scene.daemon.until(|metrics| metrics.value(metric, &labels) == Some(1.0)).await;
        assert_eq!(during.sum("gateways_up", &[]), 3.0);
        let line = scene.log.only_line(&["INFO", "gateway changed", id, change]);
        assert!(line.contains("account=main") && line.contains(text(&rows[0], "VpnGatewayName")), "{line}");
    }
    let up =
        |metrics: &Metrics| metrics.value("tunnels", &[FAULTY_TARGET[0], FAULTY_TARGET[1], ("status", "up")]);
    scene.daemon.until(|metrics| up(metrics) == Some(0.0)).await;
    set(Some(GatewayProblem::PendingError));
    let in_error = [labels[0], labels[1], labels[2], ("state", "PENDING_ERROR")];
    scene.daemon.until(|metrics| metrics.value("gateway_state", &in_error) == Some(1.0)).await;
    set(None);
    scene.daemon.until(|metrics| up(metrics) == Some(3.0)).await;
}

#[tokio::test]
async fn new_values_are_counted_and_logged() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), config).await;
    let count = |metrics: &Metrics, field| {
        metrics.value("unknown_values_total", &[FAULTY_TARGET[0], FAULTY_TARGET[1], ("field", field)])
    };
    let before = scene.daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 3.0).await;
    assert_eq!(
        (count(&before, "gateway_state"), count(&before, "gateway_restrict_state")),
        (Some(0.0), Some(0.0))
    );
    let rows = scene.api.control.gateway_rows(GUANGZHOU).expect("the region");
    let id = text(&rows[0], "VpnGatewayId");
    for (field, value) in [("State", "UPGRADING"), ("RestrictState", "FROZEN")] {
        scene.api.control.set_gateway_field(GUANGZHOU, id, field, value).expect("a gateway");
    }
    let unknown = [labels(id)[0], labels(id)[1], labels(id)[2], ("state", "UNKNOWN")];
    let after = scene.daemon.until(|metrics| metrics.value("gateway_state", &unknown) == Some(1.0)).await;
    let after =
        scene.daemon.until(|metrics| count(metrics, "gateway_state") > count(&after, "gateway_state")).await;
    assert_eq!(after.value("gateway_restricted", &labels(id)), Some(1.0));
    assert!(count(&after, "gateway_restrict_state") >= Some(1.0));
    scene.log.only_line(&["WARN", "unknown status value; it is shown as UNKNOWN", "UPGRADING"]);
    scene.log.only_line(&["WARN", "unknown RestrictState", "FROZEN"]);
}

#[tokio::test]
async fn removed_gateway_disappears() {
    let scene = Scene::start_with(frozen(&[(GUANGZHOU, 3), (FRANKFURT, 2)]), config).await;
    let id = scene.api.control.add_gateway(GUANGZHOU).expect("the region");
    let peer = scene.api.control.add_customer_gateway(GUANGZHOU).expect("the region");
    let count = |metrics: &Metrics| {
        metrics.count("gateway_info", &labels(&id))
            + metrics.count("customer_gateway_info", &[FAULTY_TARGET[0], ("customer_gateway_id", &peer)])
    };
    scene.daemon.until(|metrics| count(metrics) == 2).await;
    scene.api.control.remove_gateway(GUANGZHOU, &id).expect("a gateway");
    scene.api.control.remove_customer_gateway(GUANGZHOU, &peer).expect("a customer gateway");
    let after = scene.daemon.until(|metrics| count(metrics) == 0).await;
    assert_eq!(after.value("gateways_up", &FAULTY_TARGET), Some(1.0));
}

/// The filters of the requests of an action.
fn filters(entries: &[Entry], action: &str) -> Vec<Vec<(String, Vec<String>)>> {
    let entries = entries.iter().filter(|entry| entry.action == action);
    entries.map(|entry| entry.filters.clone()).collect()
}

#[tokio::test]
async fn filters_of_the_account_narrow_gateways() {
    let api = Api::start(frozen(&[(GUANGZHOU, 43)])).await;
    let rows = api.control.gateway_rows(GUANGZHOU).expect("the region");
    let peers = api.control.customer_gateway_rows(GUANGZHOU).expect("the region");
    let (id, peer) = (text(&rows[1], "VpnGatewayId"), text(&peers[2], "CustomerGatewayId"));
    let text = format!(
        "{}  filters:\n  - {{name: vpn-gateway-id, values: [{id}]}}\n  - {{name: customer-gateway-id, values: [{peer}]}}\n  \
         - {{name: vpn-connection-name, values: [none]}}\n",
        config_of(&api)
    );
    let daemon = Daemon::start(&text).await;
    let metrics = daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 1.0).await;
    assert_eq!(metrics.count("gateway_info", &[]), 1);
    assert_eq!(metrics.count("gateway_info", &[("vpn_gateway_id", id)]), 1);
    assert_eq!(metrics.count("customer_gateway_info", &[]), 1);
    assert_eq!(metrics.count("customer_gateway_info", &[("customer_gateway_id", peer)]), 1);
    let journal = api.control.journal();
    let one = |name: &str, value: &str| vec![(name.to_owned(), vec![value.to_owned()])];
    assert!(filters(&journal, GATEWAYS).iter().all(|filters| *filters == one("vpn-gateway-id", id)));
    let of_peers = filters(&journal, CUSTOMER_GATEWAYS);
    assert!(of_peers.iter().all(|filters| *filters == one("customer-gateway-id", peer)), "{of_peers:?}");
}

fn config_of(api: &Api) -> String {
    with_gateways(&api.config(&[GUANGZHOU]), "250ms")
}

#[tokio::test]
async fn disabled_gateways_cause_no_request_and_no_series() {
    let api = Api::start(frozen(&[(GUANGZHOU, 3)])).await;
    let off = api.config(&[GUANGZHOU]);
    let daemon = Daemon::start(&config_of(&api)).await;
    let is_gateway = |sample: &test_support::Sample| {
        sample.name.contains("gateway") && !sample.name.contains("api_request")
            || sample.labels.get("field").is_some_and(|field| field.starts_with("gateway"))
    };
    let has_gateways = |metrics: &Metrics| metrics.0.iter().any(is_gateway);
    daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 1.0).await;
    daemon.reload(&off).await.expect("a good configuration");
    let metrics = daemon.until(|metrics| !has_gateways(metrics)).await;
    api.control.clear_journal();
    let polls = metrics.value("polls_total", &[]).expect("a counter");
    let metrics = daemon.until(|metrics| metrics.value("polls_total", &[]) >= Some(polls + 5.0)).await;
    assert!(!has_gateways(&metrics), "{metrics}");
    let journal = api.control.journal();
    assert_eq!(requests(&journal, GATEWAYS, GUANGZHOU) + requests(&journal, CUSTOMER_GATEWAYS, GUANGZHOU), 0);
    daemon.reload(&config_of(&api)).await.expect("a good configuration");
    daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 1.0).await;
    daemon.stop().await.expect("it stops");
    let never = Daemon::start(&off).await;
    let metrics = never.until(|metrics| metrics.value("polls_total", &[]) >= Some(3.0)).await;
    assert!(!has_gateways(&metrics), "{metrics}");
}

#[tokio::test]
async fn many_pages_are_read() {
    let _log = Log::capture();
    let api = Api::start(frozen(&[(GUANGZHOU, 1210)])).await;
    let config = config_of(&api).replace("timeout: 10s", "timeout: 60s");
    let daemon = Daemon::start(&config).await;
    let metrics = daemon.until(|metrics| metrics.sum("gateways_up", &[]) == 1.0).await;
    let rows = api.control.gateway_rows(GUANGZHOU).expect("the region").len();
    let peers = api.control.customer_gateway_rows(GUANGZHOU).expect("the region").len();
    assert!(rows > 100 && peers > 500, "{rows} gateways, {peers} customer gateways");
    assert_eq!(metrics.count("gateway_info", &[]), rows);
    assert_eq!(metrics.count("customer_gateway_info", &[]), peers);
    let pages = |entries: &[Entry]| requests(entries, CUSTOMER_GATEWAYS, GUANGZHOU);
    with_timeout(api.control.until(|entries| pages(entries) >= peers.div_ceil(100))).await;
}
