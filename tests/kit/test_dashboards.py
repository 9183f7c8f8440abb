"""The dashboards match their generator, have only keys that Grafana knows, and follow the rules of its dashboard-linter."""

import json
import re
import sys
import unittest

import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from kit import expressions
from kit.tools import ROOT, directory, run, tool

sys.path.insert(0, str(ROOT / "dashboards"))
from generator import gateway_facts, tunnels  # noqa: E402
from generator.__main__ import rendered  # noqa: E402
from generator.parts import GATEWAY_RANKS, RANKS  # noqa: E402

DASHBOARDS = {path.name: json.loads(path.read_text()) for path in (ROOT / "dashboards").glob("*.json")}


def panels():
    """Every panel that shows data, with its dashboard's name."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield f"{name}: {panel['title']}", panel


def missing_keys(before, after, path=""):
    """The paths of all keys and elements that differ or are missing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key}"
            else:
                yield from missing_keys(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from missing_keys(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


class Dashboards(unittest.TestCase):
    maxDiff = None

    def test_dashboards_match_the_generator(self):
        made = dict(rendered())
        self.assertEqual(set(made), set(DASHBOARDS))
        for name, text in made.items():
            self.assertEqual(text, (ROOT / "dashboards" / name).read_text(),
                             f"{name} is out of step: run `python -m generator` in dashboards/")

    def test_grafana_knows_every_key(self):
        plugins.register_default_plugins()
        for name, dashboard in DASHBOARDS.items():
            again = json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))
            self.assertEqual([], list(missing_keys(dashboard, again)), name)

    def test_panels_have_unit_description_and_no_data_text(self):
        for name, panel in panels():
            with self.subTest(name):
                defaults = panel["fieldConfig"]["defaults"]
                self.assertTrue(defaults["unit"] and defaults["noValue"] and panel["description"] and panel["targets"])

    def test_no_panel_covers_another(self):
        for name, dashboard in DASHBOARDS.items():
            cells = [
                (x, y)
                for place in (panel["gridPos"] for panel in dashboard["panels"])
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            ]
            self.assertEqual(len(cells), len(set(cells)), name)
            self.assertLess(max(x for x, _ in cells), 24, name)

    def test_every_used_variable_is_defined(self):
        for name, dashboard in DASHBOARDS.items():
            chosen = {variable["name"] for variable in dashboard["templating"]["list"]}
            expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
            used = set(re.findall(r"\$\{?([a-z]\w*)", " ".join(expressions)))
            self.assertLessEqual(used, chosen, name)

    def test_dashboards_have_variables_and_alert_annotations(self):
        for name, dashboard in DASHBOARDS.items():
            chosen = [variable["name"] for variable in dashboard["templating"]["list"]]
            self.assertEqual(["datasource", "account", "region"], chosen[:3], name)
            self.assertTrue(all("ALERTS" in mark["expr"] for mark in dashboard["annotations"]["list"]), name)
            self.assertTrue(dashboard["annotations"]["list"], name)

    def test_links_point_to_existing_dashboards(self):
        known = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
        linked = set(re.findall(r"/d/([\w-]+)", json.dumps(DASHBOARDS)))
        self.assertTrue(linked)
        self.assertLessEqual(linked, known)

    def test_traffic_panels_say_what_no_data_means(self):
        found = [(name, panel) for name, panel in panels()
                 if any(expressions.TRAFFIC.search(target["expr"]) for target in panel["targets"])]
        self.assertEqual({name.partition(":")[0] for name, _ in found}, set(DASHBOARDS))
        for name, panel in found:
            with self.subTest(name):
                self.assertIn("traffic.enabled: false", panel["fieldConfig"]["defaults"]["noValue"])
                self.assertIn("No data means", panel["description"])
                self.assertIn("set traffic.enabled: true", panel["description"])
                if re.search("packet_loss|latency", panel["targets"][0]["expr"]):
                    self.assertIn("only where a health check is configured", panel["description"])

    def test_only_the_api_statuses_of_one_tunnel_are_shown_beside_the_status(self):
        for name, expr in expressions.dashboards():
            if re.search(r"tunnel_(up|state|net_status|health_check_\w+)\b", expr):
                self.assertIn(name.rpartition(" ")[0], {"tunnel: State", "tunnel: Net status", "tunnel: Health check",
                                                        "tunnel: Statuses of the API"})


