//! `DescribeVpnGateways`: the wire format of a VPN gateway.
//!
//! Source: the Python SDK of `vpc` 2017-03-12, release 3.1.193, and the examples of Tencent's command line, of 2020 and of
//! release 3.1.189.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    field::{self, Field, boolean, structure},
    page::{Describe, ListedRow},
    row_fields::{short_text, status, tags, time, unknown_value},
};
use crate::domain::{
    gateway::{Gateway, GatewayId},
    listing::UnknownValue,
};

/// Lists VPN gateways, a page at a time.
pub type DescribeVpnGateways<'a> = Describe<'a, Gateway>;

/// 1 Mbit/s, the unit of `InternetMaxBandwidthOut`, in bytes a second.
const BYTES_PER_SECOND: u64 = 125_000;

/// 2010-01-01 UTC, before the first VPN gateway. Earlier times are not real: `0000-00-00 00:00:00` means none, and others may.
const FIRST_EXPIRY: i64 = 1_262_304_000;

/// The documented values of `RestrictState`, and another client's spelling of the second one. An empty text means that there is
/// no restriction.
const RESTRICT_STATES: [&str; 4] = ["", "NORMAL", "PROTECTIVELY_ISOLATED", "PRETECIVELY_ISOLATED"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RowFields<'a> {
    #[serde(borrow)]
    vpn_gateway_id: Field<'a>,
    #[serde(borrow)]
    vpn_gateway_name: Field<'a>,
    #[serde(borrow, rename = "Type")]
    kind: Field<'a>,
    #[serde(borrow)]
    vpc_id: Field<'a>,
    #[serde(borrow)]
    network_instance_id: Field<'a>,
    #[serde(borrow)]
    public_ip_address: Field<'a>,
    #[serde(borrow)]
    zone: Field<'a>,
    #[serde(borrow)]
    version: Field<'a>,
    #[serde(borrow)]
    instance_charge_type: Field<'a>,
    #[serde(borrow)]
    renew_flag: Field<'a>,
    #[serde(borrow)]
    state: Field<'a>,
    #[serde(borrow)]
    restrict_state: Field<'a>,
    #[serde(borrow)]
    is_address_blocked: Field<'a>,
    #[serde(borrow)]
    expired_time: Field<'a>,
    #[serde(borrow)]
    internet_max_bandwidth_out: Field<'a>,
    #[serde(borrow)]
    created_time: Field<'a>,
    #[serde(borrow)]
    tag_set: Field<'a>,
}

impl ListedRow for Gateway {
    const ACTION: &'static str = "DescribeVpnGateways";
    const PERMISSION: &'static str = "vpc:DescribeVpnGateways";
    const SET: &'static str = "VpnGatewaySet";
    const ID: &'static str = "VpnGatewayId";
    const ID_FILTER: &'static str = "vpn-gateway-id";
    const FILTERS: &'static [&'static str] = &["vpc-id", "vpn-gateway-id"];

    fn read(row: &RawValue, unknown_values: &mut Vec<UnknownValue>) -> Option<Self> {
        gateway(row, unknown_values)
    }
}

fn gateway(row: &RawValue, unknown_values: &mut Vec<UnknownValue>) -> Option<Gateway> {
    let row: RowFields<'_> = structure(Some(row))?;
    let id = GatewayId::new(&field::text(row.vpn_gateway_id)?)?;
    let charge_type = short_text(row.instance_charge_type);
    Some(Gateway {
        id,
        state: status(row.state, unknown_values),
        restrict_state: restrict_state(row.restrict_state, unknown_values),
        is_address_blocked: boolean(row.is_address_blocked),
        expires: expiry(&row, &charge_type),
        charge_type,
        name: short_text(row.vpn_gateway_name),
        kind: short_text(row.kind),
        vpc_id: short_text(row.vpc_id),
        network_instance_id: short_text(row.network_instance_id),
        public_ip_address: short_text(row.public_ip_address),
        zone: short_text(row.zone),
        version: short_text(row.version),
        renew_flag: short_text(row.renew_flag),
        bandwidth: bandwidth(row.internet_max_bandwidth_out),
        created: time(row.created_time),
        tags: tags(row.tag_set),
    })
}

/// `RestrictState`. A text that is not documented means isolated, and is added to `unknown_values`. A value that is not a text
/// says nothing: it reads as empty, and is added too.
fn restrict_state(field: Field<'_>, unknown_values: &mut Vec<UnknownValue>) -> Box<str> {
    let is_text = field.is_none_or(|json| json.get().starts_with('"'));
    if !is_text {
        unknown_values.push(unknown_value(Gateway::RESTRICT_STATE_FIELD, "(no text)"));
        return Box::default();
    }
    let text = short_text(field);
    let text = text.trim();
    if !RESTRICT_STATES.iter().any(|known| known.eq_ignore_ascii_case(text)) {
        unknown_values.push(unknown_value(Gateway::RESTRICT_STATE_FIELD, text));
    }
    text.into()
}

/// `ExpiredTime` of a prepaid gateway. A time that is not after the creation, or before 2010, means none.
fn expiry(row: &RowFields<'_>, charge_type: &str) -> Option<i64> {
    let created = time(row.created_time).unwrap_or_default();
    let is_prepaid = charge_type.eq_ignore_ascii_case("PREPAID");
    time(row.expired_time).filter(|&expires| is_prepaid && expires > created.max(FIRST_EXPIRY))
}

