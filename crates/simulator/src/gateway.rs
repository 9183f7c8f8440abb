//! One simulated gateway: an element of `VpnGatewaySet`, with the fields and order of the documented example.

use std::{borrow::Cow, net::Ipv4Addr, time::Duration};

use fastrand::Rng;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{
    changes::Changes,
    listing::ListedRow,
    problem::{GatewayProblem, PlannedProblem},
    tag::Tag,
    times::{self, NO_TIME},
};

/// The time from the start of the simulator until an expiring gateway expires, in seconds.
const UNTIL_EXPIRY: i64 = 5 * DAY;
const DAY: i64 = 86_400;
/// A gateway is created this number of seconds before its first tunnel.
const BEFORE_TUNNELS: i64 = 3600;
/// The networks for documentation, which provide the public addresses.
const PUBLIC_NETWORKS: [[u8; 3]; 3] = [[203, 0, 113], [198, 51, 100], [192, 0, 2]];

/// The state of a gateway. It decides whether tunnels can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayState {
    /// Tunnels can be deleted.
    Available,
    /// Deletion fails because the gateway is unavailable.
    Unavailable,
    /// Deletion fails because another operation is running on the gateway.
    Busy,
}

/// A gateway: its fixed attributes, its problem, and later changes.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) id: String,
    /// Empty for a CCN gateway.
    pub(super) vpc_id: String,
    pub(super) address: Ipv4Addr,
    /// The local network behind it, in CIDR notation.
    pub(super) network: String,
    pub(super) state: GatewayState,
    pub(super) problem: Option<PlannedProblem>,
    pub(super) changes: Changes,
    /// Whether a test has switched off its data in Cloud Monitor.
    pub(super) without_data: bool,
    /// The number of its first tunnel.
    pub(super) first_tunnel: usize,
    /// `InternetMaxBandwidthOut`, in Mbit/s.
    pub(super) bandwidth: u32,
    name: String,
    /// The CCN of a CCN gateway.
    network_instance_id: String,
    billing: Billing,
    /// The billing while the problem is `Expiring`.
    expiring: Billing,
    created: String,
    zone: String,
    version: &'static str,
    tags: Vec<Tag>,
}

/// How a gateway is paid for.
#[derive(Debug)]
struct Billing {
    charge_type: &'static str,
    renew_flag: &'static str,
    expired_time: String,
    new_purchase_plan: &'static str,
}

/// The attributes that the region chooses for a new gateway.
pub(super) struct NewGateway<'a> {
    pub(super) id: String,
    /// The network to which it belongs: a VPC or a CCN.
    pub(super) network_id: String,
    pub(super) region: &'a str,
    /// Its index in the region, in the order of creation.
    pub(super) index: usize,
    /// The number of its first tunnel.
    pub(super) first_tunnel: usize,
    /// The start of the simulator, in Unix seconds.
    pub(super) started: i64,
}

impl Gateway {
    /// Chooses the remaining attributes at random.
    pub(super) fn draw(place: NewGateway<'_>, rng: &mut Rng) -> Self {
        let NewGateway { id, network_id, region, index, first_tunnel, started } = place;
        let [high, low] = u16::try_from(index % 0x10000).expect("less than 2^16").to_be_bytes();
        let [first, second, third] = PUBLIC_NETWORKS[usize::from(high) % PUBLIC_NETWORKS.len()];
        let created = times::creation(first_tunnel) - BEFORE_TUNNELS;
        let (vpc_id, network_instance_id) = if network_id.starts_with("ccn-") {
            (String::new(), network_id)
        } else {
            (network_id, String::new())
        };
        let place = region.split_once('-').map_or(region, |(_, place)| place);
        Self {
            id,
            vpc_id,
            address: Ipv4Addr::new(first, second, third, low),
            network: format!("172.{}.{low}.0/24", 16 + high % 16),
            state: GatewayState::Available,
            problem: None,
            changes: Changes::default(),
            without_data: false,
            first_tunnel,
            name: format!("gw-{place}-{}", index + 1),
            network_instance_id,
            billing: Billing::draw(created, started, rng),
            expiring: Billing::prepaid("NOTIFY_AND_MANUAL_RENEW", times::text(started + UNTIL_EXPIRY)),
            bandwidth: rng.choice([5, 10, 20, 50, 100, 200]).expect("choices"),
            created: times::text(created),
            zone: format!("{region}-{}", rng.u8(1..8)),
            version: if rng.u8(..4) == 0 { "ver2.0" } else { "ver3.0" },
            tags: Tag::draw(rng),
        }
    }

    /// Whether tunnels can be deleted at a time since the simulation started.
    pub(super) fn state(&self, at: Duration) -> GatewayState {
        match self.problem_at(at) {
            Some(GatewayProblem::PendingError) => GatewayState::Unavailable,
            _ => self.state,
        }
    }

    /// `InternetMaxBandwidthOut` in its row, in Mbit/s. A changed value that is not a positive number is ignored.
    pub(super) fn shown_bandwidth(&self) -> f64 {
        let changed = self.changes.value("InternetMaxBandwidthOut").and_then(Value::as_f64);
        changed.filter(|bandwidth| *bandwidth > 0.0).unwrap_or(self.bandwidth.into())
    }