TUNNEL = 'account="a",region="r",vpn_gateway_id="g",vpn_connection_id="t"'
LABELS = {"account": "a", "region": "r", "vpn_gateway_id": "g", "vpn_connection_id": "t"}


def replica(instance, up, last_success, status):
    """The series of one replica that publishes one tunnel."""
    target = f'job="vpn",instance="{instance}",account="a",region="r"'
    tunnel = f'job="vpn",instance="{instance}",{TUNNEL}'
    return [
        {"series": f"tencentcloud_vpn_up{{{target}}}", "values": up},
        {"series": f"tencentcloud_vpn_last_success_timestamp_seconds{{{target}}}", "values": last_success},
        *({"series": f'tencentcloud_vpn_tunnel_status{{{tunnel},status="{name}"}}', "values": int(name == status)}
          for name in RANKS),
    ]


GATEWAY = 'account="a",region="r",vpn_gateway_id="g"'
STATES = ("PENDING", "PENDING_ERROR", "AVAILABLE", "DELETING", "DELETING_ERROR", "UNKNOWN")


def gateway(instance, name, up=1, last_success=1000, state="AVAILABLE", restricted=0, blocked=0, expiry=None, renew="", peer=""):
    """The series of one replica that publishes one gateway, and one customer gateway if it has a name."""
    target = f'job="vpn",instance="{instance}",account="a",region="r"'
    labels = f'job="vpn",instance="{instance}",{GATEWAY}'
    series = {
        f"gateways_up{{{target}}}": up,
        f'gateway_info{{{labels},vpn_gateway_name="{name}",renew_flag="{renew}",public_ip_address="198.51.100.7"}}': 1,
        **{f'gateway_state{{{labels},state="{one}"}}': int(one == state) for one in STATES},
        f"gateway_restricted{{{labels}}}": restricted,
        f"gateway_address_blocked{{{labels}}}": blocked,
    }
    if last_success:
        series[f"gateways_last_success_timestamp_seconds{{{target}}}"] = last_success
    if expiry is not None:
        series[f"gateway_expiry_timestamp_seconds{{{labels}}}"] = expiry
    if peer:
        series[f'customer_gateway_info{{{target},customer_gateway_id="c",customer_gateway_name="{peer}"}}'] = 1
    return [{"series": f"tencentcloud_vpn_{one}", "values": value} for one, value in series.items()]


class Evaluation(unittest.TestCase):
    """Queries that promtool evaluates."""

    def evaluate(self, expected, *replicas, at="0m"):
        """Each expression must give the tunnel with these labels and this value, or nothing."""
        test = {"interval": "1m", "input_series": [one for series in replicas for one in series], "promql_expr_test": [
            {"expr": expr, "eval_time": at, "exp_samples": [] if value is None else [{"labels": labels, "value": value}]}
            for expr, labels, value in expected
        ]}
        with directory() as path:
            (path / "test.yml").write_text(yaml.safe_dump({"tests": [test]}))
            run(tool("promtool"), "test", "rules", path / "test.yml")


