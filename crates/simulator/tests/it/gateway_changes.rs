//! Faults and changes of gateways and customer gateways.

use serde_json::{Value, json};
use simulator::{Fault, FaultKind, NotFound};
use tokio::io::AsyncReadExt;

use crate::{
    client::RunningSimulator,
    listing::{CUSTOMERS, EU, GATEWAYS, text},
};

#[tokio::test]
async fn faults_use_the_rows_of_the_listing() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    for listing in [GATEWAYS, CUSTOMERS] {
        let only = |kind| Fault { action: Some(listing.action.to_owned()), ..Fault::new(kind) };
        api.control.set_faults(vec![only(FaultKind::Rows { count: 300 })]).expect("a fault");
        let rows = listing.page(&api, json!({})).await;
        let prefix = text(&rows[0][listing.id]).replace("00000000", "");
        assert_eq!((rows.len(), listing.ids(&api)[0].starts_with(&prefix)), (300, true));
        assert_eq!(api.client.describe(EU, json!({})).await["TotalCount"], 10, "tunnels are not affected");

        api.control.set_faults(vec![only(FaultKind::Endless)]).expect("a fault");
        let mut stream = api.client.request(listing.action, EU, &json!({})).open().await;
        let mut start = vec![0; 1000];
        stream.read_exact(&mut start).await.expect("many bytes");
        let start = String::from_utf8(start).expect("text");
        let parts = [format!(r#"{{"Response": {{"{}": ["#, listing.set), format!(r#"{{"{}":"#, listing.id)];
        assert!(parts.iter().all(|part| start.contains(part)), "{start}");
    }
}

#[tokio::test]
async fn gateways_can_change_between_two_pages() {
    let api = RunningSimulator::frozen(&[(EU, 50)]).await;
    let tunnels = api.control.ids(EU).expect("the region");
    for listing in [GATEWAYS, CUSTOMERS] {
        let before = listing.ids(&api);
        let drift = FaultKind::Drift { remove: Some(1), add: 2 };
        api.control.set_faults(vec![Fault::once(drift)]).expect("a fault");
        assert_eq!(listing.call(&api, json!({})).await["TotalCount"], before.len());
        let after = listing.ids(&api);
        assert_eq!((&after[0], &after[1], after.len()), (&before[0], &before[2], before.len() + 1));
        assert_eq!(api.control.ids(EU).expect("the region"), tunnels);
    }
}

#[tokio::test]
async fn gateway_fields_can_be_changed_and_restored() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    let control = &api.control;
    let (gateways, customers) = ((GATEWAYS.rows)(&api), (CUSTOMERS.rows)(&api));
    let (gateway, customer) = (&*GATEWAYS.ids(&api)[0], &*CUSTOMERS.ids(&api)[0]);
    control.set_gateway_field(EU, gateway, "Zone", "moon-1").expect("the gateway");
    control.set_gateway_field(EU, gateway, "InternetMaxBandwidthOut", Value::Null).expect("the gateway");
    control.omit_gateway_field(EU, gateway, "VpnGatewayName").expect("the gateway");
    control.set_customer_gateway_field(EU, customer, "IpAddress", "2001:db8::1").expect("the gateway");
    control.set_customer_gateway_field(EU, customer, "BgpAsn", json!([1])).expect("the gateway");
    control.omit_customer_gateway_field(EU, customer, "VpnConnNum").expect("the gateway");

    let filter = |name: &str, value: &str| json!({"Filters": [{"Name": name, "Values": [value]}]});
    let changed = &GATEWAYS.page(&api, filter("zone", "moon-1")).await[0];
    assert_eq!((&changed["InternetMaxBandwidthOut"], changed.get("VpnGatewayName")), (&Value::Null, None));
    let changed = &CUSTOMERS.page(&api, filter("ip-address", "2001:db8::1")).await[0];
    assert_eq!((&changed["BgpAsn"], changed.get("VpnConnNum")), (&json!([1]), None));

    control.restore_gateway(EU, gateway).expect("the gateway");
    control.restore_customer_gateway(EU, customer).expect("the gateway");
    assert_eq!(
        (GATEWAYS.page(&api, json!({})).await, CUSTOMERS.page(&api, json!({})).await),
        (gateways, customers)
    );
}

#[tokio::test]
async fn gateways_can_be_added_and_removed() {
    let api = RunningSimulator::frozen(&[(EU, 5)]).await;
    let control = &api.control;
    let tunnels = control.rows(EU).expect("the region");
    let (gateway, customer) = (GATEWAYS.ids(&api).remove(0), CUSTOMERS.ids(&api).remove(0));
    let added =
        (control.add_gateway(EU).expect("the region"), control.add_customer_gateway(EU).expect("the region"));
    control.remove_gateway(EU, &gateway).expect("the gateway");
    control.remove_customer_gateway(EU, &customer).expect("the gateway");
    assert_eq!(GATEWAYS.ids(&api), std::slice::from_ref(&added.0));
    assert_eq!(CUSTOMERS.ids(&api).last(), Some(&added.1));
    assert_eq!((CUSTOMERS.rows)(&api)[2]["VpnConnNum"], 0);
    assert_eq!(control.rows(EU).expect("the region"), tunnels, "the tunnels stay");

    control.remove_gateway(EU, &added.0).expect("the gateway");
    control.add(EU).expect("the region");
    let home = text(&control.rows(EU).expect("the region")[5]["VpnGatewayId"]);
    assert_eq!(GATEWAYS.ids(&api), [home], "a new tunnel gets a new gateway");
    assert_eq!(control.remove_gateway(EU, &gateway), Err(NotFound::Gateway(gateway.clone())));
    let gone = Err(NotFound::CustomerGateway(customer.clone()));
    assert_eq!(control.remove_customer_gateway(EU, &customer), gone);
    assert_eq!(control.omit_customer_gateway_field(EU, &customer, "IpAddress"), gone);
}
