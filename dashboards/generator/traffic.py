"""Queries about what tunnels and gateways carry, as Cloud Monitor measures it. All merge replicas: no result has the label
`instance`. Bytes are shown as bits, as bandwidth is sold.

Traffic is off by default. So the description of each panel says what no data means, with `explained`."""

from generator.gateway_facts import GATEWAY, with_gateway, with_peer
from generator.parts import GATEWAY_LINK, HIDDEN, TUNNEL_LINK, hidden_variable, measured, query, table
from generator.tunnels import NAMES, SCOPE, merged, named, series

# The replica whose data points the dashboards show, for each target: one whose last query of traffic succeeded, else the one
# with the newest good query. A replica without a good query comes last, but counts: some of its requests can have succeeded.
REPLICA = "on (job, instance, account, region)"
NEWEST = ("topk by (account, region) (1, tencentcloud_vpn_traffic_last_success_timestamp_seconds * "
          "(1 + tencentcloud_vpn_traffic_up) or tencentcloud_vpn_traffic_up)")
SHOWN = f"and {REPLICA} {NEWEST}"

OFF = "Traffic is off (traffic.enabled: false), or Cloud Monitor has no data"
NO_HEALTH_CHECK = "No health check is configured, traffic is off (traffic.enabled: false), or Cloud Monitor has no data"
GATEWAYS = "these gateways"
COLORS = {"Receive": "green", "Transmit": "blue"}


def explained(text, statistic="bandwidth", of="this tunnel"):
    """A description that says what no data means. The statistic is one of `traffic.metrics`; None: any of them."""
    causes = ["traffic is off (set traffic.enabled: true)", "the policy does not allow monitor:GetMonitorData"]
    causes += [f"traffic.metrics does not contain {statistic}"] if statistic else []
    causes += ["no gateways are listed (gateways.enabled: false)"] if of == GATEWAYS else []
    return f"{text} No data means one of these: {', '.join(causes)}, or Cloud Monitor has no recent data for {of}."


def of_tunnels(metric, scope=SCOPE):
    """A metric of the chosen tunnels, one series for each."""
    return merged(f"{series(f'tunnel_{metric}', scope=scope)} {SHOWN}")


def of_gateways(metric, scope=SCOPE):
    """A metric of the chosen gateways, one series for each."""
    return merged(f"{series(f'gateway_{metric}', scope=scope)} {SHOWN}", GATEWAY)


def bits(expr):
    """Bits per second."""
    return f"8 * {expr}"


# The ids of the ten tunnels that carry most now. The panel of top talkers selects only these, because naming all tunnels takes
# too long.
TOTAL = f"({series('tunnel_receive_bytes_per_second')} + {series('tunnel_transmit_bytes_per_second')})"
BUSIEST = hidden_variable("busiest", "Top talkers", f"query_result(topk(10, {merged(f'{TOTAL} {SHOWN}')}))",
                          regex='/vpn_connection_id="([^"]+)"/')
BUSIEST_SCOPE = f'vpn_connection_id=~"$busiest",{SCOPE}'


def top_talkers(directions=False, **rest):
    """The tunnels that carry most, with their names, and with both directions if wanted."""
    receive, transmit = (bits(of_tunnels(f"{way}_bytes_per_second", BUSIEST_SCOPE)) for way in ("receive", "transmit"))
    total = with_gateway(named(f"{receive} + {transmit}", NAMES, BUSIEST_SCOPE), BUSIEST_SCOPE, SCOPE)
    return table(
        "Top talkers",
        [query(expr, table=True) for expr in (with_peer(total, BUSIEST_SCOPE), *([receive, transmit] if directions else []))],
        {"vpn_connection_name": "Name", "vpn_connection_id": "Id", "Value #A" if directions else "Value": "Receive + transmit",
         **({"Value #B": "Receive", "Value #C": "Transmit"} if directions else {}), "gateway": "Gateway",
         "vpn_gateway_id": "Gateway id", "peer": "Peer", "account": "Account", "region": "Region"},
        no_data=OFF,
        sort={"Receive + transmit": True},
        properties={
            **{name: measured("bps") for name in ("Receive + transmit", *(["Receive", "Transmit"] if directions else []))},
            "Id": TUNNEL_LINK, "Gateway": GATEWAY_LINK, "Gateway id": HIDDEN,
        },
        **rest,
    )
