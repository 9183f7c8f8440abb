"""Runs the shipped rules with a real exporter, Prometheus, Alertmanager and a fake receiver."""

import contextlib
import http.server
import json
import re
import threading
import urllib.parse

import yaml

from kit.tools import DEPLOY, RULES, ask, ask_text, directory, exporter, free_port, running, tool, wait_for


def seconds(duration):
    """A Prometheus duration in seconds."""
    number, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


# A window over a metric of the exporter, except where a rule counts changes or increases in it.
WINDOW = re.compile(r"(tencentcloud_vpn_(?:up|target_info)|timestamp\(tencentcloud_vpn_up == 1\))\[(\d+[smh])(?::1m)?\]")

# A number of seconds that a rule adds to a time.
ADDED = re.compile(r"\+ (\d+)\b")


def faster(duration):
    """A Prometheus duration that is 40 times shorter."""
    return f"{max(1, seconds(duration) // 40)}s"


def faster_window(found):
    """A match of WINDOW that is 40 times shorter. A subquery has a step of one second."""
    return f"{found[1]}[{faster(found[2])}{':1s' if '==' in found[1] else ''}]"


def fast_rules(place):
    """The rules with all waits, and the windows of blind and missing targets, 40 times shorter, evaluated every second."""
    for path in RULES:
        content = yaml.safe_load(path.read_text())
        for group in content["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                for wait in {"for", "keep_firing_for"} & set(rule):
                    rule[wait] = faster(rule[wait])
                rule["expr"] = WINDOW.sub(faster_window, rule["expr"])
                rule["expr"] = ADDED.sub(lambda found: f"+ {int(found[1]) // 40}", rule["expr"])
        (place / path.name).write_text(yaml.safe_dump(content, sort_keys=False))


def fast_alertmanager(place, url):
    """Alertmanager's configuration with short waits, and one address for all receivers."""
    content = yaml.safe_load((DEPLOY / "prometheus/alertmanager.yml").read_text())
    for route in [content["route"], *content["route"]["routes"]]:
        route |= {"group_wait": "1s", "group_interval": "1s"}
    for receiver in content["receivers"]:
        receiver["webhook_configs"] = [{"url": url, "send_resolved": True}]
    (place / "alertmanager.yml").write_text(yaml.safe_dump(content))


class Pager:
    """The receiver: keeps every notification, in the order of arrival."""

    def __init__(self):
        pager = self
        self.notified = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                pager.notified += body["alerts"]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about(self, name, status=None):
        """The notifications about one alert."""
        return [one for one in self.notified
                if one["labels"]["alertname"] == f"TencentCloudVpn{name}" and status in (None, one["status"])]

    def about_tunnel(self, tunnel=None):
        """The alert and the status of each notification about this tunnel, or about any tunnel."""
        return [(one["labels"]["alertname"].removeprefix("TencentCloudVpn"), one["status"]) for one in self.notified
                if (one["labels"].get("vpn_connection_id") == tunnel if tunnel else "vpn_connection_id" in one["labels"])]


class Prometheus:
    """A Prometheus that can be restarted, as long as the stack of its process is open."""

    def __init__(self, url, process, *command):
        self.url = url
        self.process = process
        self.command = command

    def start(self):
        """Starts it, and waits until it is ready."""
        self.process.enter_context(running(*self.command))
        wait_for("Prometheus is ready", lambda: ask_text(f"{self.url}/-/ready"))

    def restart(self):
        """Stops it, and starts it again with its data."""
        self.process.close()
        self.start()

    def get(self, path, **parameters):
        """The response of its API."""
        return ask(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")["data"]

    def query(self, expr):
        """The series of an instant query."""
        return self.get("query", query=expr)["result"]

    def firing(self, name):
        """The alerts of this name that fire now."""
        return self.query(FIRING % name)

    def fired(self, name):
        """The alerts of this name that have fired, whether notified or inhibited."""
        return self.query(f"last_over_time({FIRING % name}[1h])")

    def lasts(self, name):
        """Whether the alert has fired six times. For TargetBlind this is longer than TunnelDown's `keep_firing_for`."""
        return self.query(f"count_over_time({FIRING % name}[1m]) > 5")


FIRING = 'ALERTS{alertname=~"TencentCloudVpn(%s)",alertstate="firing"}'


CONFIG = """
poll: {{interval: 1s, timeout: 1s}}
api: {{endpoint: "http://127.0.0.1:{port}"}}
accounts:
  - name: production
    regions: [{regions}]
    credentials: {{type: static, secret_id: {SECRET_ID}, secret_key: {SECRET_KEY}}}
"""


class Simulator:
    """A running simulated API."""

    def __init__(self, port, credentials):
        self.port = port
        self.credentials = credentials

    def config(self, place, *regions):
        """The argument of an exporter that polls these regions every second. It writes the configuration to a directory."""
        path = place / f"{self.port}.yml"
        path.write_text(CONFIG.format(port=self.port, regions=", ".join(regions), **self.credentials))
        return f"--config.file={path}"

    def set_faults(self, faults):
        """Replaces its faults."""
        ask_text(f"http://127.0.0.1:{self.port}/_faults", faults)


    def set_gateway_problem(self, region, gateway, problem):
        """Starts a problem of a gateway, such as `isolated`; None ends it."""
        ask_text(f"http://127.0.0.1:{self.port}/_gateway_problem",
                 {"region": region, "vpn_gateway_id": gateway, "problem": problem})


def down(region, row=0):
    """The faults that let a tunnel of this region be down: the one in this row of its listing."""
    # A tunnel that traffic starts would be idle.
    fields = {"NetStatus": "UNAVAILABLE", "NegotiationType": "active"}
    return [{"region": region, "kind": {"replace": {"pointer": f"/Response/VpnConnectionSet/{row}/{field}", "value": value}}}
            for field, value in fields.items()]


def blind(region):
    """The fault that lets every poll of this region fail."""
    return [{"region": region, "kind": "reset"}]


@contextlib.contextmanager
def run_exporter(*arguments, address=None, **options):
    """A running exporter with these arguments, and its address, which is free by default."""
    address = address or f"127.0.0.1:{free_port()}"
    with running(exporter(), *arguments, f"--web.listen-address={address}", **options):
        wait_for("the exporter is ready", lambda: ask_text(f"http://{address}/-/ready"))
        yield address


@contextlib.contextmanager
def run_simulator(*regions, seed=1, port=None):
    """The simulated API with tunnels that stay up, by default on a free port. The seed determines tunnels and credentials."""
    port = port or free_port()
    arguments = [f"--listen-address=127.0.0.1:{port}", f"--regions={','.join(regions)}", "--tunnels=12", f"--seed={seed}"]
    with running(exporter(), "simulate", "--frozen", *arguments) as output:
        wait_for("the simulated API prints the credentials", lambda: "SECRET_KEY=" in output())
        yield Simulator(port, dict(re.findall(r"export TENCENTCLOUD_(\w+)=(\S+)", output())))


@contextlib.contextmanager
def run_prometheus(*addresses, target_labels=None, **job):
    """Prometheus and Alertmanager with the fast rules and these exporters, and the receiver of notifications.

    The job has the shipped settings, but for `job`, and these target labels.
    """
    pager = Pager()
    alertmanager, prometheus = free_port(), free_port()
    with directory() as place:
        (place / "rules").mkdir()
        fast_rules(place / "rules")
        fast_alertmanager(place, pager.url)
        content = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
        content["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        content["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
        content["scrape_configs"][0] |= job | {"static_configs": [{"targets": [*addresses], "labels": target_labels or {}}]}
        (place / "prometheus.yml").write_text(yaml.safe_dump(content))
        with running(
            tool("prometheus-alertmanager"), f"--config.file={place}/alertmanager.yml", f"--storage.path={place}/alertmanager",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
        ), contextlib.ExitStack() as process:
            watcher = Prometheus(
                f"http://127.0.0.1:{prometheus}", process,
                tool("prometheus"), f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/prometheus",
                f"--web.listen-address=127.0.0.1:{prometheus}", "--rules.alert.resend-delay=5s",
                "--rules.alert.for-grace-period=1s",
            )
            watcher.start()
            wait_for("Prometheus scrapes the exporter", lambda: watcher.query("tencentcloud_vpn_exporter_build_info"))
            yield watcher, pager
