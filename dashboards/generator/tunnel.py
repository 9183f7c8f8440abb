"""The dashboard that shows one tunnel."""

from generator import tunnels
from generator.parts import (
    STATES, alert_annotation, colored, dashboard, graph, linked, query, stat, table, timeline, variable,
)
from generator.tunnels import ON, code, named

THIS = 'vpn_connection_id="$tunnel"'
NOTHING = "This tunnel is not published: it is gone, or its target has been blind for too long"
STATUSES = {0: ("Unavailable", "red"), 1: ("Available", "green"), 3: ("Pending", "light-blue"), 4: ("Deleting", "purple"),
            5: ("Unknown", "orange")}

# The label is the id and the name, the value the id alone.
CHOICES = ('query_result(label_join(tencentcloud_vpn_tunnel_info{account=~"$account",region=~"$region"}, '
           '"choice", " ", "vpn_connection_id", "vpn_connection_name"))')

VARIABLES = [
    variable("account", "Account", "label_values(tencentcloud_vpn_target_info, account)"),
    variable("region", "Region", 'label_values(tencentcloud_vpn_target_info{account=~"$account"}, region)'),
    variable("gateway", "Gateway",
             'label_values(tencentcloud_vpn_tunnel_info{account=~"$account",region=~"$region"}, vpn_gateway_id)'),
    variable("tunnel", "Tunnel", CHOICES, multi=False, regex='/choice="(?<text>(?<value>[^" ]+)[^"]*)"/'),
]

ANNOTATIONS = [
    alert_annotation("Tunnel or gateway down", "TencentCloudVpn(GatewayDown|TunnelDown)", "red"),
    alert_annotation("Health check failing", "TencentCloudVpnHealthCheckFailing", "orange"),
    alert_annotation("Target blind", "TencentCloudVpnTarget(Blind|Stale)", "purple"),
]


def series(metric, labels=""):
    """A metric of this tunnel."""
    return tunnels.series(metric, labels, THIS)


def this(expr):
    """A query about all tunnels, limited to this one."""
    return f"({expr})\nand {ON} {series('tunnel_health_check_enabled')}"


def status(metric, label, values):
    """One of the three statuses as a number of STATUSES."""
    return "\nor ".join(
        f"""max({value} * ({series(metric, f'{label}="{name}"')} == 1))""" for name, value in values.items()
    )


STATE = status("tunnel_state", "state", {"PENDING": 3, "DELETING": 4, "AVAILABLE": 1, "UNKNOWN": 5})
NET = status("tunnel_net_status", "status", {"UNAVAILABLE": 0, "AVAILABLE": 1, "UNKNOWN": 5})
CHECK = status("tunnel_health_check_status", "status", {"UNAVAILABLE": 0, "AVAILABLE": 1, "UNKNOWN": 5})

NUMBERS = [
    stat("Tunnel", this(named(code())), description="Summary of all its statuses.", unit="none", no_data=NOTHING,
         values=STATES, legend="{{vpn_connection_name}}", text="value_and_name", width=6),
    stat("State", STATE, description="Lifecycle state of the tunnel.", unit="none", no_data=NOTHING, values=STATUSES, width=3),
    stat("Net status", NET, description="Whether the two ends are connected.", unit="none", no_data=NOTHING, values=STATUSES,
         width=3),
    stat("Health check", CHECK, description="Whether probes through the tunnel succeed.", unit="none",
         no_data="No health check is configured", values=STATUSES, width=3),
    stat("Last change", f"max({series('tunnel_last_transition_timestamp_seconds')}) * 1000",
         description="When a poll last saw a change of a status.", unit="dateTimeFromNow",
         no_data="None since the exporter started", width=3),
    stat("Changes", f"sum(max by (field) (increase({series('tunnel_transitions_total')}[$__range])))",
         description="Number of changes of its statuses in the selected time, as seen by polls.", unit="short",
         no_data=NOTHING, steps=["text", (6, "orange")], width=3),
    stat("Created", f"max({series('tunnel_created_timestamp_seconds')}) * 1000", description="When the tunnel was created.",
         unit="dateTimeAsIso", no_data="The API sent no valid time", width=3),
]

HISTORY = timeline(
    "Statuses",
    [query(STATE, "State"), query(NET, "Net status"), query(CHECK, "Health check")],
    STATUSES,
    description="The three statuses over time. A gap means that the tunnel was not published.",
    no_data=NOTHING,
    width=24,
    height=7,
)

