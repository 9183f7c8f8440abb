"""The dashboard that shows all tunnels."""

from generator.parts import (
    STATES, alert_annotation, colored, dashboard, graph, linked, measured, panel, query, row, stat, table, thresholds,
    timeline, variable,
)
from generator.tunnels import (
    IDS, LEGEND, ON, blind, code, counted, idle, in_state, listed, merged, named, series,
)

NOTHING = "No tunnels are published"
TARGET = 'account=~"$account",region=~"$region"'
UP = merged(series("tunnel_up"))
DOWN = f"({UP} == 0) unless {ON} ({idle()}) unless {ON} {in_state('PENDING')} unless {ON} {in_state('DELETING')}"
TUNNEL_LINK = (
    "/d/tencentcloud-vpn-tunnel?var-datasource=${datasource}&var-tunnel=${__data.fields[\"Id\"]}&${__url_time_range}"
)

VARIABLES = [
    variable("account", "Account", "label_values(tencentcloud_vpn_target_info, account)"),
    variable("region", "Region", 'label_values(tencentcloud_vpn_target_info{account=~"$account"}, region)'),
    variable("gateway", "Gateway", f"label_values(tencentcloud_vpn_tunnel_info{{{TARGET}}}, vpn_gateway_id)"),
]

ANNOTATIONS = [
    alert_annotation("Tunnel or gateway down", "TencentCloudVpn(GatewayDown|TunnelDown)", "red"),
    alert_annotation("Health check failing", "TencentCloudVpnHealthCheckFailing", "orange"),
    alert_annotation("Target blind", "TencentCloudVpnTarget(Blind|Stale)", "purple"),
]


def number(title, expr, description, color):
    """One of the numbers at the top."""
    steps = ["text", (1, color)]
    return stat(title, counted(expr), description=description, unit="short", no_data=NOTHING, steps=steps, width=3)


NUMBERS = [
    number("Up", f"{UP} == 1", "All statuses of these tunnels are AVAILABLE.", "green"),
    number("Down", DOWN, "Unconnected, or with a failing health check. Idle tunnels do not count.", "red"),
    number("Idle", idle(), "Unconnected tunnels that only traffic connects (flowTrigger), without a health check.",
           "blue"),
    number("Unknown", f"{listed()} unless {ON} {UP}",
           "The API sends no value for a status, or one that the exporter does not know.", "orange"),
    number("Pending", in_state("PENDING"), "Being created: state PENDING.", "light-blue"),
    number("Deleting", in_state("DELETING"), "Being deleted: state DELETING.", "purple"),
    number("Blind", blind(),
           "Published tunnels whose target is blind. Their last known state is counted as well.",
           "dark-orange"),
    stat("Blind targets", f"count(max by (account, region) (tencentcloud_vpn_up{{{TARGET}}}) == 0) "
         f"or 0 * count(tencentcloud_vpn_target_info{{{TARGET}}})",
         description="Targets (accounts in a region) whose last poll failed in all replicas.", unit="short",
         no_data="No exporter is scraped", steps=["green", (1, "red")], width=3),
]


def by_target(expr):
    """How many of these each target has."""
    return f"count by (account, region) ({expr})"


TARGETS = table(
    "By account and region",
    [
        query(f"max by (account, region) (tencentcloud_vpn_up{{{TARGET}}})", table=True),
        query(by_target(f"{UP} == 1"), table=True),
        query(by_target(DOWN), table=True),
        query(by_target(f"{listed()} unless {ON} {UP}"), table=True),
        query(f"time() - max by (account, region) (tencentcloud_vpn_last_success_timestamp_seconds{{{TARGET}}})", table=True),
    ],
    {"account": "Account", "region": "Region", "Value #A": "Seen", "Value #B": "Up", "Value #C": "Down",
     "Value #D": "Unknown", "Value #E": "Last listing"},
    description="Each target: whether its last poll succeeded, its tunnels, and the age of its last good listing. An empty cell "
                "means none.",
    no_data="No exporter is scraped, or no poll has ended yet",
    sort={"Down": True},
    properties={"Seen": colored({0: ("Blind", "red"), 1: ("Seen", "green")}), "Last listing": measured("s")},
    width=12,
    height=9,
)

