"""promtool accepts the rules, and their unit tests pass."""

import re
import shutil
import unittest
from concurrent.futures import ThreadPoolExecutor

import yaml

from kit.tools import DEPLOY, ROOT, RULES, alerts, directory, run, tool

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
                self.assertEqual({"summary", "description", "runbook_url"}, set(alert["annotations"]))

    def test_alerts_with_a_delay_tolerate_flapping(self):
        for name in ("GatewayDown", "TunnelDown", "HealthCheckFailing"):
            alert = alerts()[f"TencentCloudVpn{name}"]
            self.assertEqual(("2m", "3m"), (alert["for"], alert["keep_firing_for"]), name)

    def test_inhibiting_alerts_come_before_inhibited_ones(self):
        order = list(alerts())
        for first, then in [("ExporterGone", "TargetBlind"), ("TargetBlind", "GatewayDown"),
                            ("GatewayDown", "TunnelDown"), ("TunnelDown", "HealthCheckFailing"), ("NoTunnels", "TunnelDisappeared")]:
            self.assertLess(order.index(f"TencentCloudVpn{first}"), order.index(f"TencentCloudVpn{then}"))

    def test_groups_have_at_most_20_rules(self):
        # The default of Mimir's limit max_rules_per_rule_group.
        for path in RULES:
            for group in yaml.safe_load(path.read_text())["groups"]:
                with self.subTest(group["name"]):
                    self.assertLessEqual(len(group["rules"]), 20, path.name)

    def test_target_blind_resolves_immediately(self):
        self.assertNotIn("keep_firing_for", alerts()["TencentCloudVpnTargetBlind"])


class Configurations(unittest.TestCase):
    def test_promtool_accepts_the_scrape_configurations(self):
        for path in (DEPLOY / "prometheus").glob("prometheus*.yml"):
            with self.subTest(path.name), directory() as place:
                shutil.copytree(DEPLOY / "prometheus", place, dirs_exist_ok=True)
                for secret in re.findall(r"secrets/\S+", path.read_text()):
                    (place / secret).parent.mkdir(exist_ok=True)
                    (place / secret).write_text("")
                self.assertIn("3 rule files found", run(tool("promtool"), "check", "config", place / path.name))

    def test_every_scrape_job_honors_labels(self):
        found = list(jobs())
        self.assertEqual({"prometheus.yml", "prometheus-tls.yml", "operator.yaml", "alerting.md"}, {name for name, _ in found})
        self.assertEqual([], [name for name, honored in found if honored is not True])

    def test_amtool_accepts_alertmanagers_configuration(self):
        run(tool("amtool"), "check-config", DEPLOY / "prometheus/alertmanager.yml")
