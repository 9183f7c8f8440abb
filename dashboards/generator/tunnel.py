"""The dashboard that shows one tunnel."""

from generator import traffic, tunnels
from generator.gateway_facts import (
    CHOICE, CHOICES as GATEWAY_CHOICES, GATEWAY, gateway_status, with_gateway, with_gateway_facts, with_peer, with_peer_facts,
)
from generator.parts import (
    GATEWAY_LINK, GATEWAY_STATES, HIDDEN, STATES, TUNNEL_LINK, alert_annotation, colored, dashboard, graph, query, stat, table,
    timeline, variable,
)
from generator.tunnels import SCOPE, SHOWN, TARGET, named, status

THIS = 'vpn_connection_id="$tunnel"'
NOTHING = "This tunnel is not published: it is gone, or its target has failed for too long"
GATEWAY_FACTS = "vpn_gateway_name, public_ip_address, type"
STATUSES = {0: ("Unavailable", "red"), 1: ("Available", "green"), 3: ("Pending", "light-blue"), 4: ("Deleting", "purple"),
            5: ("Unknown", "orange")}

# The label is the id and the name, the value the id alone.
CHOICES = (f'query_result(label_join(tencentcloud_vpn_tunnel_info{{{SCOPE}}}, '
           '"choice", " ", "vpn_connection_id", "vpn_connection_name"))')

VARIABLES = [
    variable("account", "Account", "label_values(tencentcloud_vpn_target_info, account)"),
    variable("region", "Region", 'label_values(tencentcloud_vpn_target_info{account=~"$account"}, region)'),
    variable("gateway", "Gateway", GATEWAY_CHOICES, regex=CHOICE),
    variable("tunnel", "Tunnel", CHOICES, multi=False, regex=CHOICE),
]

ANNOTATIONS = [
    alert_annotation("Tunnel or gateway down", "TencentCloudVpn(Gateway(Down|Isolated|AddressBlocked)|TunnelDown)", "red"),
    alert_annotation("Target blind", "TencentCloudVpnTarget(Blind|Stale|Gone)", "purple"),
]


def series(metric, labels=""):
    """A metric of this tunnel."""
    return tunnels.series(metric, labels, THIS)


def api_status(metric, label, values):
    """One of the API's three statuses as a number of STATUSES."""
    return "\nor ".join(
        f"""max({value} * ({series(metric, f'{label}="{name}"')} == 1 {SHOWN}))""" for name, value in values.items()
    )


STATE = api_status("tunnel_state", "state", {"PENDING": 3, "DELETING": 4, "AVAILABLE": 1, "UNKNOWN": 5})
NET = api_status("tunnel_net_status", "status", {"UNAVAILABLE": 0, "AVAILABLE": 1, "UNKNOWN": 5})
CHECK = api_status("tunnel_health_check_status", "status", {"UNAVAILABLE": 0, "AVAILABLE": 1, "UNKNOWN": 5})

NUMBERS = [
    stat("Status", named(status(THIS), scope=THIS), description="Status of the tunnel. The alerts use it.",
         unit="none", no_data=NOTHING, values=STATES, legend="{{vpn_connection_name}}", text="value_and_name", width=6),
    stat("State", STATE, description="The API's State: the lifecycle of the tunnel.", unit="none", no_data=NOTHING,
         values=STATUSES, width=3),
    stat("Net status", NET, description="The API's NetStatus: whether the two ends are connected.", unit="none", no_data=NOTHING,
         values=STATUSES, width=3),
    stat("Health check", CHECK, description="The API's HealthCheckStatus: whether probes through the tunnel succeed.", unit="none",
         no_data="No health check is configured", values=STATUSES, width=3),
    stat("Last change", f"max({series('tunnel_last_transition_timestamp_seconds')}) * 1000",
         description="When a poll last saw a change of the status.", unit="dateTimeFromNow",
         no_data="None since the exporter started", width=3),
    stat("Changes", f"max(increase({series('tunnel_transitions_total')}[$__range]))",
         description="Number of changes of the status in the selected time, as seen by polls.", unit="short",
         no_data=NOTHING, steps=["text", (6, "orange")], width=3),
    stat("Created", f"max({series('tunnel_created_timestamp_seconds')}) * 1000", description="When the tunnel was created.",
         unit="dateTimeAsIso", no_data="The API sent no valid time", width=3),
]

HISTORY = timeline(
    "Status",
    [query(status(THIS), "Status")],
    STATES,
    description="The status over time. A gap means that the tunnel was not published.",
    no_data=NOTHING,
    width=24,
    height=4,
)

