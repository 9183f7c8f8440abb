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
WINDOW = re.compile(r"(tencentcloud_vpn_(?:up|target_info|last_success_timestamp_seconds))\[(\d+[smh])\]")


def faster(duration):
    """A Prometheus duration that is 40 times shorter."""
    return f"{max(1, seconds(duration) // 40)}s"


def fast_rules(place):
    """The rules with all waits, and the windows of blind and missing targets, 40 times shorter, evaluated every second."""
    for path in RULES:
        content = yaml.safe_load(path.read_text())
        for group in content["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                for wait in {"for", "keep_firing_for"} & set(rule):
                    rule[wait] = faster(rule[wait])
                rule["expr"] = WINDOW.sub(lambda found: f"{found[1]}[{faster(found[2])}]", rule["expr"])
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


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        """The response of its API."""
        return ask(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")["data"]

    def query(self, expr):
        """The series of an instant query."""
        return self.get("query", query=expr)["result"]


@contextlib.contextmanager
def run_exporter(*arguments, **options):
    """A running exporter with these arguments, and its address."""
    address = f"127.0.0.1:{free_port()}"
    with running(exporter(), *arguments, f"--web.listen-address={address}", **options):
        wait_for("the exporter is ready", lambda: ask_text(f"http://{address}/-/ready"))
        yield address


@contextlib.contextmanager
def run_simulator(port, seed, regions="ap-guangzhou"):
    """The simulated API on a port, and the credentials that it accepts. The seed determines them."""
    arguments = [f"--listen-address=127.0.0.1:{port}", f"--regions={regions}", "--tunnels=40", f"--seed={seed}"]
    with running(exporter(), "simulate", *arguments) as said:
        wait_for("the simulated API says what it accepts", lambda: "SECRET_KEY=" in said())
        yield dict(re.findall(r"export TENCENTCLOUD_(\w+)=(\S+)", said()))


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
        ), running(
            tool("prometheus"), f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/prometheus",
            f"--web.listen-address=127.0.0.1:{prometheus}", "--rules.alert.resend-delay=1s",
        ):
            watcher = Prometheus(f"http://127.0.0.1:{prometheus}")
            wait_for("Prometheus is ready", lambda: ask_text(f"{watcher.url}/-/ready"))
            wait_for("Prometheus scrapes the exporter", lambda: watcher.query("tencentcloud_vpn_exporter_build_info"))
            yield watcher, pager