FLAPPERS = panel(
    "bargauge", "Most changes",
    [query(f"topk(10, {named('max by (' + IDS + ') (increase(' + series('tunnel_transitions_total') + '[$__range])) > 0')})",
           LEGEND, instant=True)],
    description="Tunnels with the most changes in the selected time, as seen by polls.",
    unit="short",
    no_data="No tunnel has changed",
    width=12,
    height=9,
    defaults={"decimals": 0, "min": 0, "color": {"mode": "thresholds"},
              "thresholds": thresholds("blue", (6, "orange"), (20, "red"))},
    options={
        "displayMode": "basic", "orientation": "horizontal", "showUnfilled": False, "valueMode": "text",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
)

COUNTS = graph(
    "Tunnels by state",
    [
        query(counted(f"{UP} == 1"), "Up"),
        query(counted(DOWN), "Down"),
        query(counted(idle()), "Idle"),
        query(counted(f"{listed()} unless {ON} {UP}"), "Unknown"),
    ],
    description="Number of tunnels in each state. A gap means that no tunnel was published.",
    unit="short",
    no_data=NOTHING,
    stacked=True,
    colors={"Up": "green", "Down": "red", "Idle": "blue", "Unknown": "orange"},
    width=24,
    height=7,
)

ALWAYS_UP = f"(min by ({IDS}) (min_over_time({series('tunnel_up')}[$__range] @ end())) == 1)"

TIMELINE = timeline(
    "Tunnels that were not always up",
    [query(named(f"({code()})\nunless {ON} {ALWAYS_UP}"), LEGEND)],
    STATES,
    description="Tunnels that were down, idle or unknown at some time. A gap means that the tunnel was not published.",
    no_data="All tunnels were always up, or none is published",
    width=24,
    height=10,
)

ALERTS = timeline(
    "Alerts",
    [query('max by (alertname, vpn_connection_name, vpn_connection_id, vpn_gateway_id, account, region) '
           f'(ALERTS{{alertname=~"TencentCloudVpn.*",alertstate="firing",severity!="info",{TARGET}}})',
           "{{alertname}} {{vpn_connection_name}} {{vpn_gateway_id}} {{account}} {{region}}")],
    {1: ("Firing", "red")},
    description="Alerts of severity critical and warning. They need the rules of deploy/prometheus/rules.",
    no_data="No alert has fired, or the rules are not loaded",
    width=24,
    height=7,
)

TUNNELS = table(
    "All tunnels",
    [
        query(named(code()), table=True),
        query(f"time() - max by ({IDS}) ({series('tunnel_last_transition_timestamp_seconds')})", table=True),
        query(f"max by ({IDS}, remote_identity, negotiation_type) ({series('tunnel_info')})", table=True),
    ],
    {"Value #A": "State", "vpn_connection_name": "Name", "vpn_connection_id": "Id", "vpn_gateway_id": "Gateway",
     "account": "Account", "region": "Region", "remote_identity": "Peer identity", "negotiation_type": "Negotiation",
     "Value #B": "Last change"},
    description="All published tunnels. The id links to the tunnel's dashboard. An empty last change means none since the exporter "
                "started.",
    no_data=NOTHING,
    sort={"State": False},
    properties={"State": colored(STATES), "Last change": measured("s"), "Id": linked("Show this tunnel", TUNNEL_LINK)},
    height=14,
)

DASHBOARD = dashboard(
    "overview", "Tencent Cloud VPN / Overview", "All VPN tunnels: up, down and unknown.",
    VARIABLES, ANNOTATIONS,
    [*NUMBERS, ALERTS, TARGETS, FLAPPERS, row("Over time"), COUNTS, TIMELINE, row("Tunnels"), TUNNELS],
)
