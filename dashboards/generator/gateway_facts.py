"""Queries about VPN gateways and customer gateways that several panels share. All merge replicas: no result has the label
`instance`.

Tunnels do not depend on gateways: `gateways.enabled` can be false, or the permission can be missing. A query about tunnels
therefore takes a name from here only with the id as a substitute."""

from generator.parts import GATEWAY_RANKS
from generator.tunnels import SCOPE, TARGET, merged, series

GATEWAY = "account, region, vpn_gateway_id"
CUSTOMER_GATEWAY = "account, region, customer_gateway_id"
PEER_FACTS = "customer_gateway_name, ip_address, bgp_asn"
AUTOMATIC = 'renew_flag="NOTIFY_AND_AUTO_RENEW"'
SOON = 14 * 86_400

# The replica whose gateways the dashboards show, for each target: the one with the newest good listing of gateways. A replica
# that never listed both gateways and customer gateways comes last, but counts: it can have listed one of the two.
REPLICA = "on (job, instance, account, region)"
NEWEST = ("topk by (account, region) (1, tencentcloud_vpn_gateways_last_success_timestamp_seconds * "
          "(1 + tencentcloud_vpn_gateways_up) or tencentcloud_vpn_gateways_up)")
SHOWN = f"and {REPLICA} {NEWEST}"


def of_gateways(metric, labels="", scope=SCOPE):
    """A metric of the chosen gateways, one series for each."""
    return merged(f"{series(metric, labels, scope)} {SHOWN}", GATEWAY)


def worst(ranked):
    """One number for each gateway: the lowest of the replica that the dashboards show."""
    return f"min by ({GATEWAY}) (({' or '.join(ranked)}) {SHOWN})"


def ranked(scope, names):
    """An expression for each of these statuses: the gateways to which it applies, with its rank as the value."""
    conditions = {
        "isolated": f"{series('gateway_restricted', scope=scope)} == 1",
        "address blocked": f"{series('gateway_address_blocked', scope=scope)} == 1",
        "error": f"""{series("gateway_state", 'state=~".+_ERROR"', scope)} == 1""",
        **{name: f"""{series("gateway_state", f'state="{name.upper()}"', scope)} == 1"""
           for name in ("unknown", "pending", "deleting", "available")},
    }
    return [f"{GATEWAY_RANKS[name]} * ({conditions[name]})" for name in names]


def gateway_status(scope=SCOPE):
    """Each listed gateway's status as a number of `parts.GATEWAY_RANKS`: the first that applies."""
    return worst(ranked(scope, GATEWAY_RANKS))


BROKEN = ("isolated", "address blocked", "error")


def broken(scope=SCOPE):
    """The gateways that are isolated, blocked or in error, with the same numbers."""
    return worst(ranked(scope, BROKEN))


def expiring(scope=SCOPE, within=SOON):
    """The time of expiry of gateways that expire within this time or have expired, and are not renewed automatically."""
    manual = (f"{series('gateway_expiry_timestamp_seconds', scope=scope)} unless on (job, instance, {GATEWAY}) "
              f"{series('gateway_info', AUTOMATIC, scope)}")
    return f"({manual}) < time() + {within}"


def used(scope=SCOPE):
    """The gateways of published tunnels, with the value 1."""
    return f"""group by ({GATEWAY}) ({series("tunnel_status", 'status="up"', scope)})"""


def peers_used(scope=SCOPE):
    """The customer gateways of published tunnels, with the value 1."""
    return f"group by ({CUSTOMER_GATEWAY}) ({series('tunnel_info', scope=scope)})"


def facts(metric, by, labels, scope, published):
    """Listed gateways or customer gateways with these labels, and those that only tunnels name, without these labels."""
    return f"""({merged(f"{series(metric, scope=scope)} {SHOWN}", f"{by}, {labels}")} or on ({by}) {published})"""


def with_gateway_facts(expr, labels, scope=SCOPE, gateways=None):
    """The expression with labels of `gateway_info`, where the gateway is listed. `gateways` selects gateways, `scope` tunnels."""
    known = facts("gateway_info", GATEWAY, labels, gateways or scope, used(scope))
    return f"({expr})\n* on ({GATEWAY}) group_left ({labels}) {known}"


def with_peer_facts(expr, labels=PEER_FACTS, scope=SCOPE):
    """The expression with labels of `customer_gateway_info`, where the customer gateway is listed."""
    known = facts("customer_gateway_info", CUSTOMER_GATEWAY, labels, TARGET, peers_used(scope))
    return f"({expr})\n* on ({CUSTOMER_GATEWAY}) group_left ({labels}) {known}"


def name_or_id(expr, label, kind):
    """The expression with a label that is the name of a gateway, or its id if it is not listed or has no name."""
    for source in (f"{kind}_id", f"{kind}_name"):
        expr = f'label_replace({expr}, "{label}", "$1", "{source}", "(.+)")'
    return expr


def with_gateway(expr, scope=SCOPE, gateways=None):
    """The expression with the label `gateway`. `gateways` selects gateways; without it, `scope` does and must not select tunnels."""
    return name_or_id(with_gateway_facts(expr, "vpn_gateway_name", scope, gateways), "gateway", "vpn_gateway")


def with_peer(expr, scope=SCOPE):
    """The expression with the label `peer`: the customer gateway."""
    return name_or_id(with_peer_facts(expr, "customer_gateway_name", scope), "peer", "customer_gateway")


# The gateways to choose from: those that are listed, and those of tunnels. The label is the id and the name, the value the id.
CHOICES = (f"query_result(label_join({facts('gateway_info', GATEWAY, 'vpn_gateway_name', TARGET, used(TARGET))}, "
           '"choice", " ", "vpn_gateway_id", "vpn_gateway_name"))')
CHOICE = '/choice="(?<text>(?<value>[^" ]+)[^"]*)"/'
