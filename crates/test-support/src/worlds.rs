//! Snapshots to show on the status page, built by hand and at a fixed time.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tencentcloud_vpn_exporter::{
    domain::{
        customer_gateway::{CustomerGateway, CustomerGatewayId},
        gateway::{Gateway, GatewayId},
        listing::Listing,
        reason::Reason,
        row::Row,
        status::{GatewayState, HealthCheckStatus, NetStatus, TunnelState},
        target::{AccountName, Region, Target},
        traffic::{DataPoint, Instance, Statistic, Traffic, TunnelInstance},
        tunnel::{HealthCheck, IkeParameters, IpsecParameters, NegotiationType, Tunnel, TunnelId},
    },
    snapshot::{
        AccountSnapshot, Failure, RegionDiscovery, Snapshot, Snapshots, TargetSnapshot,
        gateways::{GatewaysSnapshot, Refreshed},
        traffic::{ReceivedTraffic, TrafficSnapshot},
    },
    web::{status_page::StatusPage, telemetry_path::TelemetryPath},
};
use tokio::time::Instant;

/// A minute, an hour and a day, in seconds.
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 86_400;

/// The exporter has run for three days.
pub const UPTIME: i64 = 3 * DAY;

/// The time this many seconds before the fixed "now", 2023-11-14 22:13:20 UTC.
pub fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 - seconds).expect("a time")
}

/// Builds the state of a target.
#[derive(Debug, Clone)]
pub struct TargetBuilder(pub TargetSnapshot);

pub fn target(account: &str, region: &str) -> TargetBuilder {
    let account = AccountName::new(account).expect("a name");
    TargetBuilder(TargetSnapshot::new(Target { account, region: Region::new(region).expect("a region") }))
}

impl TargetBuilder {
    /// Adds a successful poll, this many seconds ago.
    pub fn with_listing(self, seconds_ago: i64, tunnels: impl IntoIterator<Item = Tunnel>) -> Self {
        let listing = Listing { rows: tunnels.into_iter().collect(), ..Listing::default() };
        let (mut state, _) = self.0.succeeded(listing, ago(seconds_ago), Duration::from_millis(142));
        state.next_poll = Some(ago(seconds_ago - MINUTE));
        Self(state)
    }

    /// Adds a failed poll, this many seconds ago.
    pub fn with_failure(self, seconds_ago: i64, reason: Reason, message: &str) -> Self {
        let failure = Failure { reason, message: message.to_owned() };
        let mut state = self.0.failed(failure, ago(seconds_ago), Duration::from_secs(45));
        state.next_poll = Some(ago(seconds_ago - MINUTE));
        Self(state)
    }

    /// Adds successful listings of gateways and customer gateways.
    pub fn with_gateways(
        self,
        gateways: impl IntoIterator<Item = Gateway>,
        customer_gateways: impl IntoIterator<Item = CustomerGateway>,
    ) -> Self {
        self.with_gateways_snapshot(GatewaysSnapshot {
            gateways: refreshed(gateways),
            customer_gateways: refreshed(customer_gateways),
            last_success: Some(ago(MINUTE)),
        })
    }

    /// Adds failed listings of gateways and customer gateways. Those of an earlier listing stay.
    pub fn with_failed_gateways(self, reason: Reason, message: &str) -> Self {
        let before = self.0.gateways.as_deref().cloned().unwrap_or_default();
        let failure = Failure { reason, message: message.to_owned() };
        self.with_gateways_snapshot(GatewaysSnapshot {
            gateways: before.gateways.failed(failure.clone()),
            customer_gateways: before.customer_gateways.failed(failure),
            ..before
        })
    }

    fn with_gateways_snapshot(mut self, gateways: GatewaysSnapshot) -> Self {
        self.0.gateways = Some(Arc::new(gateways));
        self
    }

    /// Adds a successful query of traffic: each statistic of its tunnels and gateways has this value, a minute ago.
    pub fn with_traffic(mut self, value: f64) -> Self {
        let tunnels = self.0.tunnels().iter().map(|record| TunnelInstance::of(&record.row));
        let gateways = self.0.published_gateways().iter().map(|record| record.row.id.clone());
        let received = ReceivedTraffic {
            tunnels: tunnels.map(|instance| traffic(instance, &OF_TUNNELS, value)).collect(),
            gateways: gateways.map(|instance| traffic(instance, &OF_GATEWAYS, value)).collect(),
        };
        let before = self.0.traffic.as_deref().cloned().unwrap_or_default();
        self.0.traffic = Some(Arc::new(before.with(received).ended(Ok(()), ago(MINUTE))));
        self
    }

