//! `DescribeVpnConnections`: the wire format of a tunnel.
//!
//! Source: the API reference of `DescribeVpnConnections`, version 2017-03-12, of 2025-11-13. No structure here has a field for
//! the pre-shared key, so it is skipped and never held.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    field::{self, Field, boolean, structure},
    page::{Describe, ListedRow},
    row_fields::{first_text, short_text, status, tags, time},
};
use crate::domain::{
    listing::UnknownValue,
    tunnel::{HealthCheck, IkeParameters, IpsecParameters, NegotiationType, Tunnel, TunnelId},
};

/// Lists tunnels, a page at a time.
pub type DescribeVpnConnections<'a> = Describe<'a, Tunnel>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RowFields<'a> {
    #[serde(borrow)]
    vpn_connection_id: Field<'a>,
    #[serde(borrow)]
    vpn_connection_name: Field<'a>,
    #[serde(borrow)]
    vpc_id: Field<'a>,
    #[serde(borrow)]
    vpn_gateway_id: Field<'a>,
    #[serde(borrow)]
    customer_gateway_id: Field<'a>,
    #[serde(borrow)]
    state: Field<'a>,
    #[serde(borrow)]
    net_status: Field<'a>,
    #[serde(borrow)]
    enable_health_check: Field<'a>,
    #[serde(borrow)]
    health_check_status: Field<'a>,
    #[serde(borrow)]
    health_check_local_ip: Field<'a>,
    #[serde(borrow)]
    health_check_remote_ip: Field<'a>,
    #[serde(borrow)]
    negotiation_type: Field<'a>,
    #[serde(borrow)]
    route_type: Field<'a>,
    #[serde(borrow)]
    dpd_action: Field<'a>,
    #[serde(borrow)]
    dpd_timeout: Field<'a>,
    #[serde(borrow)]
    created_time: Field<'a>,
    #[serde(borrow)]
    tag_set: Field<'a>,
    #[serde(borrow, rename = "IKEOptionsSpecification")]
    ike_options: Field<'a>,
    #[serde(borrow, rename = "IPSECOptionsSpecification")]
    ipsec_options: Field<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct IkeFields<'a> {
    #[serde(borrow, rename = "IKEVersion")]
    ike_version: Field<'a>,
    #[serde(borrow)]
    propo_encry_algorithm: Field<'a>,
    #[serde(borrow)]
    propo_authen_algorithm: Field<'a>,
    #[serde(borrow)]
    dh_group_name: Field<'a>,
    #[serde(borrow)]
    exchange_mode: Field<'a>,
    #[serde(borrow, rename = "IKESaLifetimeSeconds")]
    sa_lifetime_seconds: Field<'a>,
    #[serde(borrow)]
    local_identity: Field<'a>,
    #[serde(borrow)]
    local_address: Field<'a>,
    #[serde(borrow)]
    local_fqdn_name: Field<'a>,
    #[serde(borrow)]
    remote_identity: Field<'a>,
    #[serde(borrow)]
    remote_address: Field<'a>,
    #[serde(borrow)]
    remote_fqdn_name: Field<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct IpsecFields<'a> {
    #[serde(borrow)]
    encrypt_algorithm: Field<'a>,
    /// The spelling of the API reference.
    #[serde(borrow)]
    integrity_algorith: Field<'a>,
    /// The spelling of newer responses.
    #[serde(borrow)]
    integrity_algorithm: Field<'a>,
    #[serde(borrow)]
    pfs_dh_group: Field<'a>,
    #[serde(borrow, rename = "IPSECSaLifetimeSeconds")]
    sa_lifetime_seconds: Field<'a>,
}

impl ListedRow for Tunnel {
    const ACTION: &'static str = "DescribeVpnConnections";
    const PERMISSION: &'static str = "vpc:DescribeVpnConnections";
    const SET: &'static str = "VpnConnectionSet";
    const ID: &'static str = "VpnConnectionId";
    const ID_FILTER: &'static str = "vpn-connection-id";
    const FILTERS: &'static [&'static str] =
        &["vpc-id", "vpn-gateway-id", "customer-gateway-id", "vpn-connection-name", "vpn-connection-id"];

    fn read(row: &RawValue, unknown_values: &mut Vec<UnknownValue>) -> Option<Self> {
        tunnel(row, unknown_values)
    }
}

