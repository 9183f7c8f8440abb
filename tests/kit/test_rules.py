"""promtool accepts the rules, and their unit tests pass."""

import re
import shutil
import unittest
from concurrent.futures import ThreadPoolExecutor

import yaml

from kit.tools import DEPLOY, ROOT, RULES, alerts, directory, groups, rules, run, tool

TESTS = sorted((ROOT / "tests/rules").glob("*.yml"))


def jobs():
    """Every job and endpoint of a shipped or documented scrape configuration, by file, except the chart's."""
    files = [path for path in DEPLOY.rglob("*.y*ml") if "templates" not in path.parts]
    texts = [(path, path.read_text()) for path in files]
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        texts += [(path, block) for block in re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)]
    for path, text in texts:
        for document in yaml.safe_load_all(text):
            content = document if isinstance(document, dict) else {}
            for job in content.get("scrape_configs", []):
                yield path.name, job.get("honor_labels")
            if content.get("kind") in {"ServiceMonitor", "PodMonitor"}:
                for endpoint in content["spec"].get("endpoints", []) + content["spec"].get("podMetricsEndpoints", []):
                    yield path.name, endpoint.get("honorLabels")


class Rules(unittest.TestCase):
    def test_promtool_accepts_the_rules(self):
        run(tool("promtool"), "check", "rules", *RULES)

    def test_their_unit_tests_pass(self):
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(run, tool("promtool"), "test", "rules", path) for path in TESTS]:
                done.result()

    def test_each_alert_has_firing_and_non_firing_cases(self):
        seen = {name: {True: 0, False: 0} for name in alerts()}
        for path in TESTS:
            for group in yaml.safe_load(path.read_text())["tests"]:
                for case in group.get("alert_rule_test", []):
                    seen[case["alertname"]][bool(case.get("exp_alerts"))] += 1
        lacking = {name: counts for name, counts in seen.items() if counts[True] < 1 or counts[False] < 2}
        self.assertEqual({}, lacking, "alerts without one firing and two non-firing test cases")

    def test_each_alert_has_severity_and_annotations(self):
        for name, alert in alerts().items():
            with self.subTest(name):
                self.assertRegex(name, r"^TencentCloudVpn[A-Z]")
                self.assertIn(alert["labels"]["severity"], {"critical", "warning", "info"})
                self.assertEqual({"summary", "runbook_url"}, set(alert["annotations"]) - {"description"})

    def test_gateway_has_the_same_times_as_its_tunnels(self):
        # An isolated or blocked gateway fires earlier, because it inhibits them all.
        for name, after in [("GatewayIsolated", "1m"), ("GatewayAddressBlocked", "1m"), ("GatewayDown", "2m"), ("TunnelDown", "2m")]:
            alert = alerts()[f"TencentCloudVpn{name}"]
            self.assertEqual((after, "5m"), (alert["for"], alert["keep_firing_for"]), name)

    def test_alerts_about_tunnels_leave_muted_ones_out(self):
        about_tunnels = [name for name in alerts() if re.match("TencentCloudVpn(Tunnel|GatewayDown|Redundancy)", name)]
        self.assertEqual(12, len(about_tunnels))
        for name in about_tunnels:
            # Each set of tunnels in the expression excludes the muted ones.
            sets = len(re.findall(r"\bcount by|\band on \(account, region, customer_gateway_id\)", alerts()[name]["expr"])) or 1
            muted = len(re.findall(r"unless [^()]*(?:\([^()]*\) )?(?:last_over_time\()?tencentcloud_vpn:tunnel_muted", alerts()[name]["expr"]))
            self.assertEqual(sets, muted, name)

    def test_alerts_about_gateways_leave_muted_ones_out(self):
        about_gateways = [rule for rule in rules() if re.match("TencentCloudVpnGateway(?!Down|s)", rule.get("alert", ""))]
        self.assertEqual(6, len(about_gateways))
        for rule in about_gateways:
            self.assertRegex(rule["expr"], r"unless (ignoring \(problem\) )?tencentcloud_vpn:gateway_muted$")

    def test_only_the_alert_about_expiry_has_two_severities(self):
        names = [rule["alert"] for rule in rules() if "alert" in rule]
        self.assertEqual(["TencentCloudVpnGatewayExpiring"], [name for name in set(names) if names.count(name) > 1])
        expiring = [rule for rule in rules() if rule.get("alert") == "TencentCloudVpnGatewayExpiring"]
        self.assertEqual(["warning", "critical"], [rule["labels"]["severity"] for rule in expiring])

    def test_rules_do_not_read_their_own_past(self):
        names = {
            "tencentcloud-vpn": ["tunnel_status", "gateways_outdated", "gateway_tag_mute", "tunnel_muted", "gateway_problem",
                                 "gateway_expires_in_seconds", "gateway_muted"],
            "tencentcloud-vpn-traffic-unused": ["tunnel_unused"],
        }
        found = {group["name"]: [rule for rule in group["rules"] if "record" in rule] for group in groups()}
        self.assertEqual(
            {group: [f"tencentcloud_vpn:{name}" for name in every] for group, every in names.items()},
            {group: [rule["record"] for rule in every] for group, every in found.items() if every})
        for recordings in found.values():
            for number, rule in enumerate(recordings):
                # A recording that was evaluated just before, and without a range, is not the past.
                for not_yet_evaluated in recordings[number:]:
                    self.assertNotIn(not_yet_evaluated["record"], rule["expr"])
                self.assertNotRegex(rule["expr"], r"tencentcloud_vpn:\w+({[^}]*})?(\[| offset)", rule["record"])
        for rule in rules():
            self.assertNotRegex(rule["expr"], r"\bALERTS", rule)

    def test_rules_have_few_lines(self):
        # Those about traffic can be left out.
        lines = {path.name: len(path.read_text().splitlines()) for path in RULES}
        self.assertLessEqual(lines.pop("traffic.yml"), 50)
        self.assertLessEqual(sum(lines.values()), 400)

    def test_other_rules_do_not_need_those_about_traffic(self):
        for path in RULES:
            if path.name != "traffic.yml":
                self.assertNotRegex(path.read_text(), r"tencentcloud_vpn:tunnel_unused|tencentcloud_vpn_traffic", path.name)

    def test_alerts_in_rare_groups_have_no_for(self):
        # A restart of Prometheus forgets the state of `for` until a group was evaluated three times.
        for group in groups():
            if group["interval"] not in {"15s", "1m"}:
                self.assertEqual([], [rule for rule in group["rules"] if {"for", "keep_firing_for"} & set(rule)], group["name"])

    def test_inhibiting_alerts_come_before_inhibited_ones(self):
        order = list(alerts())
        for first, then in [("ExporterGone", "TargetBlind"), ("TargetBlind", "GatewayDown"), ("TargetGone", "GatewayDown"),
                            ("GatewayIsolated", "GatewayDown"), ("GatewayAddressBlocked", "GatewayDown"),
                            ("GatewayDown", "TunnelDown"), ("NoTunnels", "TunnelDisappeared"), ("AccountBlind", "RegionDiscoveryFailing")]:
            self.assertLess(order.index(f"TencentCloudVpn{first}"), order.index(f"TencentCloudVpn{then}"))

    def test_groups_have_at_most_20_rules(self):
        # The default of Mimir's limit max_rules_per_rule_group.
        for group in groups():
            with self.subTest(group["name"]):
                self.assertLessEqual(len(group["rules"]), 20)

    def test_alerts_about_blind_targets_inhibit_neither_too_late_nor_too_long(self):
        for name in ("TargetBlind", "TargetGone"):
            alert = alerts()[f"TencentCloudVpn{name}"]
            self.assertIn(alert["for"], {"2m", "3m"}, "shorter than the keep_firing_for of TunnelDown")
            self.assertEqual(alerts()["TencentCloudVpnTunnelDown"]["for"], alert["keep_firing_for"])


