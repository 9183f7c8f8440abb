"""The dashboard that shows all tunnels."""

from generator import traffic
from generator.gateway_facts import CHOICE, CHOICES, GATEWAY, broken, with_gateway, with_peer
from generator.parts import (
    COLORS, GATEWAY_LINK, GATEWAY_STATES, HIDDEN, LISTING, STATES, TUNNEL_LINK, alert_annotation, bar_gauge, colored, dashboard, graph,
    hidden_variable, measured, query, row, stat, table, timeline, variable,
)
from generator.tunnels import (
    IDS, LEGEND, NAMES, ON, SCOPE, SHOWN, TARGET, counted, having, listed, merged, named, series, status,
)

NOTHING = "No tunnels are published"
NO_TARGET = "No exporter is scraped, or no poll has ended yet"
NONE_DOWN = "No tunnel is down"
DOWN = having("down")
LINKED = {"Id": TUNNEL_LINK, "Gateway": GATEWAY_LINK, "Gateway id": HIDDEN}
PLACE = {"account": "Account", "region": "Region"}
AT_GATEWAY = {"gateway": "Gateway", "vpn_gateway_id": "Gateway id"}
ENDS = {**AT_GATEWAY, "peer": "Peer", "remote_identity": "Peer identity"}
ID_IF_UNNAMED = "Gateway and peer have their ids if their names are not known, see the dashboard *Gateways*."

# The ids of the tunnels with the latest changes. The timeline selects only these, because the history of all tunnels is too
# much to query.
LAST_CHANGE = merged(f"max_over_time({series('tunnel_last_transition_timestamp_seconds')}[$__range])")
CHANGED = f"query_result(topk(50, {LAST_CHANGE} > time() - $__range_s))"
CHANGED_SCOPE = f'vpn_connection_id=~"$changed",{SCOPE}'

VARIABLES = [
    variable("account", "Account", "label_values(tencentcloud_vpn_target_info, account)"),
    variable("region", "Region", 'label_values(tencentcloud_vpn_target_info{account=~"$account"}, region)'),
    variable("gateway", "Gateway", CHOICES, regex=CHOICE),
    hidden_variable("changed", "Changed tunnels", CHANGED, regex='/vpn_connection_id="([^"]+)"/'),
    traffic.BUSIEST,
]

ANNOTATIONS = [
    alert_annotation("Tunnel or gateway down", "TencentCloudVpn(Gateway(Down|Isolated|AddressBlocked)|TunnelDown)", "red"),
    alert_annotation("Target blind", "TencentCloudVpnTarget(Blind|Stale|Gone)", "purple"),
]

def with_ends(expr):
    """The expression with the names of gateway and peer."""
    return with_peer(with_gateway(expr))


SINCE = f"({merged(series('tunnel_last_transition_timestamp_seconds'))} * 1000 or 0 * {listed()})"

DOWN_NOW = table(
    "Down now",
    [
        query(with_ends(named(f"({DOWN}) * {ON} {SINCE}", NAMES)), table=True),
        query(f"({DOWN}) * on (account, region) group_left () max by (account, region) (tencentcloud_vpn_up{{{TARGET}}})",
              table=True),
        query(f"({DOWN}) * on ({GATEWAY}) group_left () {broken()}", table=True),
    ],
    {"vpn_connection_name": "Name", "vpn_connection_id": "Id", "Value #A": "Since", "Value #C": "Gateway problem", **ENDS, **PLACE,
     "Value #B": "Target"},
    description="Tunnels with the status down. *Since* is the last change that a poll saw: unknown if there was none since the "
                "exporter started. *Gateway problem* is why no tunnel of the gateway works; it is empty if the gateway has none "
                f"or is not listed. {ID_IF_UNNAMED} The peer identity is an IKE identity. If the target fails, the status is the last "
                "known one.",
    no_data=NONE_DOWN,
    sort={"Since": True},
    properties={
        "Since": [*measured("dateTimeAsIso"), {"id": "mappings", "value": [
            {"type": "value", "options": {"0": {"text": "Unknown", "index": 0}}}]}],
        "Gateway problem": colored(GATEWAY_STATES),
        **LINKED,
        "Target": colored(LISTING),
    },
    height=9,
)

