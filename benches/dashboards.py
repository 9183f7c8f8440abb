"""Times every panel of the dashboards: `python benches/dashboards.py TUNNELS [REPLICAS]` needs `prometheus` and nothing else.

It writes six hours of made-up tunnels into a Prometheus, without the API's own statuses, and runs the queries of each panel as
Grafana does: instant queries for numbers and tables, otherwise range queries of about 1,000 points. For each panel and variable
it prints the seconds, the seconds of processor time (which depend less on the load of the machine), and the number of series in
each result.
"""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DASHBOARDS = Path(__file__).resolve().parent.parent / "dashboards"
RANGE, SCRAPE_INTERVAL, STEP = 6 * 3600, 30, 22
END = int(time.time()) // SCRAPE_INTERVAL * SCRAPE_INTERVAL
TIMES = range(END - RANGE, END + 1, SCRAPE_INTERVAL)
DOWN_AT, UP_AT = END - 3 * 3600, END - 2 * 3600
STATUSES = ("up", "down", "idle", "pending", "deleting", "unknown")
GATEWAY_STATES = ("PENDING", "PENDING_ERROR", "AVAILABLE", "DELETING", "DELETING_ERROR", "UNKNOWN")


def varint(number):
    """A number of a protocol buffer."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number, body):
    """A field with a length, of a protocol buffer."""
    return bytes([number << 3 | 2]) + varint(len(body)) + body


def samples(value):
    """A series' samples, where `value` gives the value at a time."""
    return b"".join(field(2, b"\x09" + struct.pack("<d", value(at)) + b"\x10" + varint(at * 1000)) for at in TIMES)


ZERO, ONE, LAST = samples(lambda at: 0), samples(lambda at: 1), samples(lambda at: at)
DIP, DIPPED = samples(lambda at: not DOWN_AT <= at < UP_AT), samples(lambda at: DOWN_AT <= at < UP_AT)
CHANGES = samples(lambda at: (at >= DOWN_AT) + (at >= UP_AT))
EXPIRY = samples(lambda at: END + 40 * 86_400)
TRAFFIC = [samples(lambda at, scale=scale: scale * (1000 + at % 600)) for scale in range(1, 8)]
CHANGED = samples(lambda at: UP_AT if at >= UP_AT else DOWN_AT)


def kind(number):
    """The status of a tunnel: 2 % are down, 1 % idle, and 1 % change twice."""
    return {7: "down", 57: "down", 13: "idle", 3: "dip"}.get(number % 100, "up")


def tunnel(number):
    """The series of one tunnel."""
    ids = {"account": f"account-{number % 2}", "region": f"region-{number // 2 % 4}",
           "vpn_gateway_id": f"vpngw-{number // 32:06}-{number % 8}", "vpn_connection_id": f"vpnx-{number:08}"}
    status = {"dip": {"up": DIP, "down": DIPPED}}.get(kind(number), {kind(number): ONE})
    for name in STATUSES:
        yield "tunnel_status", {**ids, "status": name}, status.get(name, ZERO)
    yield "tunnel_transitions_total", ids, CHANGES if kind(number) == "dip" else ZERO
    if kind(number) == "dip":
        yield "tunnel_last_transition_timestamp_seconds", ids, CHANGED
    for metric in ("receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets"):
        yield f"tunnel_{metric}_per_second", ids, TRAFFIC[number % 7]
    yield from ((f"tunnel_{metric}", ids, ZERO) for metric in ("packet_loss_ratio", "latency_seconds"))
    yield "tunnel_traffic_timestamp_seconds", ids, LAST
    yield "tunnel_info", {
        **ids, "vpn_connection_name": f"branch {number}", "vpc_id": "vpc-1", "customer_gateway_id": f"cgw-{number // 2:06}",
        "local_identity": "198.51.100.7", "remote_identity": f"203.0.{number // 500}.{number // 2 % 250}",
        "route_type": "STATIC", "negotiation_type": "active", "dpd_action": "restart", "dpd_timeout_seconds": "30",
    }, ONE
    weak = number % 4 == 0
    chosen = {**ids, "encryption": "3DES-CBC" if weak else "AES-CBC-256", "integrity": "MD5" if weak else "SHA256"}
    yield "tunnel_ike_info", {**chosen, "ike_version": "IKEV2", "dh_group": "GROUP14", "exchange_mode": "MAIN"}, ONE
    yield "tunnel_ipsec_info", {**chosen, "pfs_dh_group": "DH-GROUP2" if weak else "DH-GROUP14"}, ONE


def ends(number):
    """The series of the peer of a tunnel, and of its gateway at the first of the four tunnels of a gateway: 1 % are isolated."""
    place = {"account": f"account-{number % 2}", "region": f"region-{number // 2 % 4}"}
    yield "customer_gateway_info", {
        **place, "customer_gateway_id": f"cgw-{number // 2:06}", "customer_gateway_name": f"peer {number // 2}",
        "ip_address": "203.0.113.7",
    }, ONE
    if number % 32 >= 8:
        return
    ids = {**place, "vpn_gateway_id": f"vpngw-{number // 32:06}-{number % 8}"}
    yield "gateway_info", {
        **ids, "vpn_gateway_name": f"gateway {number}", "type": "IPSEC", "vpc_id": "vpc-1", "public_ip_address": "198.51.100.7",
        "charge_type": "PREPAID", "renew_flag": "NOTIFY_AND_MANUAL_RENEW",
    }, ONE
    yield from (("gateway_state", {**ids, "state": name}, ONE if name == "AVAILABLE" else ZERO) for name in GATEWAY_STATES)
    yield "gateway_restricted", ids, ONE if number // 8 % 100 == 0 else ZERO
    yield from ((f"gateway_{name}", ids, ZERO) for name in ("address_blocked", "bandwidth_bytes_per_second"))
    yield "gateway_expiry_timestamp_seconds", ids, EXPIRY
    yield from ((f"gateway_{way}_bytes_per_second", ids, TRAFFIC[number % 7]) for way in ("receive", "transmit"))
    yield "gateway_bandwidth_usage_ratio", ids, ONE
    yield "gateway_traffic_timestamp_seconds", ids, LAST


