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
    number("Up", f"{UP} == 1", "Everything that is known of these tunnels is AVAILABLE.", "green"),
    number("Down", DOWN, "Not connected, or failing their health check. Idle tunnels are not counted.", "red"),
    number("Idle", idle(), "Only traffic connects these (flowTrigger), they have no health check, and they are not connected.",
           "blue"),
    number("Unknown", f"{listed()} unless {ON} {UP}",
           "The API leaves out a status of these, or sends one that the exporter does not know.", "orange"),
    number("Being made", in_state("PENDING"), "State PENDING.", "light-blue"),
    number("Being deleted", in_state("DELETING"), "State DELETING.", "purple"),
    number("Out of sight", blind(),
           "Published tunnels whose target is blind: what was last seen of them. They are counted in their last state, too.",
           "dark-orange"),
    stat("Blind targets", f"count(max by (account, region) (tencentcloud_vpn_up{{{TARGET}}}) == 0) "
         f"or 0 * count(tencentcloud_vpn_target_info{{{TARGET}}})",
         description="Accounts in a region whose last poll failed, of every replica.", unit="short",
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
    no_data="No exporter is scraped, or none has ended a poll",
    sort={"Down": True},
    properties={"Seen": colored({0: ("Blind", "red"), 1: ("Seen", "green")}), "Last listing": measured("s")},
    width=12,
    height=9,
)

FLAPPERS = panel(
    "bargauge", "Worst flappers",
    [query(f"topk(10, {named('max by (' + IDS + ') (increase(' + series('tunnel_transitions_total') + '[$__range])) > 0')})",
           LEGEND, instant=True)],
    description="The tunnels that changed most often in the chosen time, as far as polls see it.",
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
    description="How many tunnels were in which state. A gap means that nothing was published.",
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
    description="Each tunnel that was down or idle at some time, or of which nothing is known. A gap means that it was not "
                "published.",
    no_data="Every tunnel was up all the time, or none is published",
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
    description="Every published tunnel. The id leads to its own dashboard. No last change means none since the exporter started.",
    no_data=NOTHING,
    sort={"State": False},
    properties={"State": colored(STATES), "Last change": measured("s"), "Id": linked("Show this tunnel", TUNNEL_LINK)},
    height=14,
)

DASHBOARD = dashboard(
    "overview", "Tencent Cloud VPN / Overview", "All VPN tunnels: what is up, what is down, and what cannot be seen.",
    VARIABLES, ANNOTATIONS,
    [*NUMBERS, ALERTS, TARGETS, FLAPPERS, row("Over time"), COUNTS, TIMELINE, row("Tunnels"), TUNNELS],
)