FAILING = f"{listed()} and on (account, region) (max by (account, region) (tencentcloud_vpn_up{{{TARGET}}}) == 0)"


def number(name, description):
    """The number of tunnels with a status."""
    return stat(name.capitalize(), counted(having(name)), description=description, unit="short", no_data=NOTHING,
                steps=["text", (1, COLORS[name])], width=3)


NUMBERS = [
    number("down", "The two ends are not connected, or the health check fails."),
    number("up", "Connected, and the health check succeeds if one is configured."),
    number("idle", "Not connected, and only traffic connects it (flowTrigger). No health check is configured."),
    number("unknown", "The API sends no value for a status, or one that the exporter does not know."),
    number("pending", "Tencent Cloud is creating the tunnel."),
    number("deleting", "Tencent Cloud is deleting the tunnel."),
    stat("Tunnels of failing targets", counted(FAILING),
         description="Tunnels whose target fails. The other numbers count their last known status.", unit="short",
         no_data=NOTHING, steps=["text", (1, "dark-orange")], width=3),
    stat("Failing targets", f"count(max by (account, region) (tencentcloud_vpn_up{{{TARGET}}}) == 0) "
         f"or 0 * count(tencentcloud_vpn_target_info{{{TARGET}}})",
         description="Targets (accounts in a region) whose last poll failed in all replicas.", unit="short",
         no_data="No exporter is scraped", steps=["green", (1, "red")], width=3),
]

TIMELINE = timeline(
    "Tunnels that changed",
    [query(named(status(CHANGED_SCOPE), scope=CHANGED_SCOPE), LEGEND)],
    STATES,
    description="The status of tunnels that changed in the selected time: the 50 with the latest changes. A gap means that the "
                "tunnel was not published.",
    no_data="No tunnel has changed in the selected time, or none is published",
    width=24,
    height=10,
)


def affected(title, description, down, tunnels, by, columns, named=str, more=(), properties=None):
    """Gateways or peers with a tunnel that is down: how many of their tunnels are."""
    down = f"count by ({by}) ({down})"
    return table(
        title,
        [query(named(down), table=True), query(f"count by ({by}) ({tunnels}) and on ({by}) {down}", table=True),
         *(query(f"{expr} and on ({by}) {down}", table=True) for expr in more)],
        {**columns, "Value #A": "Down", "Value #B": "Tunnels"},
        description=description,
        no_data=NONE_DOWN,
        sort={"Down": True},
        properties=properties,
        width=12,
        height=7,
    )


GATEWAYS = affected(
    "Gateways of tunnels that are down",
    "How many tunnels of these gateways are down, of all that are published. A gateway has its id if its name is not known. "
    "*Problem* is empty if the gateway has none or is not listed, see the dashboard *Gateways*.",
    DOWN, listed(), GATEWAY, {**AT_GATEWAY, "Value #C": "Problem", **PLACE},
    named=with_gateway, more=[broken()],
    properties={"Gateway": GATEWAY_LINK, "Gateway id": HIDDEN, "Problem": colored(GATEWAY_STATES)},
)

HAS_PEER = series("tunnel_info", 'remote_identity!=""')
DOWN_PEER = f"{HAS_PEER} and {ON} ({DOWN})"

PEERS = affected(
    "Peers of tunnels that are down",
    "How many tunnels to these peers are down, of all that are published. One peer has the same IKE identity in all accounts and "
    "regions.",
    merged(DOWN_PEER, f"{IDS}, remote_identity"), merged(f"{HAS_PEER} and on (remote_identity) ({DOWN_PEER})",
                                                          f"{IDS}, remote_identity"),
    "remote_identity",
    {"remote_identity": "Peer identity"},
)