    /// Adds a failed query of traffic. The data points of earlier queries stay.
    pub fn with_failed_traffic(mut self, reason: Reason, message: &str) -> Self {
        let before = self.0.traffic.as_deref().cloned().unwrap_or_default();
        let failure = Failure { reason, message: message.to_owned() };
        self.0.traffic = Some(Arc::new(TrafficSnapshot { last_attempt: Some(Err(failure)), ..before }));
        self
    }

    /// Hides its tunnels because they are stale.
    pub fn with_expired_tunnels(self) -> Self {
        Self(self.0.expired())
    }
}

const OF_TUNNELS: [Statistic; 6] = [
    Statistic::ReceivedBytes,
    Statistic::TransmittedBytes,
    Statistic::ReceivedPackets,
    Statistic::TransmittedPackets,
    Statistic::PacketLoss,
    Statistic::Latency,
];
const OF_GATEWAYS: [Statistic; 3] =
    [Statistic::ReceivedBytes, Statistic::TransmittedBytes, Statistic::BandwidthUsage];

fn traffic<I: Instance>(instance: I, statistics: &[Statistic], value: f64) -> Traffic<I> {
    let mut traffic = Traffic::new(instance);
    for statistic in statistics {
        traffic.add(*statistic, DataPoint { time: ago(MINUTE).as_second(), value });
    }
    traffic
}

pub fn snapshot(targets: impl IntoIterator<Item = TargetBuilder>) -> Snapshot {
    let snapshots = Snapshots::default();
    for TargetBuilder(state) in targets {
        snapshots.add(Arc::new(state));
    }
    Arc::unwrap_or_clone(snapshots.current())
}

pub fn status_page() -> StatusPage {
    StatusPage::new(TelemetryPath::new("/metrics").expect("a path"), ago(UPTIME))
}

/// The page's HTML.
pub fn html(snapshot: &Snapshot, query: &str) -> String {
    let page = status_page().render(snapshot, query, ago(0));
    String::from_utf8(page.html.to_vec()).expect("UTF-8")
}

/// A tunnel that is up, without a health check.
pub fn tunnel(id: &str, name: &str) -> Tunnel {
    Tunnel {
        id: TunnelId::new(id).expect("an id"),
        name: name.into(),
        vpc_id: "vpc-8tz2kq5j".into(),
        vpn_gateway_id: "vpngw-6x0wxvtp".into(),
        customer_gateway_id: "cgw-e503id2z".into(),
        state: TunnelState::Available,
        net_status: NetStatus::Available,
        health_check: HealthCheck::NotConfigured,
        health_check_local_ip: "".into(),
        health_check_remote_ip: "".into(),
        negotiation_type: NegotiationType::parse("active"),
        route_type: "STATIC".into(),
        dpd_action: "restart".into(),
        dpd_timeout_seconds: "30".into(),
        local_identity: "203.0.113.7".into(),
        remote_identity: "198.51.100.9".into(),
        ike: IkeParameters::default(),
        ipsec: IpsecParameters::default(),
        created: Some(1_600_000_000),
        tags: Box::default(),
    }
}

/// The gateway of all tunnels here. It is available.
pub fn gateway(name: &str) -> Gateway {
    Gateway {
        id: GatewayId::new("vpngw-6x0wxvtp").expect("an id"),
        name: name.into(),
        kind: "IPSEC".into(),
        vpc_id: "vpc-8tz2kq5j".into(),
        network_instance_id: "".into(),
        public_ip_address: "203.0.113.7".into(),
        zone: "ap-guangzhou-3".into(),
        version: "ver3.0".into(),
        charge_type: "PREPAID".into(),
        renew_flag: "NOTIFY_AND_MANUAL_RENEW".into(),
        state: GatewayState::Available,
        restrict_state: "NORMAL".into(),
        is_address_blocked: Some(false),
        expires: Some(ago(-30 * DAY).as_second()),
        bandwidth: Some(625_000),
        created: Some(1_600_000_000),
        tags: Box::default(),
    }
}

pub fn isolated(gateway: Gateway) -> Gateway {
    Gateway { restrict_state: "PROTECTIVELY_ISOLATED".into(), ..gateway }
}

/// The peer of all tunnels here.
pub fn customer_gateway(name: &str) -> CustomerGateway {
    CustomerGateway {
        id: CustomerGatewayId::new("cgw-e503id2z").expect("an id"),
        name: name.into(),
        ip_address: "198.51.100.9".into(),
        bgp_asn: "".into(),
    }
}