TRANSITIONS = graph(
    "Changes an hour",
    [query(f"max by (field) (increase({series('tunnel_transitions_total')}[1h]))", "{{field}}")],
    description="Number of changes of each status in the last hour.",
    unit="short",
    no_data=NOTHING,
    bars=True,
    width=24,
    height=6,
)

PARAMETERS = table(
    "Parameters",
    [
        query("max by (vpn_connection_id, ike_version, encryption, integrity, dh_group, exchange_mode) "
              f"({series('tunnel_ike_info')})", table=True),
    ],
    {"ike_version": "IKE", "encryption": "Encryption", "integrity": "Integrity", "dh_group": "Group",
     "exchange_mode": "Exchange mode"},
    description="Parameters of the key exchange (IKE, phase 1).",
    no_data=NOTHING,
    width=12,
    height=4,
)

IPSEC = table(
    "Protection",
    [query(f"max by (vpn_connection_id, encryption, integrity, pfs_dh_group) ({series('tunnel_ipsec_info')})", table=True)],
    {"encryption": "Encryption", "integrity": "Integrity", "pfs_dh_group": "Forward secrecy group"},
    description="Protection of the traffic (IPsec, phase 2). Encryption NULL means that nothing is encrypted.",
    no_data=NOTHING,
    width=12,
    height=4,
)

ENDS = table(
    "Ends",
    [
        query(
            "max by (account, region, vpc_id, vpn_gateway_id, local_identity, customer_gateway_id, remote_identity, "
            "negotiation_type, route_type, dpd_action, health_check_local_ip, health_check_remote_ip) "
            f"({series('tunnel_info')})",
            table=True,
        )
    ],
    {"account": "Account", "region": "Region", "vpc_id": "VPC", "vpn_gateway_id": "Gateway", "local_identity": "Local identity",
     "customer_gateway_id": "Customer gateway", "remote_identity": "Peer identity", "negotiation_type": "Negotiation",
     "route_type": "Routes", "dpd_action": "Dead peer", "health_check_local_ip": "Check from",
     "health_check_remote_ip": "Check to"},
    description="The two ends of the tunnel and its settings. An identity is an IKE identity: an FQDN or an address.",
    no_data=NOTHING,
    height=4,
)


def neighbours(title, label, description):
    """Tunnels that share a label with this one."""
    shared = f"and on ({label}) {series('tunnel_info')}"
    every = tunnels.series("tunnel_info", f'{label}!=""', 'account=~"$account",region=~"$region"')
    return table(
        title,
        [query(f"({named(code())})\nand {ON} ({every} {shared})", table=True)],
        {"Value": "State", "vpn_connection_name": "Name", "vpn_connection_id": "Id", "vpn_gateway_id": "Gateway",
         "region": "Region"},
        description=description,
        no_data=NOTHING,
        sort={"State": False},
        properties={
            "State": colored(STATES),
            "Id": linked("Show this tunnel", "/d/tencentcloud-vpn-tunnel?var-datasource=${datasource}"
                                             "&var-tunnel=${__data.fields[\"Id\"]}&${__url_time_range}"),
        },
        width=12,
        height=8,
    )


TARGET = stat(
    "Target",
    f"max by (account, region) (tencentcloud_vpn_up) and on (account, region) {series('tunnel_info')}",
    description="Whether the last poll of the tunnel's target succeeded. If not, this dashboard shows the last good listing.",
    unit="none",
    no_data=NOTHING,
    values={0: ("Blind", "red"), 1: ("Seen", "green")},
    text="value",
    width=12,
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
    width=12,
    height=3,
)

DASHBOARD = dashboard(
    "tunnel", "Tencent Cloud VPN / Tunnel", "One VPN tunnel: its states over time, its parameters and related tunnels.",
    VARIABLES, ANNOTATIONS,
    [
        *NUMBERS, TARGET, AGE, HISTORY, TRANSITIONS, ENDS, PARAMETERS, IPSEC,
        neighbours("Same peer", "remote_identity", "Tunnels whose peer has the same IKE identity, including this one."),
        neighbours("Same gateway", "vpn_gateway_id", "Tunnels of the same VPN gateway, including this one."),
    ],
)