RELATED = (f"{series('tunnel_info')} and on (account, region, vpn_gateway_id) ({DOWN})\n"
           f"or {HAS_PEER} and on (remote_identity) ({DOWN_PEER})")

AFFECTED = table(
    "Other tunnels of these gateways and peers",
    [query(with_ends(named(status(without="down"), NAMES, info=RELATED)), table=True)],
    {"Value": "Status", "vpn_connection_name": "Name", "vpn_connection_id": "Id", **ENDS, **PLACE},
    description=f"Tunnels that are not down, at a gateway or to a peer of a tunnel that is down. {ID_IF_UNNAMED}",
    no_data="No tunnel is down, or no other tunnel has the same gateway or peer",
    sort={"Status": False},
    properties={"Status": colored(STATES), **LINKED},
    height=8,
)


def published(by, name=None):
    """Numbers of tunnels that the exporter counts by status for each target. They are cheap, and have no gateway."""
    tunnels = series("tunnels", name and f'status="{name}"', TARGET)
    return f"sum by ({by}) ({tunnels} {SHOWN})"


COUNTS = graph(
    "Tunnels by status",
    [query(published("status"), "{{status}}")],
    description="Number of tunnels with each status, of all gateways in the selected accounts and regions. A gap means that no "
                "tunnel was published.",
    unit="short",
    no_data=NOTHING,
    stacked=True,
    colors=COLORS,
    width=24,
    height=7,
)

TARGETS = table(
    "By account and region",
    [
        query(f"max by (account, region) (tencentcloud_vpn_up{{{TARGET}}})", table=True),
        query(f"time() - max by (account, region) (tencentcloud_vpn_last_success_timestamp_seconds{{{TARGET}}})", table=True),
        *(query(published("account, region", name), table=True) for name in ("down", "up", "idle", "unknown")),
    ],
    {"account": "Account", "region": "Region", "Value #A": "Target", "Value #C": "Down", "Value #D": "Up", "Value #E": "Idle",
     "Value #F": "Unknown", "Value #B": "Last listing"},
    description="Each target: whether its last poll succeeded, its tunnels, and the age of its last good listing. An empty cell "
                "means that its tunnels are not published.",
    no_data=NO_TARGET,
    sort={"Down": True},
    properties={"Target": colored({0: ("Failing", "red"), 1: ("Working", "green")}), "Last listing": measured("s")},
    width=12,
    height=9,
)

CHANGES = f"max by ({IDS}) (increase({series('tunnel_transitions_total', scope=CHANGED_SCOPE)}[$__range])) > 0"

FLAPPERS = bar_gauge(
    "Most changes", f"topk(10, {named(CHANGES, scope=CHANGED_SCOPE)})", LEGEND,
    description="Tunnels with the most changes of their status in the selected time, as seen by polls: of the 50 with the latest "
                "changes.",
    unit="short",
    no_data="No tunnel has changed in the selected time",
    width=12,
    height=9,
    decimals=0,
    steps=["blue", (6, "orange"), (20, "red")],
)

FULLEST = bar_gauge(
    "Gateways with the highest usage",
    f"topk(10, {with_gateway(traffic.of_gateways('bandwidth_usage_ratio'))})", "{{gateway}} {{vpn_gateway_id}}",
    description=traffic.explained("Usage of the bandwidth that is paid for, as Cloud Monitor measures it: the ten gateways where it "
                                  "is highest. See the dashboard *Gateways*.", of=traffic.GATEWAYS),
    unit="percentunit",
    no_data=traffic.OFF,
    width=9,
    height=10,
    most=1,
    steps=["green", (0.8, "orange"), (0.95, "red")],
)

TOP_TALKERS = traffic.top_talkers(
    description=traffic.explained(f"The ten tunnels that carry most now: receive and transmit together. {ID_IF_UNNAMED}",
                                  of="these tunnels"),
    width=15,
    height=10,
)