class Status(Evaluation):
    """The status that all panels show."""

    def expect(self, status, blind, *replicas):
        expected = [(tunnels.status(""), f"{{{TUNNEL}}}", RANKS[status] + (0 if blind else 10))]
        expected += [(tunnels.having(name, ""), f"{{{TUNNEL}}}", 1 if name == status else None) for name in RANKS]
        self.evaluate(expected, *replicas)

    def test_each_status_is_shown(self):
        for status in RANKS:
            with self.subTest(status):
                self.expect(status, False, replica("x", 1, 1000, status))

    def test_newest_listing_wins(self):
        self.expect("down", False, replica("x", 1, 1000, "up"), replica("y", 1, 1030, "down"))
        self.expect("up", False, replica("x", 1, 1060, "up"), replica("y", 1, 1030, "down"))

    def test_blind_replica_loses(self):
        self.expect("up", False, replica("x", 1, 1000, "up"), replica("y", 0, 1900, "down"))

    def test_blind_target_keeps_its_status(self):
        self.expect("down", True, replica("x", 0, 1000, "up"), replica("y", 0, 1900, "down"))

    def test_down_tunnels_have_names_and_a_time(self):
        names = 'vpn_connection_name="n",customer_gateway_id="c",remote_identity="p"'
        down, seen, problem = (
            expressions.filled_in(target["expr"], LABELS) for target in DASHBOARDS["overview.json"]["panels"][0]["targets"])
        info = {"series": f'tencentcloud_vpn_tunnel_info{{job="vpn",instance="x",{TUNNEL},{names}}}', "values": "1"}
        changed = {"series": f"tencentcloud_vpn_tunnel_last_transition_timestamp_seconds{{{TUNNEL}}}", "values": "900"}
        for since, extra, ends, rank in (
            (0, [], 'gateway="g",peer="c"', None),
            (900_000, [changed, *gateway("x", "hq", blocked=1, peer="branch")],
             'gateway="hq",vpn_gateway_name="hq",peer="branch",customer_gateway_name="branch"', 2),
            (0, gateway("x", "hq", up=0, last_success=None), 'gateway="hq",vpn_gateway_name="hq",peer="c"', None),
        ):
            self.evaluate(
                [(down, f"{{{TUNNEL},{names},{ends}}}", since), (seen, f"{{{TUNNEL}}}", 1), (problem, f"{{{TUNNEL}}}", rank)],
                replica("x", 1, 1000, "down"), [info, *extra])

    def test_blind_replica_shows_neither_names_nor_api_statuses(self):
        shown = {}
        for panel in DASHBOARDS["tunnel.json"]["panels"]:
            if panel["title"] in ("Net status", "IKE parameters"):
                shown[panel["title"]] = expressions.filled_in(panel["targets"][0]["expr"], LABELS)
        series = []
        for instance, net_status, version in (("x", "AVAILABLE", "IKEV2"), ("blind", "UNAVAILABLE", "IKEV1")):
            one = f'job="vpn",instance="{instance}",{TUNNEL}'
            series += [
                {"series": f'tencentcloud_vpn_tunnel_net_status{{{one},status="{net_status}"}}', "values": "1"},
                {"series": f'tencentcloud_vpn_tunnel_ike_info{{{one},ike_version="{version}"}}', "values": "1"},
                {"series": f'tencentcloud_vpn_tunnel_info{{{one},vpn_connection_name="{instance}"}}', "values": "1"},
            ]
        self.evaluate(
            [(shown["Net status"], "{}", 1), (shown["IKE parameters"], '{vpn_connection_id="t",ike_version="IKEV2"}', 1),
             (tunnels.named(tunnels.having("up", ""), scope=""), f'{{{TUNNEL},vpn_connection_name="x"}}', 1)],
            replica("x", 1, 1000, "up"), replica("blind", 0, 900, "down"), series)


