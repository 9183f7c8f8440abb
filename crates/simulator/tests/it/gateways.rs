//! `DescribeVpnGateways` and `DescribeCustomerGateways` as the documents specify them.

use serde_json::json;
use simulator::{Fault, FaultKind};
use tokio::io::AsyncReadExt;

use crate::{
    client::RunningSimulator,
    listing::{CUSTOMERS, EU, GATEWAYS, text},
};

#[tokio::test]
async fn pages_cover_all_gateways_in_order() {
    let api = RunningSimulator::frozen(&[(EU, 2050)]).await;
    for (listing, total) in [(GATEWAYS, 205), (CUSTOMERS, 1025)] {
        let all = (listing.rows)(&api);
        assert_eq!(all.len(), total);
        assert_eq!(listing.page(&api, json!({})).await, all[..20]);
        assert_eq!(listing.page(&api, json!({"Offset": "3", "Limit": "5"})).await, all[3..8]);
        let mut seen = Vec::new();
        for offset in (0..=total).step_by(100) {
            let page = listing.call(&api, json!({"Offset": offset, "Limit": 100})).await;
            assert_eq!(page["TotalCount"], total);
            seen.extend(page[listing.set].as_array().expect("rows").clone());
        }
        assert_eq!(seen, all);
    }
    assert_eq!(
        api.client.call(GATEWAYS.action, "ap-tokyo", json!({})).await["Error"]["Code"],
        "UnsupportedRegion"
    );
}

#[tokio::test]
async fn gateway_rows_have_the_documented_fields_in_order() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    let gateway = [
        "VpnGatewayId",
        "VpcId",
        "VpnGatewayName",
        "Type",
        "State",
        "PublicIpAddress",
        "RenewFlag",
        "InstanceChargeType",
        "InternetMaxBandwidthOut",
        "CreatedTime",
        "ExpiredTime",
        "IsAddressBlocked",
        "NewPurchasePlan",
        "RestrictState",
        "Zone",
        "VpnGatewayQuotaSet",
        "Version",
        "NetworkInstanceId",
        "CdcId",
        "MaxConnection",
    ];
    let customer = [
        "BgpAsn",
        "CreatedTime",
        "CustomerGatewayId",
        "CustomerGatewayName",
        "IpAddress",
        "TagSet",
        "VpnConnNum",
    ];
    for (listing, fields) in [(GATEWAYS, &gateway[..]), (CUSTOMERS, &customer)] {
        let response = api.client.request(listing.action, EU, &json!({"Limit": 1})).send().await;
        let place = |field| {
            response.body.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field} is missing"))
        };
        let places: Vec<_> = fields.iter().map(place).collect();
        assert!(places.is_sorted(), "{}", response.body);
    }
}

#[tokio::test]
async fn gateways_vary_like_real_ones() {
    let api = RunningSimulator::frozen(&[(EU, 1000)]).await;
    let rows = (GATEWAYS.rows)(&api);
    for row in &rows {
        let ccn = row["Type"] == "CCN";
        assert_eq!(
            (row["VpcId"] == "", text(&row["NetworkInstanceId"]).starts_with("ccn-")),
            (ccn, ccn),
            "{row}"
        );
    }
    let count = |field: &str, value: &str| rows.iter().filter(|row| row[field] == value).count();
    for (field, value) in [
        ("Type", "IPSEC"),
        ("Type", "CCN"),
        ("InstanceChargeType", "PREPAID"),
        ("InstanceChargeType", "POSTPAID_BY_HOUR"),
        ("ExpiredTime", "0000-00-00 00:00:00"),
        ("RenewFlag", "NOTIFY_AND_MANUAL_RENEW"),
    ] {
        assert!((1..100).contains(&count(field, value)), "{field} {value}");
    }
    assert_eq!((count("State", "AVAILABLE"), count("RestrictState", "NORMAL")), (100, 100));
    assert_eq!(rows[2]["VpnGatewayName"], "gw-frankfurt-3");
}

#[tokio::test]
async fn primary_and_backup_share_a_customer_gateway() {
    let api = RunningSimulator::frozen(&[(EU, 20)]).await;
    let rows = (CUSTOMERS.rows)(&api);
    let tunnels = api.control.rows(EU).expect("the region");
    let mut behind_nat = 0;
    for (row, pair) in rows.iter().zip(tunnels.chunks(2)) {
        for tunnel in pair {
            assert_eq!(tunnel["CustomerGatewayId"], row["CustomerGatewayId"]);
            assert!(text(&tunnel["VpnConnectionName"]).starts_with(&text(&row["CustomerGatewayName"])));
            behind_nat += usize::from(tunnel["IKEOptionsSpecification"]["RemoteAddress"] != row["IpAddress"]);
        }
        assert_eq!(row["VpnConnNum"], 2);
    }
    assert_eq!(
        (rows.len(), &rows[0]["CustomerGatewayName"], behind_nat),
        (10, &json!("branch-rotterdam"), 4)
    );
    api.control.remove(EU, &text(&tunnels[1]["VpnConnectionId"])).expect("the tunnel");
    assert_eq!((CUSTOMERS.rows)(&api)[0]["VpnConnNum"], 1, "removed tunnels do not count");
}

