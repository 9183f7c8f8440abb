"""Queries about tunnels that several panels share. All merge replicas: no result has the label `instance`."""

from generator.parts import RANKS

IDS = "account, region, vpn_gateway_id, vpn_connection_id"
ON = f"on ({IDS})"
TARGET = 'account=~"$account",region=~"$region"'
SCOPE = f'{TARGET},vpn_gateway_id=~"$gateway"'
NAMES = "vpn_connection_name, customer_gateway_id, remote_identity"


def series(metric, labels="", scope=SCOPE):
    """A tunnel metric of the chosen tunnels."""
    return f"tencentcloud_vpn_{metric}{{{','.join(filter(None, [labels, scope]))}}}"


def merged(expr, by=IDS):
    """One series for each tunnel, however many replicas there are."""
    return f"max by ({by}) ({expr})"


# The replica that the dashboards show, for each target: the one with the newest good listing. A replica whose last poll failed
# is shown only if the last polls of all replicas failed. So each tunnel has exactly one status, and a panel reads only the
# series of the statuses that it shows. The dashboards also work without the rules, so they do not read
# tencentcloud_vpn:tunnel_status. That series prefers `up` where replicas disagree, so until the next poll a tunnel can be down
# here and up there.
REPLICA = "on (job, instance, account, region)"
NEWEST = "topk by (account, region) (1, tencentcloud_vpn_last_success_timestamp_seconds * (1 + tencentcloud_vpn_up))"
SHOWN = f"and {REPLICA} {NEWEST}"


def having(name, scope=SCOPE):
    """The tunnels with this status, with the value 1."""
    return merged(f"""{series("tunnel_status", f'status="{name}"', scope)} == 1 {SHOWN}""")


def status(scope=SCOPE, without=""):
    """Each tunnel's status as a number of `parts.STATES`: its rank, and 10 more unless its target fails."""
    ranks = [f"""{rank} * ({series("tunnel_status", f'status="{name}"', scope)} == 1)""" for name, rank in RANKS.items()
             if name != without]
    return merged(f"({' or '.join(ranks)}) + {REPLICA} group_left () (10 * tencentcloud_vpn_up {SHOWN})")


def listed():
    """Every published tunnel, with the value 0 or 1."""
    return merged(f"""{series("tunnel_status", 'status="up"')} {SHOWN}""")


def counted(expr):
    """The number of tunnels in an expression: 0 if targets publish tunnels and none matches, no value if no target does."""
    return f"count({expr}) or 0 * count({series('tunnels', scope=TARGET)})"


def named(expr, names="vpn_connection_name", scope=SCOPE, info=""):
    """The expression with labels of tunnel_info. Tunnels without info are left out."""
    info = merged(f"""({info or series("tunnel_info", scope=scope)}) {SHOWN}""", f"{IDS}, {names}")
    return f"({expr})\n* {ON} group_left ({names}) {info}"


LEGEND = "{{vpn_connection_name}} {{vpn_connection_id}}"