EXAMPLES_FIRE = """
rule_files: [0.yml, 1.yml, 2.yml, 3.yml, 4.yml, 5.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'tencentcloud_vpn:tunnel_status{account="test",region="r",vpn_gateway_id="g",vpn_connection_id="x",status="down"}', values: 1x600}
      - {series: 'tencentcloud_vpn:tunnel_status{account="test",region="r",vpn_gateway_id="g",vpn_connection_id="y",status="up"}', values: 1x600}
      - {series: 'tencentcloud_vpn_tunnel_info{account="test",region="r",vpn_connection_id="x",tag_team="network",tag_site="a",customer_gateway_id="c"}', values: 1x600}
      - {series: 'tencentcloud_vpn_tunnel_info{account="test",region="r",vpn_connection_id="y",tag_team="network",tag_site="b"}', values: 1x600}
      # Two replicas know the gateway and the peer of x. The gateway of z is not listed.
      - {series: 'tencentcloud_vpn_gateway_info{instance="a",account="test",region="r",vpn_gateway_id="g",vpn_gateway_name="hub"}', values: 1x600}
      - {series: 'tencentcloud_vpn_gateway_info{instance="b",account="test",region="r",vpn_gateway_id="g",vpn_gateway_name="hub"}', values: 1x600}
      - {series: 'tencentcloud_vpn_customer_gateway_info{instance="a",account="test",region="r",customer_gateway_id="c",customer_gateway_name="branch",ip_address="198.51.100.7"}', values: 1x600}
      - {series: 'tencentcloud_vpn_customer_gateway_info{instance="b",account="test",region="r",customer_gateway_id="c",customer_gateway_name="branch",ip_address="198.51.100.7"}', values: 1x600}
      - {series: 'tencentcloud_vpn:tunnel_status{account="other",region="r",vpn_gateway_id="h",vpn_connection_id="z",status="down"}', values: _x79 1x520}
    promql_expr_test:
      - expr: count by (vpn_connection_id, vpn_gateway_name, customer_gateway_name, ip_address) (ALERTS{alertname="TunnelDownWithNames",alertstate="firing"})
        eval_time: 90m
        exp_samples:
          - {labels: '{vpn_connection_id="x",vpn_gateway_name="hub",customer_gateway_name="branch",ip_address="198.51.100.7"}', value: 1}
          - {labels: '{vpn_connection_id="z"}', value: 1}
      - expr: count by (alertname, vpn_connection_id, tag_site) (ALERTS{alertstate="firing",vpn_connection_id!="z"})
        eval_time: 90m
        exp_samples:
          - {labels: '{alertname="TunnelDownWithNames",vpn_connection_id="x"}', value: 1}
          - {labels: '{alertname="NetworkTeamTunnelDown",vpn_connection_id="x"}', value: 1}
          - {labels: '{alertname="TestTunnelDown",vpn_connection_id="x"}', value: 1}
          - {labels: '{alertname="SiteDisconnected",tag_site="a"}', value: 1}
          - {labels: '{alertname="TunnelMostlyDown",vpn_connection_id="x"}', value: 1}
      - {expr: 'account:tunnels_up:ratio{account="test"}', eval_time: 90m, exp_samples: [{labels: 'account:tunnels_up:ratio{account="test"}', value: 0.5}]}
"""


