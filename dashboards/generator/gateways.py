"""The dashboard that shows VPN gateways and customer gateways."""

from generator import traffic
from generator.gateway_facts import (
    BROKEN, CHOICE, CHOICES, CUSTOMER_GATEWAY, GATEWAY, SHOWN, expiring, gateway_status, of_gateways, ranked, with_gateway,
    with_gateway_facts, with_peer, with_peer_facts,
)
from generator.parts import (
    COLORS, GATEWAY_LINK, GATEWAY_STATES, HIDDEN, LISTING, STATES, TUNNEL_LINK, alert_annotation, colored, dashboard, empty, graph,
    hidden_variable, measured, query, row, stat, table, timeline, variable, wide, worded,
)
from generator.tunnels import IDS, LEGEND, ON, SCOPE, SHOWN as TUNNELS_SHOWN, TARGET, having, listed, merged, named, series, status

CAUSES = "gateways.enabled is false, the policy does not allow listing gateways, or no listing has ended"
NONE_LISTED = f"No gateways are published: {CAUSES}"
NO_TUNNELS = "No tunnel of these gateways is published"
FACTS = "vpn_gateway_name, type, public_ip_address, charge_type, renew_flag"
PLACE = {"account": "Account", "region": "Region"}
DAY = 86_400
HAS_ID = 'vpn_gateway_id!=""'
FEW = ("At most ten of the selected gateways: those with the latest changes of a tunnel in the selected time, then those with the "
       "most tunnels.")

# The gateways whose details are shown. There are few, because a query of the history of all tunnels takes too long.
LAST_CHANGE = f"max_over_time({series('tunnel_last_transition_timestamp_seconds', HAS_ID)}[$__range])"
WATCHED = (f"query_result(topk(10, max by (vpn_gateway_id) ({LAST_CHANGE}) "
           f"""or count by (vpn_gateway_id) ({series("tunnel_status", f'status="up",{HAS_ID}')}) """
           f"or 0 * count by (vpn_gateway_id) ({series('gateway_info', HAS_ID)})))")
WATCHED_SCOPE = f'vpn_gateway_id=~"$watched",{TARGET}'

# The gateways whose usage of the bandwidth is shown over time. They are few for the same reason.
HIGHEST = f"max_over_time({series('gateway_bandwidth_usage_ratio', HAS_ID)}[$__range])"
FULLEST = f"query_result(topk(10, max by (vpn_gateway_id) ({HIGHEST})))"
FULLEST_SCOPE = f'vpn_gateway_id=~"$fullest",{TARGET}'

VARIABLES = [
    variable("account", "Account", "label_values(tencentcloud_vpn_target_info, account)"),
    variable("region", "Region", 'label_values(tencentcloud_vpn_target_info{account=~"$account"}, region)'),
    variable("gateway", "Gateway", CHOICES, regex=CHOICE),
    hidden_variable("watched", "Gateways with details", WATCHED, regex='/vpn_gateway_id="([^"]+)"/'),
    hidden_variable("fullest", "Gateways with the highest usage", FULLEST, regex='/vpn_gateway_id="([^"]+)"/'),
    traffic.BUSIEST,
]

ANNOTATIONS = [
    alert_annotation("Gateway", "TencentCloudVpnGateway(Down|Isolated|AddressBlocked|Error)", "red"),
    alert_annotation("Gateways not seen", "TencentCloudVpnGatewaysNotSeen", "purple"),
]

LISTING_WORKS = f"max by (account, region) (tencentcloud_vpn_gateways_up{{{TARGET}}})"
UNLISTED = (f"""group by ({GATEWAY}) ({series("tunnel_status", f'status="up",{HAS_ID}')}) """
            f"unless on ({GATEWAY}) {series('gateway_info')} and on (account, region) {LISTING_WORKS} == 1")


def number(title, expr, description, color, none=series("gateway_state", 'state="AVAILABLE"'), no_data=NONE_LISTED):
    """How many series an expression has: 0 if `none` has series."""
    return stat(title, f"count({expr}) or 0 * count({none})", description=description, unit="short", no_data=no_data,
                steps=["text", (1, color)], width=3)