fn tunnel(row: &RawValue, unknown_values: &mut Vec<UnknownValue>) -> Option<Tunnel> {
    let row: RowFields<'_> = structure(Some(row))?;
    let id = TunnelId::new(&field::text(row.vpn_connection_id)?)?;
    let ike: IkeFields<'_> = structure(row.ike_options).unwrap_or_default();
    let ipsec: IpsecFields<'_> = structure(row.ipsec_options).unwrap_or_default();
    Some(Tunnel {
        id,
        state: status(row.state, unknown_values),
        net_status: status(row.net_status, unknown_values),
        health_check: if has_health_check(&row) {
            HealthCheck::Configured(status(row.health_check_status, unknown_values))
        } else {
            HealthCheck::NotConfigured
        },
        name: short_text(row.vpn_connection_name),
        vpc_id: short_text(row.vpc_id),
        vpn_gateway_id: short_text(row.vpn_gateway_id),
        customer_gateway_id: short_text(row.customer_gateway_id),
        health_check_local_ip: short_text(row.health_check_local_ip),
        health_check_remote_ip: short_text(row.health_check_remote_ip),
        negotiation_type: NegotiationType::parse(&short_text(row.negotiation_type)),
        route_type: short_text(row.route_type),
        dpd_action: short_text(row.dpd_action),
        dpd_timeout_seconds: short_text(row.dpd_timeout),
        local_identity: identity(ike.local_identity, ike.local_address, ike.local_fqdn_name),
        remote_identity: identity(ike.remote_identity, ike.remote_address, ike.remote_fqdn_name),
        ike: IkeParameters {
            version: short_text(ike.ike_version),
            encryption: short_text(ike.propo_encry_algorithm),
            integrity: short_text(ike.propo_authen_algorithm),
            dh_group: short_text(ike.dh_group_name),
            exchange_mode: short_text(ike.exchange_mode),
            sa_lifetime_seconds: short_text(ike.sa_lifetime_seconds),
        },
        ipsec: IpsecParameters {
            encryption: short_text(ipsec.encrypt_algorithm),
            integrity: first_text(ipsec.integrity_algorith, ipsec.integrity_algorithm),
            pfs_dh_group: short_text(ipsec.pfs_dh_group),
            sa_lifetime_seconds: short_text(ipsec.sa_lifetime_seconds),
        },
        created: time(row.created_time),
        tags: tags(row.tag_set),
    })
}

/// `EnableHealthCheck` decides. If it is absent, a status means that there is a check. An unreadable value of either means the
/// same: without its check, a dead tunnel would be shown as up.
fn has_health_check(row: &RowFields<'_>) -> bool {
    let says_something = |field: Field<'_>| field.is_some_and(|json| json.get() != r#""""#);
    boolean(row.enable_health_check)
        .unwrap_or_else(|| says_something(row.enable_health_check) || says_something(row.health_check_status))
}

