"""Every PromQL expression in the shipped files: its place, metrics and labels."""

import json
import re

from kit.tools import ROOT, rules

# Names of Prometheus itself, and names that rules and dashboards create.
NAME = re.compile(r"\b(?:tencentcloud_vpn[\w:]+|process_\w+|scrape_\w+|ALERTS|up)\b(?!\s*\()")
LABEL_LISTS = re.compile(r"\b(?:by|on|group_left|group_right|without|ignoring)\s*\(([^()]*)\)")

# What exists only with `traffic.enabled: true`: metrics, and the action that is called for them.
TRAFFIC = re.compile(r"tencentcloud_vpn_(traffic|(tunnel|gateway)_(receive|transmit|traffic)|tunnel_(packet_loss|latency)"
                     r"|gateway_bandwidth_usage)_\w+|GetMonitorData")


def dashboards():
    """The queries of panels, variables and annotations."""
    for path in sorted((ROOT / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']} {target['refId']}", target["expr"]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                call = re.fullmatch(r"(label_values|query_result)\((.*?)(?:, *(\w+))?\)", variable["query"]["query"])
                kind, expr, label = call.groups()
                yield f"{path.stem}: variable {variable['name']}", f"count by ({label}) ({expr})" if label else expr
        for mark in dashboard["annotations"]["list"]:
            yield f"{path.stem}: annotation {mark['name']}", mark["expr"]


def runbooks():
    """The queries in runbooks."""
    for path in sorted((ROOT / "docs/runbooks").glob("*.md")):
        for number, expr in enumerate(re.findall(r"```promql\n(.*?)```", path.read_text(), re.DOTALL), start=1):
            yield f"{path.stem} {number}", expr.strip()


def recordings():
    """The recording rules."""
    for rule in rules():
        if "record" in rule:
            yield rule["record"], rule["expr"]


def alert_expressions():
    """The expressions of alerts."""
    for rule in rules():
        if "alert" in rule:
            yield rule["alert"], rule["expr"]


def everything():
    """All expressions."""
    for source in (dashboards, runbooks, recordings, alert_expressions):
        yield from source()


def selectors(expr):
    """The names in an expression, each with its matchers."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: " " * len(text.group()), expr)
    for found in NAME.finditer(bare):
        end = found.end()
        if bare[end:end + 1] == "{":
            end = bare.index("}", end) + 1
        yield expr[found.start():end]


def labels(expr):
    """The labels that an expression groups or joins by."""
    for names in LABEL_LISTS.findall(expr):
        yield from filter(None, (name.strip() for name in names.split(",")))


def filled_in(expr, tunnel):
    """An expression with variables replaced by one tunnel's labels."""
    values = {
        "$__range": "2m", "$__range_s": "120", "$__rate_interval": "10s", "$account": ".*", "$region": ".*", "$gateway": ".*",
        "$tunnel": tunnel["vpn_connection_id"], "$changed": tunnel["vpn_connection_id"],
        "$busiest": tunnel["vpn_connection_id"], "$watched": tunnel["vpn_gateway_id"], "$fullest": tunnel["vpn_gateway_id"],
        "ACCOUNT": tunnel["account"], "REGION": tunnel["region"], "GATEWAY": tunnel["vpn_gateway_id"],
        "TUNNEL": tunnel["vpn_connection_id"], "CUSTOMER_GATEWAY": tunnel.get("customer_gateway_id", ""),
    }
    return re.sub(r"\$\w+|\b[A-Z]+(_[A-Z]+)?\b", lambda name: values.get(name.group(), name.group()), expr)