NUMBERS = [
    number("Isolated", f"{series('gateway_restricted')} == 1 {SHOWN}",
           "Gateways that are not paid for. They carry no traffic.", "red"),
    number("Address blocked", f"{series('gateway_address_blocked')} == 1 {SHOWN}",
           "Gateways whose public address Tencent Cloud has blocked.", "red"),
    number("In error", f"""{series("gateway_state", 'state=~".+_ERROR"')} == 1 {SHOWN}""",
           "Gateways that Tencent Cloud failed to create or to delete.", "dark-orange"),
    number("Expire within 14 days", f"({expiring()}) {SHOWN}",
           "Prepaid gateways that expire within 14 days or have expired, and are not renewed automatically.", "orange"),
    number("Not listed", UNLISTED,
           "Gateways of published tunnels that the listing of gateways does not contain. Either they are new, or a filter of the "
           "account leaves them out.",
           "orange", none=f"tencentcloud_vpn_gateways_up{{{TARGET}}} == 1",
           no_data=f"No listing of gateways works: {CAUSES}"),
    number("Gateways not seen", f"{LISTING_WORKS} == 0",
           "Targets (accounts in a region) whose last listing of gateways or customer gateways failed in all replicas. Their tunnels "
           "are published nevertheless.",
           "orange", none=f"tencentcloud_vpn_gateways_up{{{TARGET}}}",
           no_data="gateways.enabled is false, or no listing has ended"),
    stat("Gateways", f"count({of_gateways('gateway_info')})", description="Gateways of all types in the last good listings.",
         unit="short", no_data=NONE_LISTED, width=3),
    stat("Customer gateways",
         f"count(count by ({CUSTOMER_GATEWAY}) ({series('customer_gateway_info', scope=TARGET)}))",
         description="Customer gateways of the selected accounts and regions, with and without tunnels.", unit="short",
         no_data=f"No customer gateways are published: {CAUSES}", width=3),
]

PROBLEMS = {**{rank: state for rank, state in GATEWAY_STATES.items() if rank <= len(BROKEN)}, 10: ("Expired", "red"),
            11: ("Expires soon", "orange"), 12: ("Not listed", "orange")}
OF_LISTED = " or ".join([*ranked(SCOPE, BROKEN), f"10 + 0 * ({expiring(within=0)})", f"11 + 0 * ({expiring()})"])
PROBLEM = f"min by ({GATEWAY}) (({OF_LISTED}) {SHOWN} or 12 * ({UNLISTED}))"
EXPIRY = of_gateways("gateway_expiry_timestamp_seconds")
DAYS_LEFT = f"floor(({EXPIRY} - time()) / {DAY})"
UP = f"count by ({GATEWAY}) ({having('up')}) or 0 * count by ({GATEWAY}) ({listed()})"
ALL = f"count by ({GATEWAY}) ({listed()})"
DOWN = f"count by ({GATEWAY}) ({having('down')})"
ID_LINK = {"Gateway id": GATEWAY_LINK}
YES_NO = {0: "No", 1: "Yes"}

ATTENTION = table(
    "Needs attention",
    [
        query(with_gateway_facts(PROBLEM, FACTS), table=True),
        query(f"{DAYS_LEFT} and on ({GATEWAY}) ({OF_LISTED})", table=True),
        query(f"{DOWN} and on ({GATEWAY}) {PROBLEM}", table=True),
    ],
    {"Value #A": "Problem", "vpn_gateway_name": "Name", "vpn_gateway_id": "Gateway id", "public_ip_address": "Public address",
     "Value #C": "Tunnels down", "Value #B": "Days left", "renew_flag": "Renewal", **PLACE},
    description="Gateways with a problem, the worst one of each. Isolated: not paid for. Error: creating or deleting it failed. "
                "Expires soon: within 14 days, and not renewed automatically. Not listed: it has tunnels, but the listing of gateways "
                "does not contain it.",
    no_data=f"No gateway has a problem, or none is published: {CAUSES}",
    sort={"Problem": False},
    properties={
        "Problem": colored(PROBLEMS), **ID_LINK,
        "Renewal": worded({"NOTIFY_AND_AUTO_RENEW": "Automatic", "NOTIFY_AND_MANUAL_RENEW": "Manual"}),
    },
    height=8,
)

NOT_SEEN = table(
    "Listings of gateways",
    [
        query(LISTING_WORKS, table=True),
        query(f"time() - max by (account, region) (tencentcloud_vpn_gateways_last_success_timestamp_seconds{{{TARGET}}})", table=True),
        query(f"count by (account, region) ({of_gateways('gateway_info')})", table=True),
        query(f"count by (account, region) (count by ({CUSTOMER_GATEWAY}) ({series('customer_gateway_info', scope=TARGET)}))",
              table=True),
    ],
    {**PLACE, "Value #A": "Listings", "Value #B": "Last success", "Value #C": "Gateways", "Value #D": "Customer gateways"},
    description="Each target: whether its last listings of gateways and customer gateways both succeeded, and how long ago they "
                "last did. One of the two can be published while the other one fails.",
    no_data="gateways.enabled is false, or no listing has ended",
    sort={"Listings": False},
    properties={"Listings": colored(LISTING), "Last success": measured("s")},
    height=6,
)

STATE = merged(f"{series('gateway_state')} == 1 {SHOWN}", f"{GATEWAY}, state")
INFO = merged(f"{series('gateway_info')} {SHOWN}", f"{GATEWAY}, {FACTS}")

