"""The dashboard that shows one tunnel."""

from generator import tunnels
from generator.parts import (
    STATES, alert_annotation, colored, dashboard, graph, linked, query, stat, table, timeline, variable,
)
from generator.tunnels import SCOPE, SHOWN, TARGET, named, status

THIS = 'vpn_connection_id="$tunnel"'
NOTHING = "This tunnel is not published: it is gone, or its target has failed for too long"
STATUSES = {0: ("Unavailable", "red"), 1: ("Available", "green"), 3: ("Pending", "light-blue"), 4: ("Deleting", "purple"),
            5: ("Unknown", "orange")}

# The label is the id and the name, the value the id alone.
CHOICES = (f'query_result(label_join(tencentcloud_vpn_tunnel_info{{{SCOPE}}}, '
           '"choice", " ", "vpn_connection_id", "vpn_connection_name"))')

VARIABLES = [
    variable("account", "Account", "label_values(tencentcloud_vpn_target_info, account)"),
    variable("region", "Region", 'label_values(tencentcloud_vpn_target_info{account=~"$account"}, region)'),
    variable("gateway", "Gateway",
             f"label_values(tencentcloud_vpn_tunnel_info{{{TARGET}}}, vpn_gateway_id)"),
    variable("tunnel", "Tunnel", CHOICES, multi=False, regex='/choice="(?<text>(?<value>[^" ]+)[^"]*)"/'),
]

ANNOTATIONS = [
    alert_annotation("Tunnel or gateway down", "TencentCloudVpn(GatewayDown|TunnelDown)", "red"),
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

ENDS = table(
    "Ends",
    [
        query(
            "max by (account, region, vpc_id, vpn_gateway_id, local_identity, customer_gateway_id, remote_identity, "
            "negotiation_type, route_type, dpd_action, dpd_timeout_seconds, health_check_local_ip, health_check_remote_ip) "
            f"({series('tunnel_info')} {SHOWN})",
            table=True,
        )
    ],
    {"account": "Account", "region": "Region", "vpc_id": "VPC", "vpn_gateway_id": "Gateway", "local_identity": "Local identity",
     "customer_gateway_id": "Customer gateway", "remote_identity": "Peer identity", "negotiation_type": "Negotiation",
     "route_type": "Routes", "dpd_action": "Dead peer", "dpd_timeout_seconds": "Dead after seconds",
     "health_check_local_ip": "Check from", "health_check_remote_ip": "Check to"},
    description="The two ends of the tunnel and its settings. An identity is an IKE identity: an FQDN or an address.",
    no_data=NOTHING,
    height=4,
)


def neighbours(title, label, description):
    """Tunnels that share a label with this one."""
    every = tunnels.series("tunnel_info", f'{label}!=""', TARGET)
    related = f"{every} and on ({label}) {series('tunnel_info')}"
    return table(
        title,
        [query(named(status(TARGET), info=related), table=True)],
        {"Value": "Status", "vpn_connection_name": "Name", "vpn_connection_id": "Id", "vpn_gateway_id": "Gateway",
         "region": "Region"},
        description=description,
        no_data=NOTHING,
        sort={"Status": False},
        properties={
            "Status": colored(STATES),
            "Id": linked("Show this tunnel", "/d/tencentcloud-vpn-tunnel?var-datasource=${datasource}"
                                             "&var-tunnel=${__data.fields[\"Id\"]}&${__url_time_range}"),
        },
        width=12,
        height=8,
    )


TARGET_STATUS = stat(
    "Target",
    f"max by (account, region) (tencentcloud_vpn_up) and on (account, region) {series('tunnel_info')}",
    description="Whether the last poll of the tunnel's target succeeded. If not, this dashboard shows the last known statuses.",
    unit="none",
    no_data=NOTHING,
    values={0: ("Failing", "red"), 1: ("Working", "green")},
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
    "tunnel", "Tencent Cloud VPN / Tunnel", "One VPN tunnel: its status over time, its parameters and related tunnels.",
    VARIABLES, ANNOTATIONS,
    [
        *NUMBERS, TARGET_STATUS, AGE, HISTORY, API_HISTORY, TRANSITIONS, ENDS, IKE, IPSEC,
        neighbours("Same gateway", "vpn_gateway_id", "Tunnels of the same VPN gateway, including this one."),
        neighbours("Same peer", "remote_identity", "Tunnels whose peer has the same IKE identity, including this one."),
    ],
)