API_HISTORY = timeline(
    "Statuses of the API",
    [query(STATE, "State"), query(NET, "Net status"), query(CHECK, "Health check")],
    STATUSES,
    description="The API's three statuses over time. The status of the tunnel follows from them.",
    no_data=NOTHING,
    width=24,
    height=7,
)

TRANSITIONS = graph(
    "Changes an hour",
    [query(f"max(increase({series('tunnel_transitions_total')}[1h]))", "Changes")],
    description="Number of changes of the status in the last hour.",
    unit="short",
    no_data=NOTHING,
    bars=True,
    width=24,
    height=6,
)


def carried(metric):
    """A metric of Cloud Monitor about this tunnel."""
    return f"max({series(f'tunnel_{metric}')} {traffic.SHOWN})"


LATE = "Cloud Monitor's data points are some minutes late."
CHECKED_ONLY = "It probably exists only where a health check is configured."

TRAFFIC = [
    graph("Receive and transmit",
          [query(traffic.bits(carried(f"{way.lower()}_bytes_per_second")), way) for way in traffic.COLORS],
          description=traffic.explained(f"What the tunnel carries. Receive is towards the VPC. {LATE}"),
          unit="bps", no_data=traffic.OFF, colors=traffic.COLORS),
    graph("Packets",
          [query(carried(f"{way.lower()}_packets_per_second"), way) for way in traffic.COLORS],
          description=traffic.explained(f"Packets per second. Receive is towards the VPC. {LATE}", "packets"),
          unit="pps", no_data=traffic.OFF, colors=traffic.COLORS),
    graph("Packet loss", [query(carried("packet_loss_ratio"), "Packet loss")],
          description=traffic.explained(f"Share of packets that are lost. {CHECKED_ONLY} {LATE} The line is at 5 %: above "
                                        "it an alert fires.", "packet_loss"),
          unit="percentunit", no_data=traffic.NO_HEALTH_CHECK, limit=0.05, scale=0.1),
    graph("Latency", [query(carried("latency_seconds"), "Latency")],
          description=traffic.explained(f"Latency of the tunnel. {CHECKED_ONLY} {LATE}", "latency"),
          unit="s", no_data=traffic.NO_HEALTH_CHECK),
]

IKE = table(
    "IKE parameters",
    [
        query("max by (vpn_connection_id, ike_version, encryption, integrity, dh_group, exchange_mode, sa_lifetime_seconds) "
              f"({series('tunnel_ike_info')} {SHOWN})", table=True),
    ],
    {"ike_version": "IKE", "encryption": "Encryption", "integrity": "Integrity", "dh_group": "Group",
     "exchange_mode": "Exchange mode", "sa_lifetime_seconds": "Lifetime in seconds"},
    description="Parameters of the key exchange (IKE, phase 1).",
    no_data=NOTHING,
    width=12,
    height=4,
)

IPSEC = table(
    "IPsec parameters",
    [query("max by (vpn_connection_id, encryption, integrity, pfs_dh_group, sa_lifetime_seconds) "
           f"({series('tunnel_ipsec_info')} {SHOWN})", table=True)],
    {"encryption": "Encryption", "integrity": "Integrity", "pfs_dh_group": "Forward secrecy group",
     "sa_lifetime_seconds": "Lifetime in seconds"},
    description="Parameters of the traffic's protection (IPsec, phase 2). Encryption NULL means that nothing is encrypted.",
    no_data=NOTHING,
    width=12,
    height=4,
)


def info(*labels):
    """Labels of tunnel_info."""
    return f"max by ({', '.join(labels)}) ({series('tunnel_info')} {SHOWN})"


NOT_LISTED = "empty if gateways.enabled is false or the policy does not allow listing them"

OWN_END = table(
    "Gateway",
    [query(with_gateway_facts(info("account, region, vpc_id, vpn_gateway_id, local_identity"), GATEWAY_FACTS, THIS,
                              TARGET), table=True)],
    {"vpn_gateway_name": "Name", "vpn_gateway_id": "Gateway id", "public_ip_address": "Public address", "type": "Type",
     "vpc_id": "VPC", "local_identity": "Local identity", "account": "Account", "region": "Region"},
    description="The end of the tunnel in Tencent Cloud. The local identity is its IKE identity: an FQDN or an address. Name, "
                f"address and type are {NOT_LISTED}.",
    no_data=NOTHING,
    properties={"Gateway id": GATEWAY_LINK},
    width=14,
    height=4,
)