    /// The problem at a time since the simulation started.
    pub(super) fn problem_at(&self, at: Duration) -> Option<GatewayProblem> {
        self.problem.and_then(|planned| planned.at(at))
    }
}

impl Billing {
    /// Half of the gateways are prepaid. Those expire at least 40 days after the start, or have no time of expiry.
    fn draw(created: i64, started: i64, rng: &mut Rng) -> Self {
        let renew_flag = rng
            .choice(["NOTIFY_AND_AUTO_RENEW", "NOTIFY_AND_AUTO_RENEW", "NOTIFY_AND_MANUAL_RENEW"])
            .expect("choices");
        let expires = started + rng.i64(40 * DAY..360 * DAY);
        match rng.u8(..10) {
            0 => Self::prepaid(renew_flag, NO_TIME.to_owned()),
            1..5 => Self::prepaid(renew_flag, times::text(expires)),
            // The time of a gateway that is billed by the hour has no meaning. The published examples have such times.
            _ => Self {
                charge_type: "POSTPAID_BY_HOUR",
                renew_flag: "NOTIFY_AND_AUTO_RENEW",
                expired_time: times::text(created + 60),
                new_purchase_plan: "",
            },
        }
    }

    fn prepaid(renew_flag: &'static str, expired_time: String) -> Self {
        Self { charge_type: "PREPAID", renew_flag, expired_time, new_purchase_plan: "" }
    }
}

/// A gateway and its problem, serialized as an element of `VpnGatewaySet`.
pub(super) struct ListedGateway<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) problem: Option<GatewayProblem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    vpn_gateway_id: &'a str,
    vpc_id: &'a str,
    vpn_gateway_name: &'a str,
    r#type: &'a str,
    state: &'a str,
    public_ip_address: Ipv4Addr,
    renew_flag: &'a str,
    instance_charge_type: &'a str,
    internet_max_bandwidth_out: u32,
    created_time: &'a str,
    expired_time: &'a str,
    is_address_blocked: bool,
    new_purchase_plan: &'a str,
    restrict_state: &'a str,
    zone: &'a str,
    vpn_gateway_quota_set: &'a [Quota],
    version: &'a str,
    network_instance_id: &'a str,
    cdc_id: &'a str,
    max_connection: u32,
    bgp_asn: u32,
    tag_set: &'a [Tag],
}

/// A bandwidth that a gateway can have, in Mbit/s.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Quota {
    bandwidth: u32,
    cname: &'static str,
    name: &'static str,
}

const QUOTAS: [Quota; 3] = [
    Quota { bandwidth: 10, cname: "10 Mbit/s", name: "upto10" },
    Quota { bandwidth: 50, cname: "50 Mbit/s", name: "upto50" },
    Quota { bandwidth: 200, cname: "200 Mbit/s", name: "upto200" },
];

impl ListedGateway<'_> {
    fn has(&self, problem: GatewayProblem) -> bool {
        self.problem == Some(problem)
    }

    fn billing(&self) -> &Billing {
        if self.has(GatewayProblem::Expiring) { &self.gateway.expiring } else { &self.gateway.billing }
    }

    fn kind(&self) -> &'static str {
        if self.gateway.network_instance_id.is_empty() { "IPSEC" } else { "CCN" }
    }

    fn row(&self) -> Row<'_> {
        let (gateway, billing) = (self.gateway, self.billing());
        let isolated = self.has(GatewayProblem::Isolated);
        Row {
            vpn_gateway_id: &gateway.id,
            vpc_id: &gateway.vpc_id,
            vpn_gateway_name: &gateway.name,
            r#type: self.kind(),
            state: if self.has(GatewayProblem::PendingError) { "PENDING_ERROR" } else { "AVAILABLE" },
            public_ip_address: gateway.address,
            renew_flag: billing.renew_flag,
            instance_charge_type: billing.charge_type,
            internet_max_bandwidth_out: gateway.bandwidth,
            created_time: &gateway.created,
            expired_time: &billing.expired_time,
            is_address_blocked: self.has(GatewayProblem::AddressBlocked),
            new_purchase_plan: billing.new_purchase_plan,
            restrict_state: if isolated { "PROTECTIVELY_ISOLATED" } else { "NORMAL" },
            zone: &gateway.zone,
            vpn_gateway_quota_set: &QUOTAS,
            version: gateway.version,
            network_instance_id: &gateway.network_instance_id,
            cdc_id: "",
            max_connection: 0,
            bgp_asn: 0,
            tag_set: &gateway.tags,
        }
    }
}

impl ListedRow for ListedGateway<'_> {
    fn text(&self, field: &str) -> Option<Cow<'_, str>> {
        let gateway = self.gateway;
        let text = match field {
            "VpnGatewayId" => Cow::from(&*gateway.id),
            "VpcId" => Cow::from(&*gateway.vpc_id),
            "VpnGatewayName" => Cow::from(&*gateway.name),
            "Type" => Cow::from(self.kind()),
            "PublicIpAddress" => Cow::from(gateway.address.to_string()),
            "RenewFlag" => Cow::from(self.billing().renew_flag),
            "Zone" => Cow::from(&*gateway.zone),
            _ => return gateway.changes.text(field, None),
        };
        gateway.changes.text(field, Some(text))
    }
}

impl Serialize for ListedGateway<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.gateway.changes.serialize(&self.row(), serializer)
    }
}