/// One side's IKE identity: the name where `kind` is `FQDN`, else the address.
fn identity(kind: Field<'_>, address: Field<'_>, fqdn: Field<'_>) -> Box<str> {
    if short_text(kind).eq_ignore_ascii_case("FQDN") { short_text(fqdn) } else { short_text(address) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{
        filter::Filter,
        status::{ApiStatus, HealthCheckStatus, NetStatus, TunnelState},
    };
    use crate::tencent::{action::Action, envelope, error::ApiError, page::Page};

    use HealthCheck::{Configured, NotConfigured};

    const DOCUMENT_EXAMPLE: &str = include_str!("../../tests/fixtures/api/describe_vpn_connections.json");

    fn read(body: &str) -> Result<Page<Tunnel>, ApiError> {
        DescribeVpnConnections::read(&envelope::parse(body.as_bytes(), None)?)
    }

    fn page_of(rows: &Value) -> Result<Page<Tunnel>, ApiError> {
        read(&json!({"Response": {"TotalCount": 1, "VpnConnectionSet": rows, "RequestId": "r"}}).to_string())
    }

    fn tunnel_of(row: &Value) -> Tunnel {
        page_of(&json!([row])).expect("a page").rows.pop().expect("a tunnel")
    }

    fn example_row() -> Value {
        let example: Value = serde_json::from_str(DOCUMENT_EXAMPLE).expect("JSON");
        example["Response"]["VpnConnectionSet"][0].clone()
    }

    #[test]
    fn example_of_the_document_is_read() {
        let page = read(DOCUMENT_EXAMPLE).expect("a page");
        assert_eq!((page.total_count, page.rows.len(), page.rows_without_id), (2, 2, 0));
        assert!(page.unknown_values.is_empty());
        let tunnel = &page.rows[0];
        assert_eq!(tunnel.id.as_str(), "vpnx-df9oztok");
        assert_eq!(&*tunnel.name, "testcon-1");
        assert_eq!(&*tunnel.vpn_gateway_id, "vpngw-6x0wxvtp");
        assert_eq!(tunnel.state, TunnelState::Available);
        assert_eq!(tunnel.net_status, NetStatus::Available);
        assert_eq!(tunnel.health_check, HealthCheck::NotConfigured);
        assert_eq!(tunnel.negotiation_type, NegotiationType::FlowTrigger);
        assert_eq!((&*tunnel.local_identity, &*tunnel.remote_identity), ("6.6.6.6", "1.1.3.2"));
        assert_eq!((&*tunnel.ike.version, &*tunnel.ike.dh_group), ("IKEV1", "GROUP1"));
        assert_eq!((&*tunnel.ipsec.integrity, &*tunnel.ipsec.pfs_dh_group), ("MD5", "NULL"));
        // 14:05:07 at UTC+8 is 06:05:07 UTC.
        assert_eq!(tunnel.created, Some(1_658_469_907));
    }

    #[test]
    fn parameters_are_spelt_as_in_the_document() {
        let filters = [Filter { name: "vpn-gateway-id".into(), values: vec!["vpngw-6x0wxvtp".into()] }];
        let body = |action: DescribeVpnConnections<'_>| String::from_utf8(action.body().to_vec());
        assert_eq!(
            body(DescribeVpnConnections::new(&filters, 100, 100)).expect("JSON"),
            r#"{"Filters":[{"Name":"vpn-gateway-id","Values":["vpngw-6x0wxvtp"]}],"Offset":100,"Limit":100}"#
        );
        assert_eq!(
            body(DescribeVpnConnections::new(&[], 0, 100)).expect("JSON"),
            r#"{"Offset":0,"Limit":100}"#
        );
    }

    #[test]
    fn numbers_and_texts_replace_each_other() {
        let page = read(
            r#"{"Response": {"TotalCount": "1", "VpnConnectionSet": [{"VpnConnectionId": "vpnx-1", "VpnConnectionName": 7,
                "EnableHealthCheck": 1, "HealthCheckStatus": "AVAILABLE"}]}}"#,
        )
        .expect("a page");
        assert_eq!(page.total_count, 1);
        assert_eq!(&*page.rows[0].name, "7");
        assert_eq!(page.rows[0].health_check, HealthCheck::Configured(HealthCheckStatus::Available));
    }

    #[test]
    fn row_with_only_an_id_is_unknown() {
        for row in [
            json!({"VpnConnectionId": "vpnx-1"}),
            json!({"VpnConnectionId": "vpnx-1", "State": null, "NetStatus": "", "HealthCheckStatus": null, "TagSet": null,
                   "IKEOptionsSpecification": null, "IPSECOptionsSpecification": "", "CreatedTime": "2017-08-0510: 27: 32"}),
        ] {
            let tunnel = tunnel_of(&row);
            assert_eq!(tunnel.state, TunnelState::Unknown);
            assert_eq!(tunnel.net_status, NetStatus::Unknown);
            assert_eq!(tunnel.health_check, HealthCheck::NotConfigured);
            assert_eq!(tunnel.created, None);
        }
    }

    #[test]
    fn status_of_disabled_health_check_is_ignored() {
        let check = |enable: Value, status: Value| {
            tunnel_of(&json!({"VpnConnectionId": "vpnx-1", "EnableHealthCheck": enable, "HealthCheckStatus": status}))
                .health_check
        };
        assert_eq!(check(json!(false), json!("UNAVAILABLE")), NotConfigured);
        assert_eq!(check(json!(true), json!("UNAVAILABLE")), Configured(HealthCheckStatus::Unavailable));
        assert_eq!(check(json!(true), json!("")), Configured(HealthCheckStatus::Unknown));
        assert_eq!(check(json!(true), Value::Null), Configured(HealthCheckStatus::Unknown));
        assert_eq!(check(Value::Null, json!("UNAVAILABLE")), Configured(HealthCheckStatus::Unavailable));
        assert_eq!(check(Value::Null, json!("")), NotConfigured);
        assert_eq!(check(json!(""), json!("")), NotConfigured);
    }

    #[test]
    fn unreadable_health_check_is_unknown() {
        for row in [
            json!({"VpnConnectionId": "vpnx-1", "HealthCheckStatus": ["UNAVAILABLE"]}),
            json!({"VpnConnectionId": "vpnx-1", "EnableHealthCheck": {}}),
            json!({"VpnConnectionId": "vpnx-1", "EnableHealthCheck": "yes", "HealthCheckStatus": null}),
        ] {
            assert_eq!(tunnel_of(&row).health_check, Configured(HealthCheckStatus::Unknown), "{row}");
        }
    }

    #[test]
    fn new_value_is_unknown_and_reported() {
        let page =
            page_of(&json!([{"VpnConnectionId": "vpnx-1", "State": "UPDATING", "NetStatus": "AVAILABLE",
                                    "EnableHealthCheck": false, "HealthCheckStatus": "ODD"}]))
            .expect("a page");
        assert_eq!(page.rows[0].state, TunnelState::Unknown);
        let noted = UnknownValue { field: TunnelState::FIELD, value: "UPDATING".into() };
        assert_eq!(page.unknown_values, [noted]);
    }

    #[test]
    fn both_spellings_of_integrity_are_read() {
        for (options, integrity) in [
            (json!({"IntegrityAlgorith": "MD5"}), "MD5"),
            (json!({"IntegrityAlgorithm": "SHA-256"}), "SHA-256"),
            (json!({"IntegrityAlgorith": null, "IntegrityAlgorithm": "SHA-256"}), "SHA-256"),
            (json!({"IntegrityAlgorith": "", "IntegrityAlgorithm": "SHA-256"}), "SHA-256"),
            (json!({"IntegrityAlgorith": null}), ""),
        ] {
            let tunnel =
                tunnel_of(&json!({"VpnConnectionId": "vpnx-1", "IPSECOptionsSpecification": options}));
            assert_eq!(&*tunnel.ipsec.integrity, integrity);
        }
    }

    #[test]
    fn seconds_are_numbers_or_texts() {
        for (value, expected) in [
            (json!("30"), "30"),
            (json!(86400), "86400"),
            (json!(""), ""),
            (Value::Null, ""),
            (json!({"Seconds": 30}), ""),
        ] {
            let tunnel = tunnel_of(&json!({"VpnConnectionId": "vpnx-1", "DpdTimeout": value,
                "IKEOptionsSpecification": {"IKESaLifetimeSeconds": value},
                "IPSECOptionsSpecification": {"IPSECSaLifetimeSeconds": value}}));
            let Tunnel { dpd_timeout_seconds, ike, ipsec, .. } = tunnel;
            for read in [dpd_timeout_seconds, ike.sa_lifetime_seconds, ipsec.sa_lifetime_seconds] {
                assert_eq!(&*read, expected, "{value}");
            }
        }
    }

    #[test]
    fn null_or_empty_set_lists_no_tunnel() {
        for rows in [json!(null), json!([])] {
            assert_eq!(page_of(&rows).expect("a page").rows, []);
        }
    }

    #[test]
    fn identity_of_kind_fqdn_is_the_name() {
        let identity = |options: Value| {
            let tunnel = tunnel_of(&json!({"VpnConnectionId": "vpnx-1", "IKEOptionsSpecification": options}));
            (tunnel.local_identity.into_string(), tunnel.remote_identity.into_string())
        };
        let both = |local: &str, remote: &str| (local.to_owned(), remote.to_owned());
        let by_name = json!({"LocalIdentity": "FQDN", "LocalAddress": null, "LocalFqdnName": "hub.example",
                             "RemoteIdentity": "fqdn", "RemoteAddress": "", "RemoteFqdnName": "branch.example"});
        assert_eq!(identity(by_name), both("hub.example", "branch.example"));
        let by_address = json!({"LocalIdentity": "ADDRESS", "LocalAddress": "192.0.2.1", "LocalFqdnName": "hub",
                                "RemoteAddress": "192.0.2.2", "RemoteFqdnName": "branch"});
        assert_eq!(identity(by_address), both("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn statuses_are_read_in_any_case() {
        let tunnel = tunnel_of(
            &json!({"VpnConnectionId": "vpnx-1", "State": "Available", "NetStatus": "unavailable"}),
        );
        assert_eq!((tunnel.state, tunnel.net_status), (TunnelState::Available, NetStatus::Unavailable));
        let page = page_of(&json!([{"VpnConnectionId": "vpnx-1", "State": "available"}])).expect("a page");
        assert_eq!(page.unknown_values, []);
    }

    #[test]
    fn row_without_id_is_counted() {
        let rows =
            json!([{"VpnConnectionId": "vpnx-1"}, {"State": "AVAILABLE"}, 7, null, {"VpnConnectionId": ""}]);
        let page = page_of(&rows).expect("a page");
        assert_eq!((page.rows.len(), page.rows_without_id), (1, 4));
    }

    #[test]
    fn repeated_key_makes_the_id_unusable() {
        let rows = r#"{"VpnConnectionId": "vpnx-1"}, {"VpnConnectionId": "vpnx-2", "State": "PENDING", "State": "AVAILABLE"}"#;
        let page = read(&format!(r#"{{"Response": {{"TotalCount": 2, "VpnConnectionSet": [{rows}]}}}}"#));
        let page = page.expect("a page");
        assert_eq!((page.rows.len(), page.rows_without_id), (1, 1));
    }

    #[test]
    fn malformed_page_is_not_repeated() {
        let too_many = format!(
            r#"{{"Response": {{"TotalCount": 1, "VpnConnectionSet": [{}{{}}]}}}}"#,
            "{},".repeat(100)
        );
        for (body, problem) in [
            ("", "it is empty"),
            ("<html>SECRET</html>", "it is not a JSON object"),
            (r#"{"Response": SECRET}"#, "not JSON, at line 1 column 14"),
            (r#"{"Response": {"TotalCount": 1, "VpnConn"#, "truncated JSON, at line 1 column 39"),
            (r#"{"SECRET": {}}"#, "it has no Response"),
            (r#"{"Response": null}"#, "it has no Response"),
            (r#"["SECRET"]"#, "it is not a JSON object"),
            (r#"{"Response": ["SECRET"]}"#, "it is not a JSON object"),
            (r#"{"Response": "SECRET"}"#, "it is not a JSON object"),
            (r#"{"Response": {"VpnConnectionSet": []}}"#, "it has no TotalCount"),
            (r#"{"Response": {"TotalCount": 0}}"#, "it has no VpnConnectionSet"),
            (
                r#"{"Response": {"TotalCount": "SECRET", "VpnConnectionSet": []}}"#,
                "TotalCount is not a count",
            ),
            (r#"{"Response": {"TotalCount": -1, "VpnConnectionSet": []}}"#, "TotalCount is not a count"),
            (
                r#"{"Response": {"TotalCount": 1, "VpnConnectionSet": "SECRET"}}"#,
                "VpnConnectionSet is not a list",
            ),
            (&too_many, "a page has 101 rows, more than the requested 100"),
        ] {
            assert_eq!(read(body), Err(ApiError::malformed(problem)), "{body}");
        }
    }

    #[test]
    fn api_error_names_its_request() {
        let body = r#"{"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "no"}, "RequestId": "e1"}}"#;
        let error = read(body).expect_err("an error");
        assert_eq!(error.to_string(), "AuthFailure.SignatureFailure: no (request e1)");
    }

    #[test]
    fn pre_shared_key_is_not_kept() {
        let mut row = example_row();
        row["PreShareKey"] = json!("psk-that-nobody-may-see");
        assert!(!format!("{:?}", tunnel_of(&row)).contains("psk-that"));
    }

    /// Any JSON value, nested a little.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "(UN)?AVAILABLE ?|PENDING|true|1".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[A-Za-z]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn bad_field_does_not_affect_other_fields(index in 0_usize..64, value in any_json()) {
            let mut row = example_row();
            let keys: Vec<String> = row.as_object().expect("a row").keys().cloned().collect();
            let key = &keys[index % keys.len()];
            row[key] = value.clone();
            let rows = json!([row, {"VpnConnectionId": "vpnx-other"}]);
            let page = page_of(&rows).expect("one bad field fails no listing");
            if key != "VpnConnectionId" {
                prop_assert_eq!(page.rows.len(), 2);
                let tunnel = &page.rows[0];
                let says = |key: &str| row[key].as_str() == Some("AVAILABLE");
                prop_assert_eq!(tunnel.state == TunnelState::Available, says("State"));
                prop_assert_eq!(tunnel.net_status == NetStatus::Available, says("NetStatus"));
                let health = HealthCheck::Configured(HealthCheckStatus::Available);
                prop_assert!(tunnel.health_check != health || says("HealthCheckStatus"));
            }
        }

        #[test]
        fn any_envelope_is_read_without_panic(part in 0_usize..4, value in any_json()) {
            let mut body: Value = serde_json::from_str(DOCUMENT_EXAMPLE).expect("JSON");
            match part {
                0 => body = value,
                1 => body["Response"] = value,
                2 => body["Response"]["TotalCount"] = value,
                _ => body["Response"]["VpnConnectionSet"] = value,
            }
            let _ = read(&body.to_string());
        }

        #[test]
        fn cut_response_is_refused(end in 0_usize..DOCUMENT_EXAMPLE.trim_end().len()) {
            prop_assume!(DOCUMENT_EXAMPLE.is_char_boundary(end));
            prop_assert!(read(&DOCUMENT_EXAMPLE[..end]).is_err());
        }
    }
}