class Gateways(Evaluation):
    """The gateways that all panels show."""

    def panel(self, title):
        (panel,) = (one for one in DASHBOARDS["gateways.json"]["panels"] if one["title"] == title)
        return expressions.filled_in(panel["targets"][0]["expr"], LABELS)

    def test_first_status_that_applies_is_shown(self):
        for status, series in {
            "isolated": {"restricted": 1, "blocked": 1, "state": "PENDING_ERROR"},
            "address blocked": {"blocked": 1, "state": "DELETING_ERROR"},
            "error": {"state": "DELETING_ERROR"},
            **{name: {"state": name.upper()} for name in ("unknown", "pending", "deleting", "available")},
        }.items():
            with self.subTest(status):
                rank = GATEWAY_RANKS[status]
                self.evaluate([(gateway_facts.gateway_status(""), f"{{{GATEWAY}}}", rank),
                               (gateway_facts.broken(""), f"{{{GATEWAY}}}", rank if rank <= 3 else None)],
                              gateway("x", "n", **series))

    def test_gateways_without_automatic_renewal_need_attention(self):
        for days, renew, rank in ((13, "", 11), (-1, "", 10), (15, "", None), (13, "NOTIFY_AND_AUTO_RENEW", None)):
            with self.subTest(days=days, renew=renew):
                labels = f'{GATEWAY},vpn_gateway_name="n",public_ip_address="198.51.100.7"' + (f',renew_flag="{renew}"' if renew else "")
                self.evaluate([(self.panel("Needs attention"), f"{{{labels}}}", rank)],
                              gateway("x", "n", expiry=days * 86_400, renew=renew))

    def test_replica_with_newest_listing_names_the_gateway(self):
        named = gateway_facts.with_gateway(tunnels.having("up", ""), "")
        for name, replicas in {
            "new": (gateway("x", "old", last_success=1000), gateway("y", "new", last_success=1030)),
            "seen": (gateway("x", "old", up=0, last_success=1030), gateway("y", "seen", last_success=1000)),
            "one": (gateway("x", "one", up=0, last_success=None), []),
            "": ([], []),
        }.items():
            with self.subTest(name):
                labels = f'gateway="{name}",vpn_gateway_name="{name}"' if name else 'gateway="g"'
                self.evaluate([(expressions.filled_in(named, LABELS), f"{{{TUNNEL},{labels}}}", 1)],
                              replica("x", 1, 1000, "up"), replica("y", 1, 990, "up"), *replicas)

    def test_unlisted_gateway_of_a_tunnel_needs_attention(self):
        expr = self.panel("Needs attention")
        seen = [one for one in gateway("x", "n") if "{" in one["series"] and "vpn_gateway_id" not in one["series"]]
        self.evaluate([(expr, f"{{{GATEWAY}}}", 12), (self.panel("Not listed"), "{}", 1)], replica("x", 1, 1000, "up"), seen)
        self.evaluate([(expr, "{}", None), (self.panel("Not listed"), "{}", None)], replica("x", 1, 1000, "up"))


def traffic(instance, up=1, last_success=1000, tunnel=TUNNEL, **values):
    """The series of one replica that queries traffic. Without values its queries never returned a data point."""
    target = f'job="vpn",instance="{instance}",account="a",region="r"'
    series = {f"traffic_up{{{target}}}": up}
    if last_success:
        series[f"traffic_last_success_timestamp_seconds{{{target}}}"] = last_success
    for name, value in values.items():
        labels = tunnel if name.startswith("tunnel_") else GATEWAY
        series[f'{name}{{job="vpn",instance="{instance}",{labels}}}'] = value
    return [{"series": f"tencentcloud_vpn_{one}", "values": value} for one, value in series.items()]


