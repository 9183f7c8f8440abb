"""Queries about tunnels that several panels share. All merge replicas: no result has the label `instance`."""

IDS = "account, region, vpn_gateway_id, vpn_connection_id"
ON = "on (account, region, vpn_connection_id)"


def series(metric, labels="", scope='account=~"$account",region=~"$region",vpn_gateway_id=~"$gateway"'):
    """A tunnel metric of the chosen tunnels."""
    return f"tencentcloud_vpn_{metric}{{{','.join(filter(None, [labels, scope]))}}}"


def merged(expr, by=IDS):
    """One series for each tunnel, however many replicas there are."""
    return f"max by ({by}) ({expr})"


def seen(expr):
    """Only values of replicas whose last poll of the target succeeded: values of others may be minutes old."""
    return f"{expr} and on (job, instance, account, region) tencentcloud_vpn_up == 1"


def listed():
    """Every published tunnel."""
    return merged(series("tunnel_health_check_enabled"))


def idle():
    """Tunnels that wait for traffic."""
    unconnected = series("tunnel_net_status", 'status="UNAVAILABLE"')
    waiting = series("tunnel_info", 'negotiation_type="flowTrigger"')
    unchecked, in_service = series("tunnel_health_check_enabled"), series("tunnel_state", 'state="AVAILABLE"')
    return merged(seen(f"{unconnected} == 1 and {ON} {waiting} and {ON} {in_service} == 1 and {ON} {unchecked} == 0"))


def in_state(state):
    """Tunnels with this state."""
    return merged(seen(f"""{series("tunnel_state", f'state="{state}"')} == 1"""))


def blind():
    """Published tunnels whose target is blind in all replicas."""
    return f'{listed()} and on (account, region) (max by (account, region) (tencentcloud_vpn_up{{account=~"$account"}}) == 0)'


def code():
    """Each tunnel's state as a number of `parts.STATES`; the first match counts."""
    return "\n".join([
        f"0 * ({blind()}) + 6",
        f"or 3 * {in_state('PENDING')}",
        f"or 4 * {in_state('DELETING')}",
        f"or 2 * ({idle()})",
        f"or {merged(seen(series('tunnel_up')))}",
        f"or 0 * {listed()} + 5",
    ])


def counted(expr):
    """The number of tunnels in an expression: 0 if tunnels are published and none matches, no value if none is published."""
    return f"count({expr}) or 0 * count({listed()})"


def named(expr):
    """The expression with the tunnels' names; a single name if replicas disagree."""
    names = merged(series("tunnel_info"), f"{IDS}, vpn_connection_name")
    return f"({expr})\n* {ON} group_left (vpn_connection_name) topk by (account, region, vpn_connection_id) (1, {names})"


LEGEND = "{{vpn_connection_name}} {{vpn_connection_id}}"
