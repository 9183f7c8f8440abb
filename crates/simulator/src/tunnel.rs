//! One simulated tunnel: its attributes, its behaviour and the changes made to it. `row` serializes it.

use std::{borrow::Cow, net::Ipv4Addr, ops::Range, time::Duration};

use fastrand::Rng;
use serde::Serialize;

use super::{
    behaviour::{Behaviour, State, Status},
    changes::Changes,
    customer_gateway::CustomerGateway,
    gateway::Gateway,
    names,
    tag::Tag,
    times,
    traffic::Traffic,
};

/// The prefix of every simulated `PreShareKey`; the tunnel's identifier follows. A test can search output for it to
/// find a leaked key.
pub const PRE_SHARE_KEY_MARK: &str = "simulated-pre-share-key-of-";

/// A tunnel: its fixed attributes, its planned behaviour, and later changes.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) id: String,
    pub(super) gateway_id: String,
    pub(super) vpc_id: String,
    pub(super) customer_gateway_id: String,
    pub(super) name: String,
    pub(super) pre_share_key: String,
    pub(super) route_type: &'static str,
    pub(super) negotiation_type: &'static str,
    pub(super) created: String,
    pub(super) ike: Ike,
    pub(super) ipsec: Ipsec,
    pub(super) policies: [Policy; 1],
    pub(super) dpd_timeout: String,
    pub(super) health_check: Option<HealthCheck>,
    pub(super) bgp: Option<Bgp>,
    pub(super) tags: Vec<Tag>,
    pub(super) behaviour: Behaviour,
    /// The time during which it is `DELETING`, since the simulation started; after that it does not exist.
    deletion: Option<Range<Duration>>,
    /// Its creation, since the simulation started.
    pub(super) added: Duration,
    pub(super) traffic: Traffic,
    /// Whether a test has switched off its data in Cloud Monitor.
    pub(super) without_data: bool,
    pub(super) changes: Changes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ike {
    propo_authen_algorithm: &'static str,
    propo_encry_algorithm: &'static str,
    exchange_mode: &'static str,
    local_identity: &'static str,
    remote_identity: &'static str,
    local_address: Ipv4Addr,
    remote_address: Ipv4Addr,
    local_fqdn_name: &'static str,
    remote_fqdn_name: &'static str,
    dh_group_name: &'static str,
    #[serde(rename = "IKESaLifetimeSeconds")]
    sa_lifetime_seconds: u32,
    #[serde(rename = "IKEVersion")]
    version: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ipsec {
    encrypt_algorithm: &'static str,
    integrity_algorith: &'static str,
    pfs_dh_group: &'static str,
    #[serde(rename = "IPSECSaLifetimeSeconds")]
    sa_lifetime_seconds: u32,
    #[serde(rename = "IPSECSaLifetimeTraffic")]
    sa_lifetime_traffic: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    local_cidr_block: String,
    remote_cidr_block: [String; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HealthCheck {
    #[serde(skip)]
    pub(super) local_ip: Ipv4Addr,
    #[serde(skip)]
    pub(super) remote_ip: Ipv4Addr,
    probe_type: &'static str,
    probe_interval: u32,
    probe_threshold: u32,
    probe_timeout: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Bgp {
    tunnel_cidr: String,
    local_bgp_ip: Ipv4Addr,
    remote_bgp_ip: Ipv4Addr,
    local_bgp_asn: &'static str,
    remote_bgp_asn: &'static str,
}

/// The attributes that the region chooses for a new tunnel.
pub(super) struct NewTunnel<'a> {
    pub(super) id: String,
    pub(super) gateway: &'a Gateway,
    pub(super) customer_gateway: &'a CustomerGateway,
    /// Its index in the region, in the order of creation.
    pub(super) number: usize,
    pub(super) behaviour: Behaviour,
    /// Its creation, since the simulation started.
    pub(super) added: Duration,
}

impl Tunnel {
    /// Chooses the remaining attributes at random.
    pub(super) fn draw(place: NewTunnel<'_>, rng: &mut Rng) -> Self {
        let NewTunnel { id, gateway, customer_gateway, number, behaviour, added } = place;
        // The second and third byte of the network behind the tunnel, unique among a region's first 65,536 tunnels.
        let [high, low] = u16::try_from(number % 0x10000).expect("less than 2^16").to_be_bytes();
        // The IKE identity of a device behind NAT is its private address.
        let peer = if customer_gateway.behind_nat {
            Ipv4Addr::new(10, high, low, 1)
        } else {
            customer_gateway.address
        };
        let checked = behaviour.health_check().unwrap_or_else(|| rng.u8(..5) < 2);
        let routed_by_bgp = rng.u8(..6) == 0;
        Self {
            gateway_id: gateway.id.clone(),
            vpc_id: gateway.vpc_id.clone(),
            customer_gateway_id: customer_gateway.id.clone(),
            name: names::tunnel_name(number),
            pre_share_key: format!("{PRE_SHARE_KEY_MARK}{id}"),
            route_type: if routed_by_bgp { "BGP" } else { "StaticRoute" },
            negotiation_type: negotiation_type(&behaviour, rng),
            created: times::text(times::creation(number) + rng.i64(0..times::BETWEEN_TUNNELS)),
            ike: Ike::draw(gateway.address, peer, rng),
            ipsec: Ipsec::draw(rng),
            policies: [Policy {
                local_cidr_block: gateway.network.clone(),
                remote_cidr_block: [format!("10.{high}.{low}.0/24")],
            }],
            dpd_timeout: rng.choice(["30", "31", "60"]).expect("choices").to_owned(),
            health_check: checked.then(|| HealthCheck::between(high, low)),
            bgp: routed_by_bgp.then(|| Bgp::between(high, low)),
            tags: Tag::draw(rng),
            deletion: behaviour.deletion(),
            behaviour,
            added,
            traffic: Traffic::new(&id, gateway, number - gateway.first_tunnel),
            without_data: false,
            changes: Changes::default(),
            id,
        }
    }

    /// The status at a time since the simulation started; `None` after the tunnel was deleted.
    pub(super) fn status(&self, at: Duration) -> Option<Status> {
        match &self.deletion {
            Some(deletion) if at >= deletion.end => None,
            Some(deletion) if at >= deletion.start => Some(Status::DELETING),
            _ => Some(self.behaviour.status(at)),
        }
    }

    /// Whether its row shows the `State` `AVAILABLE`.
    pub(super) fn is_available(&self, at: Duration) -> bool {
        let available = self.status(at).is_some_and(|status| status.state == State::Available);
        let unchanged = available.then_some(Cow::Borrowed("AVAILABLE"));
        self.changes.text("State", unchanged).is_some_and(|state| state == "AVAILABLE")
    }

    /// Makes it `DELETING` during this time, and then deletes it. A changed `State` is discarded.
    pub(super) fn delete(&mut self, during: Range<Duration>) {
        self.changes.undo("State");
        self.deletion = Some(during);
    }

    /// The text of a changed field.
    pub(super) fn text_of_change(&self, field: &str) -> Option<&str> {
        self.changes.value(field)?.as_str()
    }

    /// The value of a filterable field, as its row shows it.
    pub(super) fn text(&self, field: &str) -> Option<Cow<'_, str>> {
        let text = match field {
            "VpnConnectionId" => Some(&self.id),
            "VpnConnectionName" => Some(&self.name),
            "VpnGatewayId" => Some(&self.gateway_id),
            "CustomerGatewayId" => Some(&self.customer_gateway_id),
            "VpcId" => Some(&self.vpc_id),
            _ => None,
        };
        self.changes.text(field, text.map(Cow::from))
    }
}

impl Ike {
    /// Four of five tunnels use modern algorithms; the others use old ones.
    fn draw(local_address: Ipv4Addr, remote_address: Ipv4Addr, rng: &mut Rng) -> Self {
        let (authentication, encryption, group, version) = match rng.u8(..10) {
            0 => ("MD5", "3DES-CBC", "GROUP2", "IKEV1"),
            1 => ("SHA", "AES-CBC-128", "GROUP1", "IKEV1"),
            2..5 => ("SHA-256", "AES-CBC-128", "GROUP14", "IKEV2"),
            _ => ("SHA-256", "AES-CBC-256", "GROUP14", "IKEV2"),
        };
        Self {
            propo_authen_algorithm: authentication,
            propo_encry_algorithm: encryption,
            exchange_mode: if version == "IKEV1" && rng.bool() { "AGGRESSIVE" } else { "MAIN" },
            local_identity: "ADDRESS",
            remote_identity: "ADDRESS",
            local_address,
            remote_address,
            local_fqdn_name: "",
            remote_fqdn_name: "",
            dh_group_name: group,
            sa_lifetime_seconds: 86_400,
            version,
        }
    }
}

impl Ipsec {
    fn draw(rng: &mut Rng) -> Self {
        let (encryption, integrity, group) = match rng.u8(..10) {
            0 => ("3DES-CBC", "MD5", "NULL"),
            1..5 => ("AES-CBC-128", "SHA-256", "DH-GROUP14"),
            _ => ("AES-CBC-256", "SHA-256", "DH-GROUP14"),
        };
        Self {
            encrypt_algorithm: encryption,
            integrity_algorith: integrity,
            pfs_dh_group: group,
            sa_lifetime_seconds: 3600,
            sa_lifetime_traffic: 1_843_200,
        }
    }
}

impl HealthCheck {
    fn between(high: u8, low: u8) -> Self {
        Self {
            local_ip: Ipv4Addr::new(169, 254, 128 | high >> 1, low & !1),
            remote_ip: Ipv4Addr::new(169, 254, 128 | high >> 1, low | 1),
            probe_type: "NQA",
            probe_interval: 5000,
            probe_threshold: 3,
            probe_timeout: 150,
        }
    }
}

impl Bgp {
    fn between(high: u8, low: u8) -> Self {
        let network = |last: u8| Ipv4Addr::new(169, 254, high & 0x7f, (low << 2) | last);
        Self {
            tunnel_cidr: format!("{}/30", network(0)),
            local_bgp_ip: network(1),
            remote_bgp_ip: network(2),
            local_bgp_asn: "64551",
            remote_bgp_asn: "65000",
        }
    }
}

fn negotiation_type(behaviour: &Behaviour, rng: &mut Rng) -> &'static str {
    match behaviour {
        Behaviour::Idle => "flowTrigger",
        // A disconnected flowTrigger tunnel counts as idle, so a tunnel with outages needs another type.
        Behaviour::Steady => rng.choice(["active", "active", "passive", "flowTrigger"]).expect("choices"),
        _ => rng.choice(["active", "passive"]).expect("choices"),
    }
}