/// A successful listing.
fn refreshed<R: Row>(rows: impl IntoIterator<Item = R>) -> Refreshed<R> {
    let listing = Listing { rows: rows.into_iter().collect(), ..Listing::default() };
    Refreshed::default().succeeded(listing, ago(MINUTE), Instant::now()).0
}

pub fn down(id: &str, name: &str) -> Tunnel {
    Tunnel { net_status: NetStatus::Unavailable, ..tunnel(id, name) }
}

pub fn unknown(id: &str, name: &str) -> Tunnel {
    Tunnel { state: TunnelState::Unknown, ..tunnel(id, name) }
}

pub fn idle(id: &str, name: &str) -> Tunnel {
    Tunnel { negotiation_type: NegotiationType::FlowTrigger, ..down(id, name) }
}

pub fn checked(status: HealthCheckStatus, tunnel: Tunnel) -> Tunnel {
    Tunnel { health_check: HealthCheck::Configured(status), ..tunnel }
}

/// Two accounts with tunnels in every status; all polls succeed.
pub fn mixed_snapshot() -> Snapshot {
    let good = |tunnel| checked(HealthCheckStatus::Available, tunnel);
    let bad = |tunnel| checked(HealthCheckStatus::Unavailable, tunnel);
    let before = [
        good(tunnel("vpnx-f49l6u0z", "office-berlin-primary")),
        good(tunnel("vpnx-2k8dq1xa", "office-berlin-backup")),
        tunnel("vpnx-0q7mz3vb", "datacentre-tokyo"),
        good(tunnel("vpnx-9d3ss81c", "branch-são-paulo")),
    ];
    let now = [
        bad(down("vpnx-f49l6u0z", "office-berlin-primary")),
        good(tunnel("vpnx-2k8dq1xa", "office-berlin-backup")),
        tunnel("vpnx-0q7mz3vb", "datacentre-tokyo"),
        bad(tunnel("vpnx-9d3ss81c", "branch-são-paulo")),
        idle("vpnx-7h1w6t2e", "on-demand-audit"),
        Tunnel { created: Some(ago(2 * HOUR).as_second()), ..tunnel("vpnx-5b0c4n9k", "branch-porto") },
    ];
    let production = target("production", "ap-guangzhou")
        .with_listing(2 * DAY, before.clone())
        .with_listing(5 * HOUR, before.clone().map(|tunnel| down(tunnel.id.as_str(), &tunnel.name)))
        .with_listing(4 * HOUR, before)
        .with_listing(9 * MINUTE, now.clone())
        .with_listing(12, now);
    let frankfurt = target("production", "eu-frankfurt").with_listing(
        31,
        [
            unknown("vpnx-3c1r8y5d", "partner-lyon"),
            good(tunnel("vpnx-6a2e0p7f", "partner-łódź")),
            Tunnel { state: TunnelState::Pending, ..down("vpnx-1u4j9i6g", "partner-nantes (new)") },
            Tunnel { state: TunnelState::Deleting, ..down("vpnx-2w7r5t9c", "partner-nantes (old)") },
            idle("vpnx-8y5o2l3h", ""),
        ],
    );
    let staging = target("staging", "ap-singapore").with_listing(
        55,
        [
            tunnel("vpnx-4m9g7s0j", "<script>alert(1)</script>"),
            tunnel("vpnx-0e6b3x8l", "line\nfeed, \u{202e}reversed and \"quoted\" & 'apostrophed'"),
            tunnel("vpnx-7z2f5k1m", &"x".repeat(128)),
            tunnel("vpnx-2t8h4q9n", "מנהרה אחת"),
        ],
    );
    snapshot([production, frankfurt, staging])
}

/// Three targets: one has an isolated gateway and tunnels behind it, one a working gateway, and one may not list gateways.
pub fn broken_gateway() -> Snapshot {
    let names = ["office-berlin-primary", "office-berlin-backup", "datacentre-tokyo"];
    let downs = names.iter().enumerate().map(|(n, name)| down(&format!("vpnx-f49l6u{n:02}"), name));
    let isolated = target("production", "ap-guangzhou")
        .with_listing(12, downs)
        .with_gateways([isolated(gateway("gw-guangzhou-offices"))], [customer_gateway("berlin-primary")]);
    let working = target("production", "eu-frankfurt")
        .with_listing(31, [tunnel("vpnx-3c1r8y5d", "partner-lyon"), down("vpnx-6a2e0p7f", "partner-łódź")])
        .with_gateways(
            [gateway(&"gw-with-a-very-long-name-".repeat(5))],
            [CustomerGateway {
                ip_address: "2001:db8:1234:5678:9abc:def0:1234:5678".into(),
                ..customer_gateway("lyon")
            }],
        );
    let refused = target("staging", "ap-singapore")
        .with_listing(55, [tunnel("vpnx-4m9g7s0j", "test")])
        .with_failed_gateways(
            Reason::Unauthorized,
            "UnauthorizedOperation: not authorized (request 6a9e); allow the account's credentials \
             vpc:DescribeVpnGateways from this address, as in deploy/cam-policy.json",
        );
    snapshot([isolated, working, refused])
}

