"""Measures the cost of the alert rules: `python benches/rules.py TUNNELS [REPLICAS]` needs `prometheus`, and EXPORTER.

The variable EXPORTER names the exporter's program. Prometheus servers that run side by side, with the shipped rules and without
them, scrape the metrics of its demo. The last hour of the series that rules read over an hour is made up. `--down NUMBER` adds
a server that sees so many tunnels down. `--against RULES METRICS` adds servers with a folder of other rules and a file with the
metrics that the demo of an older exporter serves. Rules that miss evaluations seem cheaper than they are. The duration of an
evaluation depends on what else the machine does.
"""

import argparse
import contextlib
import functools
import gzip
import http.server
import json
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from dashboards import field, varint, write

RULES = Path(__file__).resolve().parent.parent / "deploy/prometheus/rules"
SCRAPE_INTERVAL, HISTORY = 15, 3600


def get(url, body=None):
    """The text at a URL; with a body, the response to a POST."""
    with urllib.request.urlopen(url, body, timeout=120) as answer:
        return answer.read().decode()


@contextlib.contextmanager
def server(*command):
    """The process of a server that is ready, and its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    command = [*command, f"--web.listen-address={address}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                get(f"http://{address}/-/ready")
                break
            time.sleep(0.1)
        yield process, f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def with_down(exposition, number):
    """The exposition with so many tunnels down, evenly spread."""
    every = sorted(set(re.findall(r'vpn_connection_id="(.*?)"', exposition)))
    chosen = {every[at * len(every) // number] for at in range(number)}
    return re.sub(
        r'^(tencentcloud_vpn_tunnel_(?:net_)?status{.*vpn_connection_id="(.*?)",status="(.*?)"}) .*',
        lambda found: f"{found[1]} {int(found[3] in ('down', 'UNAVAILABLE'))}" if found[2] in chosen else found[0],
        exposition, flags=re.MULTILINE)


def history(exposition, rules, instances):
    """The series that rules read over an hour, as fields of remote-write requests: counters, and the shipped rules' status."""
    end = int(time.time())

    @functools.cache
    def samples(value):
        return b"".join(field(2, b"\x09" + struct.pack("<d", float(value)) + b"\x10" + varint(at * 1000))
                        for at in range(end - HISTORY, end, SCRAPE_INTERVAL))

    family = r"^(tencentcloud_vpn_tunnel_(?:transitions_total|status))({.*}) (\S+)$"
    for name, labels, value in re.findall(family, exposition, re.MULTILINE):
        targets = [{"__name__": name, "job": "vpn", "instance": one} for one in instances]
        if name.endswith("status"):
            targets = [{"__name__": "tencentcloud_vpn:tunnel_status"}] * (rules == RULES and value == "1")
        for target in targets:
            every = sorted((target | dict(re.findall(r'(\w+)="(.*?)"', labels))).items())
            pairs = (field(1, field(1, key.encode()) + field(2, one.encode())) for key, one in every)
            yield field(1, b"".join(pairs) + samples(value))