def target(number):
    """The series of one target."""
    labels = {"account": f"account-{number % 2}", "region": f"region-{number // 2 % 4}"}
    yield from ((name, labels, ONE) for name in ("up", "target_info", "last_poll_duration_seconds"))
    yield from ((name, labels, LAST) for name in ("last_success_timestamp_seconds", "gateways_last_success_timestamp_seconds"))
    yield "traffic_last_success_timestamp_seconds", labels, LAST
    yield from ((name, labels, ONE) for name in ("gateways_up", "traffic_up"))
    yield from (("tunnels", {**labels, "status": name}, ONE) for name in STATUSES)


def encoded(tunnels, replicas):
    """Every series, as a field of a remote-write request."""
    for replica in range(replicas):
        job = {"job": "vpn", "instance": f"10.0.0.{replica}:14500"}
        sources = [target(number) for number in range(8)]
        sources += [source(number) for source in (tunnel, ends) for number in range(tunnels)]
        for source in sources:
            for name, labels, values in source:
                every = sorted({"__name__": f"tencentcloud_vpn_{name}", **job, **labels}.items())
                pairs = (field(1, field(1, key.encode()) + field(2, value.encode())) for key, value in every)
                yield field(1, b"".join(pairs) + values)


def write(address, body):
    """One remote-write request; its snappy encoding is a single literal."""
    data = varint(len(body)) + b"\xfc" + struct.pack("<I", len(body) - 1) + body
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    urllib.request.urlopen(urllib.request.Request(f"{address}/api/v1/write", data, headers), timeout=120).read()


@contextlib.contextmanager
def prometheus():
    """The address of a running Prometheus, and a function that returns the processor time it has used."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as path:
        Path(path, "prometheus.yml").write_text("global: {}\n")
        # One block takes all six hours, in any order of series.
        process = subprocess.Popen(
            ["prometheus", f"--config.file={path}/prometheus.yml", f"--storage.tsdb.path={path}/data",
             f"--web.listen-address={address}", "--web.enable-remote-write-receiver",
             "--storage.tsdb.min-block-duration=24h", "--storage.tsdb.max-block-duration=24h"],
            stderr=subprocess.DEVNULL)
        try:
            for _ in range(300):
                with contextlib.suppress(urllib.error.URLError):
                    urllib.request.urlopen(f"http://{address}/-/ready")
                    break
                time.sleep(0.1)
            stat = Path(f"/proc/{process.pid}/stat")
            yield f"http://{address}", lambda: sum(map(int, stat.read_text().split()[13:15])) / os.sysconf("SC_CLK_TCK")
        finally:
            process.terminate()
            process.wait()


def ask(address, expr, variables, instant):
    """The series that a query returns, or its error."""
    expr = re.sub(r"\$([a-z_]\w*)", lambda name: variables[name.group(1)], expr)
    when = {"time": END} if instant else {"start": END - RANGE, "end": END, "step": STEP}
    body = urllib.parse.urlencode({"query": expr, **when}).encode()
    try:
        with urllib.request.urlopen(f"{address}/api/v1/{'query' if instant else 'query_range'}", body, timeout=150) as response:
            return json.load(response)["data"]["result"]
    except urllib.error.HTTPError as error:
        with error:
            return [error.read().decode()]


def report(address, cpu, what, queries, variables):
    """Runs the queries one after the other, and prints the time that they took."""
    begin, used = time.monotonic(), cpu()
    results = [ask(address, expr, variables, instant) for expr, instant in queries]
    took, sizes = time.monotonic() - begin, ", ".join(str(len(result)) for result in results)
    print(f"{took:7.2f} s {cpu() - used:7.2f} s  {sizes:>24}  {what}", flush=True)
    return results


def main(tunnels, replicas):
    with prometheus() as (address, cpu):
        batch = []
        for one in encoded(tunnels, replicas):
            batch.append(one)
            if len(batch) == 500:
                write(address, b"".join(batch))
                batch.clear()
        write(address, b"".join(batch))
        chosen = {"account": ".*", "region": ".*", "gateway": ".*", "tunnel": "vpnx-00000003", "__range": f"{RANGE}s",
                  "__range_s": str(RANGE), "__rate_interval": "2m"}
        for path in sorted(DASHBOARDS.glob("*.json")):
            dashboard = json.loads(path.read_text())
            for variable in dashboard["templating"]["list"]:
                if variable["type"] == "query":
                    expr = re.fullmatch(r"\w+\((.*?)(?:, *\w+)?\)", variable["query"]["query"]).group(1)
                    (found,) = report(address, cpu, f"{path.stem}: variable {variable['name']}", [(expr, True)], chosen)
                    label = {"changed": "vpn_connection_id", "busiest": "vpn_connection_id", "watched": "vpn_gateway_id",
                             "fullest": "vpn_gateway_id"}.get(variable["name"])
                    if label:
                        chosen[variable["name"]] = "|".join(one["metric"][label] for one in found)
            for panel in dashboard["panels"]:
                if panel["type"] != "row":
                    queries = [(one["expr"], one["instant"]) for one in panel["targets"]]
                    report(address, cpu, f"{path.stem}: {panel['title']}", queries, chosen)


if __name__ == "__main__":
    main(int(sys.argv[1]), int((sys.argv[2:] or ["1"])[0]))