class Examples(unittest.TestCase):
    def test_documented_examples_fire(self):
        blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/writing-rules.md").read_text(), re.DOTALL | re.MULTILINE)
        self.assertEqual(6, len(blocks))
        with directory() as place:
            for number, block in enumerate(blocks):
                (place / f"{number}.yml").write_text(block)
            (place / "test.yml").write_text(EXAMPLES_FIRE)
            run(tool("promtool"), "test", "rules", place / "test.yml")


class Configurations(unittest.TestCase):
    def test_promtool_accepts_the_scrape_configurations(self):
        for path in (DEPLOY / "prometheus").glob("prometheus*.yml"):
            with self.subTest(path.name), directory() as place:
                shutil.copytree(DEPLOY / "prometheus", place, dirs_exist_ok=True)
                for secret in re.findall(r"secrets/\S+", path.read_text()):
                    (place / secret).parent.mkdir(exist_ok=True)
                    (place / secret).write_text("")
                self.assertIn("4 rule files found", run(tool("promtool"), "check", "config", place / path.name))

    def test_every_scrape_job_honors_labels(self):
        found = list(jobs())
        self.assertEqual({"prometheus.yml", "prometheus-tls.yml", "operator.yaml", "alerting.md"}, {name for name, _ in found})
        self.assertEqual([], [name for name, honored in found if honored is not True])

    def test_amtool_accepts_alertmanagers_configuration(self):
        run(tool("amtool"), "check-config", DEPLOY / "prometheus/alertmanager.yml")