ALERTS = timeline(
    "Alerts",
    [query('max by (alertname, vpn_connection_id, vpn_gateway_id, account, region) '
           f'(ALERTS{{alertname=~"TencentCloudVpn.*",alertstate="firing",severity!="info",{TARGET}}})',
           "{{alertname}} {{vpn_connection_id}} {{vpn_gateway_id}} {{account}} {{region}}")],
    {1: ("Firing", "red")},
    description="Alerts of severity critical and warning. They need the rules of deploy/prometheus/rules.",
    no_data="No alert has fired, or the rules are not loaded",
    width=24,
    height=7,
)

# What the alert TencentCloudVpnTunnelWeakParameters counts, and unencrypted tunnels: parameter, metric, label, matchers.
WEAK = [
    ("IKE encryption", "tunnel_ike_info", "encryption", 'encryption=~"(?i)3?DES.*"'),
    ("IKE integrity", "tunnel_ike_info", "integrity", 'integrity=~"(?i)MD5"'),
    ("IKE group", "tunnel_ike_info", "dh_group", 'dh_group=~"(?i)GROUP(1|2|5)"'),
    ("IKE exchange mode", "tunnel_ike_info", "exchange_mode", 'ike_version=~"(?i)IKEV1",exchange_mode=~"(?i)AGGRESSIVE"'),
    ("IPsec encryption", "tunnel_ipsec_info", "encryption", 'encryption=~"(?i)3?DES.*|NULL"'),
    ("IPsec integrity", "tunnel_ipsec_info", "integrity", 'integrity=~"(?i)MD5"'),
    ("IPsec forward secrecy group", "tunnel_ipsec_info", "pfs_dh_group", 'pfs_dh_group=~"(?i)DH-GROUP(1|2|5)"'),
]


def weak(parameter, metric, label, matchers):
    """Tunnels with one weak parameter."""
    named_parameter = f'label_replace({series(metric, matchers)}, "parameter", "{parameter}", "", "")'
    return f'label_replace({named_parameter}, "value", "$1", "{label}", "(.*)")'


WEAK_PARAMETERS = table(
    "Weak parameters",
    [query(with_gateway(named(merged("\nor ".join(weak(*one) for one in WEAK), f"{IDS}, parameter, value"))), table=True)],
    {"vpn_connection_name": "Name", "vpn_connection_id": "Id", "parameter": "Parameter", "value": "Value", **AT_GATEWAY, **PLACE},
    description="Tunnels with weak parameters, a row for each parameter. The alert has only the number of these tunnels in each "
                "account. IPsec encryption NULL means that nothing is encrypted. A gateway has its id if its name is not known.",
    no_data="No tunnel has weak parameters, or none is published",
    sort={"Name": False},
    properties=LINKED,
    height=9,
)

TUNNELS = table(
    "All tunnels",
    [
        query(with_ends(named(status(), f"{NAMES}, negotiation_type")), table=True),
        query(f"{merged(series('tunnel_last_transition_timestamp_seconds'))} * 1000", table=True),
    ],
    {"Value #A": "Status", "vpn_connection_name": "Name", "vpn_connection_id": "Id", "Value #B": "Since", **ENDS,
     "negotiation_type": "Negotiation", **PLACE},
    description="All published tunnels. The id links to the tunnel's dashboard. *Since* is the last change that a poll saw; it is "
                f"empty if there was none since the exporter started. {ID_IF_UNNAMED}",
    no_data=NOTHING,
    sort={"Status": False},
    properties={"Status": colored(STATES), "Since": measured("dateTimeAsIso"), **LINKED},
    height=14,
)

DASHBOARD = dashboard(
    "overview", "Tencent Cloud VPN / Overview", "All VPN tunnels: which are down, and since when; how many are up; which carry most.",
    VARIABLES, ANNOTATIONS,
    [
        DOWN_NOW, *NUMBERS, TIMELINE,
        row("What else is affected"), GATEWAYS, PEERS, AFFECTED,
        row("Over time"), COUNTS, ALERTS, TARGETS, FLAPPERS,
        row("Traffic"), FULLEST, TOP_TALKERS,
        row("Tunnels"), TUNNELS, WEAK_PARAMETERS,
    ],
)