PEER = table(
    "Peer",
    [query(with_peer_facts(info("account, region, customer_gateway_id, remote_identity"), scope=THIS), table=True)],
    {"customer_gateway_name": "Name", "customer_gateway_id": "Customer gateway", "ip_address": "Address", "bgp_asn": "BGP ASN",
     "remote_identity": "Peer identity"},
    description="The other end of the tunnel: the customer gateway, and the address that packets go to. The peer identity is its "
                f"IKE identity: an FQDN or an address. Name and address are {NOT_LISTED}.",
    no_data=NOTHING,
    width=10,
    height=4,
)

SETTINGS = table(
    "Settings",
    [query(info("negotiation_type, route_type, dpd_action, dpd_timeout_seconds, health_check_local_ip, health_check_remote_ip"),
           table=True)],
    {"negotiation_type": "Negotiation", "route_type": "Routes", "dpd_action": "Dead peer",
     "dpd_timeout_seconds": "Dead after seconds", "health_check_local_ip": "Check from", "health_check_remote_ip": "Check to"},
    description="How the tunnel is negotiated, routed and checked.",
    no_data=NOTHING,
    height=4,
)


def neighbours(title, label, description):
    """Tunnels that share a label with this one."""
    every = tunnels.series("tunnel_info", f'{label}!=""', TARGET)
    related = f"{every} and on ({label}) {series('tunnel_info')}"
    same = named(status(TARGET), "vpn_connection_name, customer_gateway_id", info=related)
    return table(
        title,
        [query(with_peer(with_gateway(same, TARGET), TARGET), table=True)],
        {"Value": "Status", "vpn_connection_name": "Name", "vpn_connection_id": "Id", "gateway": "Gateway",
         "vpn_gateway_id": "Gateway id", "peer": "Peer", "account": "Account", "region": "Region"},
        description=f"{description} Gateway and peer have their ids if their names are not known.",
        no_data=NOTHING,
        sort={"Status": False},
        properties={"Status": colored(STATES), "Id": TUNNEL_LINK, "Gateway": GATEWAY_LINK, "Gateway id": HIDDEN},
        width=12,
        height=8,
    )


GATEWAY_STATUS = stat(
    "Gateway status",
    f"{gateway_status(TARGET)} and on ({GATEWAY}) {series('tunnel_info')}",
    description="Status of the tunnel's gateway. Isolated: it is not paid for, and carries no traffic.",
    unit="none",
    no_data="The gateway is not listed: gateways.enabled is false, the policy does not allow listing gateways, or no listing has ended",
    values=GATEWAY_STATES,
    text="value",
    width=6,
    height=3,
)

TARGET_STATUS = stat(
    "Target",
    f"max by (account, region) (tencentcloud_vpn_up) and on (account, region) {series('tunnel_info')}",
    description="Whether the last poll of the tunnel's target succeeded. If not, this dashboard shows the last known statuses.",
    unit="none",
    no_data=NOTHING,
    values={0: ("Failing", "red"), 1: ("Working", "green")},
    text="value",
    width=6,
    height=3,
)

AGE = stat(
    "Age of the data",
    "time() - max by (account, region) (tencentcloud_vpn_last_success_timestamp_seconds) "
    f"and on (account, region) {series('tunnel_info')}",
    description="Time since the last good listing of the tunnel's target.",
    unit="s",
    no_data=NOTHING,
    steps=["green", (120, "orange"), (300, "red")],
    width=6,
    height=3,
)

TRAFFIC_AGE = stat(
    "Age of the traffic",
    f"time() - {carried('traffic_timestamp_seconds')}",
    description=traffic.explained("Age of the newest data point of Cloud Monitor: normally at most 18 minutes, and it is dropped "
                                  "after 20 minutes. With traffic.interval: 1m at most 6 and 8 minutes.", statistic=None),
    unit="s",
    no_data=traffic.OFF,
    steps=["green", (18 * 60, "orange")],
    width=6,
    height=3,
)

DASHBOARD = dashboard(
    "tunnel", "Tencent Cloud VPN / Tunnel", "One VPN tunnel: its status over time, its traffic, its parameters and related tunnels.",
    VARIABLES, ANNOTATIONS,
    [
        *NUMBERS, GATEWAY_STATUS, TARGET_STATUS, AGE, TRAFFIC_AGE, HISTORY, API_HISTORY, TRANSITIONS, *TRAFFIC, OWN_END, PEER,
        SETTINGS, IKE, IPSEC,
        neighbours("Same gateway", "vpn_gateway_id", "Tunnels of the same VPN gateway, including this one."),
        neighbours("Same peer", "remote_identity", "Tunnels whose peer has the same IKE identity, including this one."),
    ],
)