#[tokio::test]
async fn gateway_ids_must_exist() {
    let api = RunningSimulator::frozen(&[(EU, 100)]).await;
    for (listing, malformed, not_found) in [
        (GATEWAYS, "InvalidVpnGatewayId.Malformed", "InvalidVpnGatewayId.NotFound"),
        (CUSTOMERS, "InvalidParameterValue.Malformed", "ResourceNotFound"),
    ] {
        let all = (listing.rows)(&api);
        let ids = listing.ids(&api);
        let of = |ids: &[&str]| json!({(listing.ids): ids});
        assert_eq!(listing.page(&api, of(&[&ids[7], &ids[3]])).await, [all[3].clone(), all[7].clone()]);
        let unknown = format!("{}-00000000", ids[0].split('-').next().expect("a prefix"));
        assert_eq!(listing.code(&api, of(&[&ids[0], &unknown])).await, not_found);
        assert_eq!(listing.code(&api, of(&["vpnx-00000000"])).await, malformed);
        let limit = listing.code(&api, of(&vec![&*ids[0]; 101])).await;
        assert_eq!(limit, "InvalidParameterValue.LimitExceeded");
    }
}

#[tokio::test]
async fn each_gateway_filter_matches_its_field() {
    let api = RunningSimulator::frozen(&[(EU, 200)]).await;
    let gateway = [
        ("vpc-id", "VpcId"),
        ("vpn-gateway-id", "VpnGatewayId"),
        ("vpn-gateway-name", "VpnGatewayName"),
        ("type", "Type"),
        ("public-ip-address", "PublicIpAddress"),
        ("renew-flag", "RenewFlag"),
        ("zone", "Zone"),
    ];
    let customer = [
        ("customer-gateway-id", "CustomerGatewayId"),
        ("customer-gateway-name", "CustomerGatewayName"),
        ("ip-address", "IpAddress"),
    ];
    for (listing, filters) in [(GATEWAYS, &gateway[..]), (CUSTOMERS, &customer)] {
        let rows = (listing.rows)(&api);
        for (name, field) in filters {
            let value = &rows[4][field];
            let expected: Vec<_> = rows.iter().filter(|row| row[field] == *value).cloned().collect();
            let filters = json!([{"Name": name, "Values": [value]}]);
            assert_eq!(
                listing.page(&api, json!({"Filters": filters, "Limit": 100})).await,
                expected,
                "{name}"
            );
            assert!(!expected.is_empty() && expected.len() < rows.len(), "{name}");
        }
    }
}

#[tokio::test]
async fn listings_of_gateways_enforce_the_rules() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    for (listing, filter) in [(GATEWAYS, "zone"), (CUSTOMERS, "ip-address")] {
        let filters = |name: &str, values: usize| json!([{"Name": name, "Values": vec!["a"; values]}]);
        let table = [
            (json!({"Limit": 101}), "InvalidParameterValue.LimitExceeded"),
            (json!({"Filters": filters(filter, 6)}), "InvalidParameterValue.LimitExceeded"),
            (json!({"Filters": filters("vpn-connection-id", 1)}), "InvalidParameter.FilterInvalidKey"),
            (
                json!({"Filters": filters(filter, 1), (listing.ids): listing.ids(&api)}),
                "InvalidParameter.Coexist",
            ),
            (json!({"VpnConnectionIds": []}), "UnknownParameter"),
        ];
        for (parameters, code) in table {
            assert_eq!(listing.code(&api, parameters.clone()).await, code, "{parameters}");
        }
    }
}

#[tokio::test]
async fn forbidden_gateway_listing_leaves_the_others() {
    let api = RunningSimulator::frozen(&[(EU, 1)]).await;
    let account = api.control.accounts()[0].number.clone();
    for (forbidden, other) in [(&GATEWAYS, &CUSTOMERS), (&CUSTOMERS, &GATEWAYS)] {
        api.control.forbid(&account, forbidden.action).expect("an action");
        assert_eq!(forbidden.code(&api, json!({})).await, "UnauthorizedOperation");
        assert_eq!(other.page(&api, json!({})).await.len(), 1);
        assert_eq!(api.client.describe(EU, json!({})).await["TotalCount"], 1);
        api.control.allow(&account, forbidden.action).expect("an action");
        assert_eq!(forbidden.page(&api, json!({})).await.len(), 1);
    }
}

#[tokio::test]
async fn journal_has_the_parameters_of_each_listing() {
    let api = RunningSimulator::frozen(&[(EU, 10)]).await;
    for (listing, filter) in [(GATEWAYS, "zone"), (CUSTOMERS, "ip-address")] {
        let ids = listing.ids(&api)[..1].to_vec();
        api.control.clear_journal();
        listing
            .page(&api, json!({"Offset": 1, "Limit": 2, "Filters": [{"Name": filter, "Values": ["a"]}]}))
            .await;
        listing.page(&api, json!({(listing.ids): ids})).await;
        api.control.set_faults(vec![Fault::once(FaultKind::Reset)]).expect("a fault");
        let mut lost = api.client.request(listing.action, EU, &json!({(listing.ids): ids})).open().await;
        lost.read_to_end(&mut Vec::new()).await.expect_err("the connection is reset");
        let journal = api.control.journal();
        assert!(journal.iter().all(|entry| entry.action == listing.action));
        assert_eq!((journal[0].offset, journal[0].limit), (Some(1), Some(2)));
        assert_eq!(journal[0].filters, [(filter.to_owned(), vec!["a".to_owned()])]);
        assert_eq!((&journal[1].ids, &journal[2].ids), (&ids, &ids));
    }
}