/// Bytes a second.
fn bandwidth(field: Field<'_>) -> Option<u64> {
    field::text(field)?.parse::<u64>().ok()?.checked_mul(BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{gateway_status::GatewayStatus, row::Row, status::GatewayState},
        tencent::{action::Action, envelope, page::Page},
    };

    /// Rows like those of Tencent's examples, with their quirks.
    const EXAMPLE: &str = include_str!("../../tests/fixtures/api/describe_vpn_gateways.json");

    fn read(body: &str) -> Page<Gateway> {
        let response = envelope::parse(body.as_bytes(), None).expect("a response");
        DescribeVpnGateways::read(&response).expect("a page")
    }

    fn gateway_of(row: &Value) -> (Gateway, Vec<UnknownValue>) {
        let mut page = read(&json!({"Response": {"TotalCount": 1, "VpnGatewaySet": [row]}}).to_string());
        (page.rows.pop().expect("a gateway"), page.unknown_values)
    }

    fn gateway_with(field: &str, value: impl Into<Value>) -> Gateway {
        gateway_of(&json!({"VpnGatewayId": "vpngw-1", "State": "AVAILABLE", field: value.into()})).0
    }

    #[test]
    fn examples_of_the_command_line_are_read() {
        let page = read(EXAMPLE);
        assert_eq!((page.total_count, page.rows.len(), page.rows_without_id), (3, 3, 0));
        assert!(page.unknown_values.is_empty(), "{:?}", page.unknown_values);
        let [ccn, deleting, isolated] = &page.rows[..] else { panic!("three gateways") };
        assert_eq!((ccn.id.as_str(), &*ccn.name, &*ccn.kind), ("vpngw-0ccn0001", "backbone-1", "CCN"));
        assert_eq!((&*ccn.network_instance_id, &*ccn.version), ("ccn-00000001", "ver3.0"));
        assert_eq!((ccn.bandwidth, ccn.status()), (Some(1_250_000), GatewayStatus::Available));
        assert_eq!((ccn.expires, &*ccn.charge_type), (None, "POSTPAID_BY_HOUR"), "billed by the hour");
        assert_eq!((deleting.expires, deleting.bandwidth), (None, Some(0)), "a time of zeros means none");
        assert_eq!(deleting.state, GatewayState::Deleting);
        // 13:03:47 at UTC+8 is 05:03:47 UTC.
        assert_eq!((isolated.expires, isolated.status()), (Some(1_527_743_027), GatewayStatus::Isolated));
    }

    #[test]
    fn restriction_other_than_normal_means_isolated() {
        let table = [
            (json!("NORMAL"), false, 0),
            (json!("normal"), false, 0),
            (json!(""), false, 0),
            (json!(null), false, 0),
            (json!("PROTECTIVELY_ISOLATED"), true, 0),
            (json!("PRETECIVELY_ISOLATED"), true, 0),
            (json!("FROZEN"), true, 1),
            (json!(" NORMAL "), false, 0),
            (json!(" "), false, 0),
            (json!(0), false, 1),
            (json!(false), false, 1),
            (json!({"a": 1}), false, 1),
        ];
        for (value, is_restricted, unknown) in table {
            let row = json!({"VpnGatewayId": "vpngw-1", "State": "AVAILABLE", "RestrictState": value});
            let (gateway, unknown_values) = gateway_of(&row);
            assert_eq!((gateway.is_restricted(), unknown_values.len()), (is_restricted, unknown), "{value}");
            assert!(unknown_values.iter().all(|new| new.field == "gateway_restrict_state"));
        }
    }

    #[test]
    fn only_real_times_of_prepaid_gateways_are_expiries() {
        let table = [
            ("PREPAID", "2020-01-02 08:00:00", Some(1_577_923_200)),
            ("prepaid", "2020-01-02 08:00:00", Some(1_577_923_200)),
            ("POSTPAID_BY_HOUR", "2020-01-02 08:00:00", None),
            ("", "2020-01-02 08:00:00", None),
            ("PREPAID", "0000-00-00 00:00:00", None),
            ("PREPAID", "0001-01-01 00:00:00", None),
            ("PREPAID", "1970-01-01 08:00:00", None),
            ("PREPAID", "2019-01-01 00:00:00", None),
            ("PREPAID", "soon", None),
        ];
        for (charge_type, time, expected) in table {
            let row = json!({
                "VpnGatewayId": "vpngw-1", "CreatedTime": "2019-01-01 00:00:00",
                "InstanceChargeType": charge_type, "ExpiredTime": time
            });
            assert_eq!(gateway_of(&row).0.expires, expected, "{charge_type} {time}");
        }
    }

    #[test]
    fn unreadable_fields_are_absent() {
        let (gateway, unknown_values) = gateway_of(&json!({"VpnGatewayId": "vpngw-1"}));
        assert_eq!((gateway.state, gateway.is_address_blocked), (GatewayState::Unknown, None));
        assert_eq!((gateway.expires, gateway.bandwidth, gateway.created), (None, None, None));
        assert!(unknown_values.is_empty());
        for bad in [json!("much"), json!(-1), json!([10]), json!(u64::MAX)] {
            assert_eq!(gateway_with("InternetMaxBandwidthOut", bad.clone()).bandwidth, None, "{bad}");
        }
        assert_eq!(gateway_with("InternetMaxBandwidthOut", "10").bandwidth, Some(1_250_000));
        assert_eq!(gateway_with("IsAddressBlocked", "true").is_address_blocked, Some(true));
    }
}