GATEWAYS = table(
    "All gateways",
    [
        query(f"{gateway_status()}\n* on ({GATEWAY}) group_left ({FACTS}) {INFO}\n* on ({GATEWAY}) group_left (state) {STATE}",
              table=True),
        query(of_gateways("gateway_restricted"), table=True),
        query(UP, table=True),
        query(ALL, table=True),
        query(f"8 * {of_gateways('gateway_bandwidth_bytes_per_second')}", table=True),
        query(DAYS_LEFT, table=True),
        query(f"{EXPIRY} * 1000", table=True),
    ],
    {"Value #A": "Status", "vpn_gateway_name": "Name", "vpn_gateway_id": "Gateway id", "state": "State", "Value #B": "Restricted",
     "public_ip_address": "Public address", "Value #C": "Up", "Value #D": "Tunnels", "Value #E": "Bandwidth", "type": "Type",
     "Value #F": "Days left", "Value #G": "Expiry", "charge_type": "Charged", "renew_flag": "Renewal", **PLACE},
    description="All gateways, also those of other types than IPsec, and how many of their tunnels are up. A gateway with tunnels that "
                "is not listed has no status. Gateways that are billed by the hour have no expiry. The id links to the details.",
    no_data=f"Neither gateways nor tunnels are published: {CAUSES}",
    sort={"Status": False},
    properties={
        "Status": [*colored(GATEWAY_STATES), *empty("Not listed"), *wide(130)], **ID_LINK,
        "Restricted": [*worded(YES_NO), *wide(90)],
        "Up": wide(60), "Tunnels": wide(80), "Type": wide(80), "Days left": wide(90),
        "Bandwidth": [*measured("bps"), *wide(100)],
        "Expiry": measured("dateTimeAsIso"),
        "Charged": worded({"PREPAID": "Prepaid", "POSTPAID_BY_HOUR": "By the hour"}),
        "Renewal": worded({"NOTIFY_AND_AUTO_RENEW": "Automatic", "NOTIFY_AND_MANUAL_RENEW": "Manual"}),
    },
    height=12,
)

USAGE = graph(
    "Usage of the bandwidth",
    [query(with_gateway(traffic.of_gateways("bandwidth_usage_ratio", FULLEST_SCOPE), FULLEST_SCOPE),
           "{{gateway}} {{vpn_gateway_id}}")],
    description=traffic.explained("Usage of the bandwidth that is paid for, as Cloud Monitor measures it: the ten of the selected "
                                  "gateways with the highest maximum in the selected time. The line is at 80 %: after 15 minutes "
                                  "above it an alert fires.",
                                  of=traffic.GATEWAYS),
    unit="percentunit",
    no_data=traffic.OFF,
    limit=0.8,
    scale=1,
    height=9,
)

MEASURED = traffic.of_gateways("traffic_timestamp_seconds")

TRAFFIC = table(
    "Traffic now",
    [
        query(with_gateway(f"time() - {MEASURED}"), table=True),
        query(traffic.of_gateways("bandwidth_usage_ratio"), table=True),
        *(query(traffic.bits(traffic.of_gateways(f"{way}_bytes_per_second")), table=True) for way in ("receive", "transmit")),
        query(f"8 * {of_gateways('gateway_bandwidth_bytes_per_second')} and on ({GATEWAY}) {MEASURED}", table=True),
    ],
    {"gateway": "Gateway", "vpn_gateway_id": "Gateway id", "Value #B": "Usage", "Value #C": "Receive", "Value #D": "Transmit",
     "Value #E": "Paid for", "Value #A": "Age of the data", **PLACE},
    description=traffic.explained("Each selected gateway that has data: its traffic, the bandwidth that is paid for, and the time since "
                                  "the newest data point of Cloud Monitor. A gateway has its id if its name is not known.",
                                  of=traffic.GATEWAYS),
    no_data=traffic.OFF,
    sort={"Usage": True},
    properties={
        "Gateway": GATEWAY_LINK, "Gateway id": HIDDEN, "Usage": measured("percentunit"), "Age of the data": measured("s"),
        **{name: measured("bps") for name in ("Receive", "Transmit", "Paid for")},
    },
    width=12,
    height=9,
)

TOP_TALKERS = traffic.top_talkers(
    directions=True,
    description=traffic.explained("The ten tunnels of the selected gateways that carry most now. Receive is towards the VPC. Gateway and "
                                  "peer have their ids if their names are not known.", of="these tunnels"),
    height=9,
)

HISTORY = timeline(
    "Gateways over time",
    [query(with_gateway(gateway_status(WATCHED_SCOPE), WATCHED_SCOPE), "{{gateway}} {{vpn_gateway_id}}")],
    GATEWAY_STATES,
    description=f"The status of these gateways. A gap means that the gateway was not published. {FEW}",
    no_data=NONE_LISTED,
    width=12,
    height=8,
)