class Case:
    """A Prometheus that scrapes one exposition from all replicas, with some rules or with none."""

    def __init__(self, stack, exposition, rules, addresses, path):
        self.exposition, self.rules, self.groups, self.missed = exposition, rules, {}, {}
        place = stack.enter_context(tempfile.TemporaryDirectory())
        config = Path(place, "prometheus.yml")
        config.write_text("{}")
        # The long block takes the history in any order of series.
        self.process, self.url = stack.enter_context(server(
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={place}/data", "--web.enable-lifecycle",
            "--web.enable-remote-write-receiver",
            "--storage.tsdb.min-block-duration=1d", "--storage.tsdb.max-block-duration=1d"))
        series = [*history(exposition, rules, addresses)]
        for at in range(0, len(series), 500):
            write(self.url, b"".join(series[at:at + 500]))
        job = {"job_name": "vpn", "honor_labels": True, "metrics_path": path, "static_configs": [{"targets": addresses}]}
        config.write_text(json.dumps({
            "global": {"scrape_interval": f"{SCRAPE_INTERVAL}s"}, "scrape_configs": [job],
            "rule_files": [f"{Path(rules).resolve()}/*.yml"] if rules else []}))
        get(f"{self.url}/-/reload", b"")

    def cpu(self):
        """The processor time that it has used, in seconds."""
        return sum(map(int, Path(f"/proc/{self.process.pid}/stat").read_text().split()[13:15])) / os.sysconf("SC_CLK_TCK")

    def memory(self, what):
        """Its memory in MiB."""
        return int(re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def observe(self):
        """Notes the last evaluation of each group of rules."""
        metrics = get(f"{self.url}/metrics")
        found = re.findall(r'^prometheus_rule_group_(\w+){rule_group=".*;(.*)"} (\S+)$', metrics, re.MULTILINE)
        values = {(group, name): float(value) for name, group, value in found}
        for group in {group for group, _ in values}:
            evaluations = self.groups.setdefault(group, {})
            if values[group, "last_evaluation_timestamp_seconds"] > 0:
                evaluations[values[group, "last_evaluation_timestamp_seconds"]] = values[group, "last_duration_seconds"]
            self.missed[group] = values[group, "iterations_missed_total"]

    def count(self, name):
        """The number of series about tunnels with such a name."""
        query = urllib.parse.urlencode({"query": f'count({{__name__=~"{name}",vpn_connection_id!=""}})'})
        result = json.loads(get(f"{self.url}/api/v1/query?{query}"))["data"]["result"]
        return int(result[0]["value"][1]) if result else 0


def measure(cases, tunnels, seconds):
    """Measures once every group was evaluated twice, and prints."""
    ruled = {name: case for name, case in cases.items() if case.rules}
    while not all(len(evaluations) > 1 for case in ruled.values() for evaluations in (case.groups or {"": ""}).values()):
        time.sleep(5)
        for case in ruled.values():
            case.observe()
    missed = {name: dict(case.missed) for name, case in ruled.items()}
    for case in ruled.values():
        case.groups.clear()
    begin, before = time.monotonic(), {name: case.cpu() for name, case in cases.items()}
    while time.monotonic() < begin + seconds:
        time.sleep(5)
        for case in ruled.values():
            case.observe()
    used = {name: (case.cpu() - before[name]) / (time.monotonic() - begin) for name, case in cases.items()}
    of_rules = {name: cpu - used["older, no rules" if "older" in name else "no rules"] for name, cpu in used.items()}
    memory = {name: case.memory("VmRSS") for name, case in cases.items()}
    print(f"\n{'server':16} CPU s/s  of rules  RSS MiB  peak MiB      series  of a tunnel: scraped  recorded  alerts")
    for name, case in cases.items():
        series = re.search(r"^prometheus_tsdb_head_series (\S+)", get(f"{case.url}/metrics"), re.MULTILINE)
        print(f"{name:16} {used[name]:7.3f} {of_rules[name]:9.3f} {memory[name]:8.0f} {case.memory('VmHWM'):9.0f}"
              f" {float(series[1]):11.0f} {case.exposition.count('vpn_connection_id=') / tunnels:21.2f}"
              f" {case.count('.+:.+') / tunnels:9.2f} {case.count('ALERTS.*') / tunnels:7.2f}")
    print(f"\n{'server':16} {'group':32} evaluations  missed   avg s   max s  last s  slowest rule")
    for name, case in ruled.items():
        rules = {group["name"]: group["rules"] for group in json.loads(get(f"{case.url}/api/v1/rules"))["data"]["groups"]}
        for group, evaluations in sorted(case.groups.items()):
            slowest = max(rules[group], key=lambda rule: rule["evaluationTime"])
            times = [duration for _, duration in sorted(evaluations.items())]
            print(f"{name:16} {group:32} {len(times):11} {case.missed[group] - missed[name][group]:7.0f}"
                  f" {sum(times) / len(times):7.3f} {max(times):7.3f} {times[-1]:7.3f}"
                  f"  {slowest['name'].removeprefix('TencentCloudVpn')} {slowest['evaluationTime']:.3f}")
    if "older" in cases:
        ratios = (values["older"] / values["rules"] for values in (used, of_rules, memory))
        print("\nolder / rules: CPU {:.2f}, of rules alone {:.2f}, memory {:.2f}".format(*ratios))


def main(tunnels, replicas, down, against, seconds):
    with server(os.environ["EXPORTER"], "demo", f"--tunnels={tunnels}") as (_, url):
        exposition = get(f"{url}/metrics")
    served = {"no rules": (exposition, None), "rules": (exposition, RULES)}
    if down:
        served[f"{down} down"] = with_down(exposition, down), RULES
    if against:
        older = Path(against[1]).read_text()
        served |= {"older, no rules": (older, None), "older": (older, against[0])}
    bodies = {f"/{at}": gzip.compress(text.encode(), 1) for at, (text, _) in enumerate(served.values())}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(bodies[self.path])

        def log_message(self, *_):
            pass

    servers = [http.server.ThreadingHTTPServer((f"127.0.0.{replica + 1}", 0), Answer) for replica in range(replicas)]
    for one in servers:
        threading.Thread(target=one.serve_forever, daemon=True).start()
    addresses = ["{}:{}".format(*one.server_address) for one in servers]
    print(f"{tunnels} tunnels, {replicas} replicas; load {os.getloadavg()[0]:.2f} before", flush=True)
    with contextlib.ExitStack() as stack:
        cases = {name: Case(stack, *one, addresses, f"/{at}") for at, (name, one) in enumerate(served.items())}
        measure(cases, tunnels, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tunnels", type=int)
    parser.add_argument("replicas", type=int, nargs="?", default=2)
    parser.add_argument("--down", type=int, default=0)
    parser.add_argument("--against", nargs=2, metavar=("RULES", "METRICS"))
    parser.add_argument("--seconds", type=int, default=180)
    main(**vars(parser.parse_args()))