/// No poll has finished yet.
pub fn empty() -> Snapshot {
    snapshot(["ap-guangzhou", "ap-singapore", "eu-frankfurt"].map(|region| target("production", region)))
}

/// The same snapshot, where the last region discovery of these accounts failed, with the number of regions known before.
pub fn with_failed_discovery(mut snapshot: Snapshot, accounts: &[(&str, usize)]) -> Snapshot {
    let message = "AuthFailure.SecretIdNotFound: The SecretId is not found. (request 5f5d5d0c); check the account's credentials";
    let failure = Failure { reason: Reason::Auth, message: message.to_owned() };
    for &(name, regions) in accounts {
        let last_attempt = Some(Err(failure.clone()));
        let discovery = RegionDiscovery { last_attempt, last_success: None, regions };
        let account = AccountSnapshot { discovery: Some(discovery) };
        snapshot.accounts.insert(AccountName::new(name).expect("a name"), Arc::new(account));
    }
    snapshot
}

/// Four targets: one fails for a short time, one for so long that its tunnels are hidden, and one never succeeded.
pub fn failing() -> Snapshot {
    let tunnels = |count: usize| (0..count).map(|n| tunnel(&format!("vpnx-{n:08}"), &format!("branch-{n}")));
    let refusal = "AuthFailure.SecretIdNotFound: The SecretId is not found, please ensure that your SecretId is \
                   correct. (request 5f5d5d0c-1a3b-4d8e-9f1a-2b6c7d8e9f0a)";
    let recent = target("production", "eu-frankfurt")
        .with_listing(
            4 * MINUTE,
            [down("vpnx-1u4j9i6g", "partner-nantes"), tunnel("vpnx-6a2e0p7f", "partner-lyon")],
        )
        .with_failure(40, Reason::Timeout, "no answer within 10s");
    let stale = target("staging", "ap-singapore")
        .with_listing(DAY, tunnels(12))
        .with_failure(20, Reason::Auth, refusal)
        .with_expired_tunnels();
    let never = target("staging", "na-ashburn").with_failure(31, Reason::Connection, "connection refused");
    let clear = target("production", "ap-guangzhou").with_listing(12, tunnels(8));
    snapshot([clear, recent, stale, never])
}

/// 10,000 tunnels in 20 targets; one in a hundred is down, a few are idle or unknown.
pub fn many() -> Snapshot {
    let regions = ["ap-guangzhou", "ap-shanghai", "ap-beijing", "ap-singapore", "ap-tokyo"];
    let regions = regions.into_iter().chain(["ap-mumbai", "eu-frankfurt", "na-ashburn", "na-siliconvalley"]);
    let regions: Vec<_> = regions.chain(["sa-saopaulo"]).collect();
    let targets = ["production", "staging"].into_iter().flat_map(|account| {
        regions.iter().enumerate().map(move |(place, region)| {
            let made = |n: usize| {
                let (id, name) = (format!("vpnx-{:08}", place * 500 + n), format!("branch-{region}-{n:03}"));
                match n % 200 {
                    7 | 101 => down(&id, &name),
                    13 => idle(&id, &name),
                    42 if place == 3 => unknown(&id, &name),
                    _ => checked(HealthCheckStatus::Available, tunnel(&id, &name)),
                }
            };
            target(account, region)
                .with_listing(20 + i64::try_from(place).expect("small"), (0..500).map(made))
        })
    });
    snapshot(targets)
}

/// 10,000 tunnels in one target: `count_down` are down, the others are up.
pub fn constant_tunnels(count_down: usize) -> Snapshot {
    let made = |n: usize| {
        let (id, name) = (format!("vpnx-{n:08}"), format!("branch-{n}"));
        if n >= 10_000 - count_down { down(&id, &name) } else { tunnel(&id, &name) }
    };
    snapshot([target("production", "ap-guangzhou").with_listing(5, (0..10_000).map(made))])
}