class Traffic(Evaluation):
    """What the panels show of Cloud Monitor's data."""

    def queries(self, dashboard, title):
        """The queries of a panel."""
        (panel,) = (one for one in DASHBOARDS[dashboard]["panels"] if one["title"] == title)
        return [expressions.filled_in(target["expr"], LABELS) for target in panel["targets"]]

    def test_bytes_are_shown_as_bits(self):
        receive, transmit = self.queries("tunnel.json", "Receive and transmit")
        self.evaluate([(receive, "{}", 800), (transmit, "{}", 1600)],
                      traffic("x", tunnel_receive_bytes_per_second=100, tunnel_transmit_bytes_per_second=200))

    def test_newest_good_query_wins(self):
        (latency,) = self.queries("tunnel.json", "Latency")
        for value, replicas in {
            1: (traffic("x", last_success=1060, tunnel_latency_seconds=1), traffic("y", tunnel_latency_seconds=2)),
            2: (traffic("x", up=0, last_success=1060, tunnel_latency_seconds=1), traffic("y", tunnel_latency_seconds=2)),
            3: (traffic("x", up=0, last_success=None, tunnel_latency_seconds=3), []),
            None: (traffic("x", last_success=1060), traffic("y", tunnel_latency_seconds=2)),
        }.items():
            with self.subTest(value):
                self.evaluate([(latency, "{}", value)], *replicas)

    def test_replica_without_traffic_hides_no_data(self):
        (latency,) = self.queries("tunnel.json", "Latency")
        self.evaluate([(latency, "{}", 2)],
                      replica("off", 1, 2000, "up"), replica("y", 1, 1000, "up"), traffic("y", tunnel_latency_seconds=2))

    def test_top_talkers_have_names_and_both_directions(self):
        names = 'vpn_connection_name="n",customer_gateway_id="c",remote_identity="p"'
        ends = 'gateway="hq",vpn_gateway_name="hq",peer="branch",customer_gateway_name="branch"'
        info = {"series": f'tencentcloud_vpn_tunnel_info{{job="vpn",instance="x",{TUNNEL},{names}}}', "values": "1"}
        series = [replica("x", 1, 1000, "up"), gateway("x", "hq", peer="branch"), [info],
                  traffic("x", tunnel_receive_bytes_per_second=100, tunnel_transmit_bytes_per_second=200)]
        (total,) = self.queries("overview.json", "Top talkers")
        self.evaluate([(total, f"{{{TUNNEL},{names},{ends}}}", 2400)], *series)
        both, receive, transmit = self.queries("gateways.json", "Top talkers")
        self.evaluate([(both, f"{{{TUNNEL},{names},{ends}}}", 2400), (receive, f"{{{TUNNEL}}}", 800),
                       (transmit, f"{{{TUNNEL}}}", 1600)], *series)

    def test_ten_tunnels_that_carry_most_are_chosen(self):
        chosen = expressions.filled_in(dict(expressions.dashboards())["overview: variable busiest"], LABELS)
        series = [traffic("x", tunnel=TUNNEL.replace('"t"', f'"t{number}"'), tunnel_receive_bytes_per_second=number,
                          tunnel_transmit_bytes_per_second=1) for number in range(12)]
        # All have the same series of the target.
        series = [series[0], *([one for one in some if "vpn_connection_id" in one["series"]] for some in series[1:])]
        self.evaluate([(f"count({chosen})", "{}", 10), (f"min({chosen})", "{}", 3)], *series)

    def test_gateways_are_compared_with_their_bandwidth(self):
        labels = f'{GATEWAY},gateway="hq",vpn_gateway_name="hq"'
        paid = {"series": f'tencentcloud_vpn_gateway_bandwidth_bytes_per_second{{job="vpn",instance="x",{GATEWAY}}}', "values": 1000}
        series = [gateway("x", "hq"), [paid], traffic(
            "x", gateway_receive_bytes_per_second=100, gateway_transmit_bytes_per_second=900, gateway_bandwidth_usage_ratio=0.9,
            gateway_traffic_timestamp_seconds=-180)]
        expected = {
            ("overview.json", "Gateways with the highest usage"): [0.9], ("gateways.json", "Usage of the bandwidth"): [0.9],
            ("gateways.json", "Receive and transmit"): [800, 7200, 8000], ("gateways.json", "Traffic now"): [180],
        }
        for place, values in expected.items():
            with self.subTest(place):
                self.evaluate([(expr, f"{{{labels}}}", value) for expr, value in zip(self.queries(*place), values)], *series)
        self.evaluate([(self.queries("gateways.json", "Receive and transmit")[2], "{}", None)], gateway("x", "hq"), [paid])

    def test_requests_of_all_replicas_are_added(self):
        (requests,) = self.queries("exporter.json", "Cloud Monitor requests in 30 days")
        labels = 'job="vpn",account="a",action='
        series = [{"series": f'tencentcloud_vpn_api_requests_total{{instance="{instance}",{labels}"{action}"}}', "values": "0+9x60"}
                  for instance in "xy" for action in ("GetMonitorData", "DescribeVpnGateways")]
        self.evaluate([(requests, '{account="a"}', 1080)], series, at="1h")


# The rules of Grafana's dashboard-linter, by their names there. Each yields the places that break it.

UNITS = {"none", "short", "s", "bytes", "ops", "reqps", "dateTimeAsIso", "dateTimeFromNow", "bps", "pps", "percentunit"}


def variables(dashboard, kind):
    """The variables of one type."""
    return [variable for variable in dashboard["templating"]["list"] if variable["type"] == kind]