STATUSES = merged(f"{series('tunnel_status', scope=WATCHED_SCOPE)} == 1 {TUNNELS_SHOWN}", f"{IDS}, status")

COUNTS = graph(
    "Tunnels by status",
    [query(f"count by (status) ({STATUSES})", "{{status}}")],
    description="Number of tunnels of these gateways with each status. A gap means that no tunnel was published.",
    unit="short",
    no_data=NO_TUNNELS,
    stacked=True,
    colors=COLORS,
    width=12,
    height=8,
)

TUNNELS = timeline(
    "Tunnels over time",
    [query(named(status(WATCHED_SCOPE), scope=WATCHED_SCOPE), LEGEND)],
    STATES,
    description="The status of the tunnels of these gateways. A gap means that the tunnel was not published.",
    no_data=NO_TUNNELS,
    width=24,
    height=10,
)

CARRIED = graph(
    "Receive and transmit",
    [
        *(query(with_gateway(traffic.bits(traffic.of_gateways(f"{way}_bytes_per_second", WATCHED_SCOPE)), WATCHED_SCOPE),
                f"{{{{gateway}}}} {{{{vpn_gateway_id}}}} {way}") for way in ("receive", "transmit")),
        query(with_gateway(f"8 * {of_gateways('gateway_bandwidth_bytes_per_second', scope=WATCHED_SCOPE)} "
                           f"and on ({GATEWAY}) {traffic.of_gateways('traffic_timestamp_seconds', WATCHED_SCOPE)}", WATCHED_SCOPE),
              "{{gateway}} {{vpn_gateway_id}} paid for"),
    ],
    description=traffic.explained("What these gateways carry. Receive is towards the VPC. The dashed lines are the bandwidth that is paid "
                                  f"for. Select a gateway to see it alone. {FEW}", of=traffic.GATEWAYS),
    unit="bps",
    no_data=traffic.OFF,
    dashed="C",
    width=24,
    height=10,
)

PRESENT = named(status(WATCHED_SCOPE), "vpn_connection_name, customer_gateway_id, remote_identity", WATCHED_SCOPE)

TUNNELS_NOW = table(
    "Tunnels",
    [query(with_peer(with_gateway(PRESENT, WATCHED_SCOPE), WATCHED_SCOPE), table=True)],
    {"Value": "Status", "vpn_connection_name": "Name", "vpn_connection_id": "Id", "gateway": "Gateway",
     "vpn_gateway_id": "Gateway id", "peer": "Peer", "remote_identity": "Peer identity", **PLACE},
    description="The tunnels of these gateways. Gateway and peer have their ids if their names are not known. The id links to the "
                "tunnel's dashboard. The dashboard *Overview* has all tunnels.",
    no_data=NO_TUNNELS,
    sort={"Status": False},
    properties={"Status": colored(STATES), "Id": TUNNEL_LINK, "Gateway": GATEWAY_LINK, "Gateway id": HIDDEN},
    width=24,
    height=9,
)

HAS_PEER = series("tunnel_info", 'customer_gateway_id!=""', WATCHED_SCOPE)
OF_PEERS = merged(f"{HAS_PEER} {TUNNELS_SHOWN}", f"{IDS}, customer_gateway_id")

PEERS = table(
    "Peers",
    [
        query(with_peer_facts(f"count by ({CUSTOMER_GATEWAY}) ({OF_PEERS})", scope=WATCHED_SCOPE), table=True),
        query(f"count by ({CUSTOMER_GATEWAY}) ({OF_PEERS} and {ON} ({having('down', WATCHED_SCOPE)}))", table=True),
    ],
    {"customer_gateway_name": "Name", "customer_gateway_id": "Customer gateway", "ip_address": "Address", "bgp_asn": "BGP ASN",
     "Value #B": "Tunnels down", "Value #A": "Tunnels", **PLACE},
    description="The customer gateways at the other end of these tunnels, and the address that packets go to. Name and address are "
                "empty if gateways.enabled is false or the policy does not allow listing customer gateways.",
    no_data=NO_TUNNELS,
    sort={"Tunnels down": True},
    height=8,
)

DASHBOARD = dashboard(
    "gateways", "Tencent Cloud VPN / Gateways",
    "VPN gateways: which need attention, what they carry, and their tunnels and peers.",
    VARIABLES, ANNOTATIONS,
    [
        *NUMBERS, ATTENTION, GATEWAYS, NOT_SEEN,
        row("Traffic"), USAGE, TRAFFIC, TOP_TALKERS,
        row("Details of at most ten of the selected gateways"),
        HISTORY, COUNTS, CARRIED, TUNNELS, TUNNELS_NOW, PEERS,
    ],
)