def one_data_source(dashboard):
    chosen = [(variable["name"], variable["label"]) for variable in variables(dashboard, "datasource")]
    if chosen != [("datasource", "Data source")]:
        yield f"data sources {chosen}"


def has_variable(name):
    def rule(dashboard):
        if name not in [variable["name"] for variable in variables(dashboard, "query")]:
            yield f"no variable {name}"
    return rule


def variables_follow_the_time_range(dashboard):
    yield from (variable["name"] for variable in variables(dashboard, "query") if variable["refresh"] != 2)


def is_not_editable(dashboard):
    if dashboard["editable"]:
        yield "editable"


def of_panels(breaks):
    """A rule about single panels."""
    def rule(dashboard):
        yield from (panel["title"] for panel in dashboard["panels"] if panel["type"] != "row" and breaks(panel))
    return rule


def of_targets(breaks):
    """A rule about single queries."""
    return of_panels(lambda panel: any(breaks(target["expr"]) for target in panel["targets"]))


def uses_other_data_source(panel):
    return {one["datasource"]["uid"] for one in [panel, *panel["targets"]]} != {"${datasource}"}


def has_unknown_unit(panel):
    overridden = [one["value"] for each in panel["fieldConfig"]["overrides"] for one in each["properties"] if one["id"] == "unit"]
    return not {panel["fieldConfig"]["defaults"]["unit"], *overridden} <= UNITS


def has_other_rate_interval(expr):
    return set(re.findall(r"\bi?rate\([^\[]*\[([^\]]*)\]", expr)) - {"$__rate_interval"}


def has_bare_counter(expr):
    counters = re.findall(r"\w+_total\b", expr)
    return len(counters) != len(re.findall(r"\b(?:i?rate|increase)\(\w+_total(?:\{[^}]*\})?\[", expr))


def lacks_matcher(label):
    return lambda expr: any(f'{label}=~"${label}"' not in selector for selector in expressions.selectors(expr))


LINT = {
    "template-datasource-rule": one_data_source,
    "template-job-rule": has_variable("job"),
    "template-instance-rule": has_variable("instance"),
    "template-on-time-change-reload-rule": variables_follow_the_time_range,
    "panel-datasource-rule": of_panels(uses_other_data_source),
    "panel-title-description-rule": of_panels(lambda panel: not (panel["title"] and panel["description"])),
    "panel-units-rule": of_panels(has_unknown_unit),
    "panel-no-targets-rule": of_panels(lambda panel: not panel["targets"]),
    "target-rate-interval-rule": of_targets(has_other_rate_interval),
    "target-job-rule": of_targets(lacks_matcher("job")),
    "target-instance-rule": of_targets(lacks_matcher("instance")),
    "target-counter-agg-rule": of_targets(has_bare_counter),
    "uneditable-dashboard-rule": is_not_editable,
}


class Lint(unittest.TestCase):
    def test_rules_hold_or_lint_file_says_why_not(self):
        exclusions = yaml.safe_load((ROOT / "dashboards/.lint").read_text())["exclusions"]
        self.assertLessEqual(set(exclusions), set(LINT))
        for rule, breaks in LINT.items():
            with self.subTest(rule):
                found = [f"{name}: {place}" for name, dashboard in DASHBOARDS.items() for place in breaks(dashboard)]
                if rule in exclusions:
                    self.assertTrue(found and exclusions[rule]["reason"], "an exclusion without need or reason")
                else:
                    self.assertEqual([], found)

    def test_queries_of_panels_and_variables_are_valid(self):
        """The rules target-promql-rule and template-label-promql-rule."""
        tunnel = dict.fromkeys(("account", "region", "vpn_gateway_id", "vpn_connection_id"), "x")
        rules = [{"record": "x", "expr": expressions.filled_in(expr, tunnel), "labels": {"query": name}}
                 for name, expr in expressions.dashboards()]
        with directory() as path:
            (path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
            self.assertIn(f"{len(rules)} rules found", run(tool("promtool"), "check", "rules", "--lint=none", path / "rules.yml"))
