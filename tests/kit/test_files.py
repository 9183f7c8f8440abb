"""The files that need no container and no cluster: the unit, the compose file, policies, sample configurations, the release."""

import json
import re
import shutil
import subprocess
import textwrap
import unittest

import yaml

from kit.tools import DEPLOY, ROOT, RULES, directory, exporter, run, tool

UNIT = DEPLOY / "systemd/tencentcloud-vpn-exporter.service"
COMPOSE = DEPLOY / "compose.yaml"
CREDENTIALS = {"TENCENTCLOUD_SECRET_ID": "AKIDEXAMPLE", "TENCENTCLOUD_SECRET_KEY": "example"}


class Unit(unittest.TestCase):
    def test_systemd_accepts_it(self):
        with directory() as place:
            unit = place / UNIT.name
            unit.write_text(UNIT.read_text().replace("/usr/local/bin/tencentcloud-vpn-exporter", exporter()))
            done = subprocess.run([tool("systemd-analyze"), "verify", unit], capture_output=True, text=True)
            self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_systemd_accepts_its_socket(self):
        with directory() as place:
            service = UNIT.read_text().replace("/usr/local/bin/tencentcloud-vpn-exporter", f"{exporter()} --web.systemd-socket")
            (place / UNIT.name).write_text(service)
            socket = place / UNIT.with_suffix(".socket").name
            shutil.copy(UNIT.with_suffix(".socket"), socket)
            done = subprocess.run([tool("systemd-analyze"), "verify", socket], capture_output=True, text=True)
            self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_exposure_level_is_at_most_1_5(self):
        run(tool("systemd-analyze"), "security", "--offline=true", "--threshold=15", UNIT)

    def test_core_dumps_are_disabled(self):
        self.assertEqual(["0"], re.findall(r"^LimitCORE=(.*)$", UNIT.read_text(), re.MULTILINE))

    def test_loaded_credentials_match_the_configuration(self):
        loaded = set(re.findall(r"^LoadCredential=(\w+):", UNIT.read_text(), re.MULTILINE))
        (account,) = yaml.safe_load((DEPLOY / "systemd/config.yml").read_text())["accounts"]
        read = {account["credentials"][key] for key in ("secret_id_file", "secret_key_file")}
        self.assertEqual({f"/run/credentials/{UNIT.name}/{name}" for name in loaded}, read)


class Configuration(unittest.TestCase):
    def test_the_exporter_accepts_the_units_configuration(self):
        printed = run(exporter(), "check-config", f"--config.file={DEPLOY / 'systemd/config.yml'}")
        self.assertIn("is valid", printed)


class Compose(unittest.TestCase):
    def setUp(self):
        self.services = yaml.safe_load(COMPOSE.read_text())["services"]

    def test_file_matches_its_schema(self):
        run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE)

    def test_mounted_files_exist(self):
        for name, service in self.services.items():
            for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
                if source.startswith("."):
                    self.assertTrue((DEPLOY / source).exists(), f"{name}: {source}")

    def test_ports_are_bound_to_loopback(self):
        for name, service in self.services.items():
            self.assertTrue(all(port.startswith("127.0.0.1:") for port in service["ports"]), name)

    def test_prometheus_finds_the_rules_the_exporter_and_alertmanager(self):
        with directory() as place:
            shutil.copy(DEPLOY / "compose/prometheus.yml", place)
            shutil.copytree(RULES[0].parent, place / "rules")
            self.assertIn("4 rule files found", run(tool("promtool"), "check", "config", place / "prometheus.yml"))
        config = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())
        targets = [address for one in config["alerting"]["alertmanagers"] + config["scrape_configs"]
                   for group in one["static_configs"] for address in group["targets"]]
        self.assertEqual({"alertmanager:9093", "exporter:14500"}, set(targets))
        self.assertLessEqual({address.split(":")[0] for address in targets}, set(self.services))

    def test_only_names_differ_from_plain_scrape_configuration(self):
        plain = (DEPLOY / "prometheus/prometheus.yml").read_text()
        renamed = plain.replace("localhost:9093", "alertmanager:9093").replace("localhost:14500", "exporter:14500")
        self.assertEqual(yaml.safe_load(renamed), yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text()))

    def test_grafana_finds_its_data_source_and_the_dashboards(self):
        grafana = DEPLOY / "compose/grafana"
        (source,) = yaml.safe_load((grafana / "datasources/prometheus.yml").read_text())["datasources"]
        self.assertEqual("http://prometheus:9090", source["url"])
        (provider,) = yaml.safe_load((grafana / "dashboards/tencentcloud-vpn.yml").read_text())["providers"]
        mounts = dict(volume.split(":")[1::-1] for volume in self.services["grafana"]["volumes"])
        self.assertEqual("../dashboards", mounts[provider["options"]["path"]])
        home = self.services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertTrue((ROOT / "dashboards" / home.rpartition("/")[2]).exists())


MIGRATION = (ROOT / "docs/from-tencentcloud-exporter.md").read_text()
OLD_NAMES = """
rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series:
      - {series: 'tencentcloud_vpn_tunnel_receive_bytes_per_second{vpn_connection_id="x"}', values: 1250000}
      - {series: 'tencentcloud_vpn_tunnel_packet_loss_ratio{vpn_connection_id="x"}', values: 0.5}
      - {series: 'tencentcloud_vpn_tunnel_latency_seconds{vpn_connection_id="x"}', values: 0.25}
      - {series: 'tencentcloud_vpn_gateway_bandwidth_usage_ratio{vpn_gateway_id="g"}', values: 0.75}
    promql_expr_test:
      - {expr: 'sum by (vpn_conn_id) (qce_vpnx_inbandwidth_max)', exp_samples: [{labels: '{vpn_conn_id="x"}', value: 10}]}
      - {expr: 'sum by (vpn_conn_id) (qce_vpnx_pkgdrop_max)', exp_samples: [{labels: '{vpn_conn_id="x"}', value: 50}]}
      - {expr: 'sum by (vpn_conn_id) (qce_vpnx_delay_max)', exp_samples: [{labels: '{vpn_conn_id="x"}', value: 250}]}
      - {expr: 'sum by (vpn_gw_id) (qce_vpngw_vpnbandwidthusagerate_max)', exp_samples: [{labels: '{vpn_gw_id="g"}', value: 75}]}
"""


class Migration(unittest.TestCase):
    """The page for those who come from tencentcloud-exporter."""

    def setUp(self):
        blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```", MIGRATION, re.DOTALL | re.MULTILINE)
        self.configuration, self.rules = (textwrap.dedent(block) for _, block in blocks)

    def test_the_exporter_accepts_the_configuration(self):
        with directory() as place:
            (place / "config.yml").write_text(self.configuration)
            self.assertIn("is valid", run(exporter(), "check-config", f"--config.file={place}/config.yml", env=CREDENTIALS))

    def test_rules_give_old_names_their_old_units(self):
        with directory() as place:
            (place / "rules.yml").write_text(self.rules)
            (place / "test.yml").write_text(OLD_NAMES)
            run(tool("promtool"), "test", "rules", place / "test.yml")


class Policy(unittest.TestCase):
    def test_policy_allows_only_reading(self):
        policy = json.loads((DEPLOY / "cam-policy.json").read_text())
        allowed = [action for statement in policy["statement"] for action in statement["action"]]
        vpc = ["DescribeVpnConnections", "DescribeVpnGateways", "DescribeCustomerGateways"]
        self.assertEqual([f"name/vpc:{action}" for action in vpc] + ["name/region:DescribeRegions"], allowed)
        self.assertEqual({"allow"}, {statement["effect"] for statement in policy["statement"]})

    def test_traffic_policy_allows_one_action(self):
        policy = json.loads((DEPLOY / "cam-policy-traffic.json").read_text())
        allowed = {"effect": "allow", "action": ["name/monitor:GetMonitorData"], "resource": ["*"]}
        self.assertEqual([allowed], policy["statement"])

    def test_documented_permissions_are_those_of_the_policies(self):
        table = (ROOT / "docs/configuration.md").read_text().partition("\n## Permissions\n")[2]
        documented = re.findall(r"^\| `(\w+:\w+)` \|", table, re.MULTILINE)
        policies = [json.loads((DEPLOY / name).read_text()) for name in ("cam-policy.json", "cam-policy-traffic.json")]
        allowed = [action for policy in policies for statement in policy["statement"] for action in statement["action"]]
        self.assertEqual([f"name/{permission}" for permission in documented[:len(allowed)]], allowed)

    def test_release_has_every_policy(self):
        packed = (ROOT / ".github/workflows/release.yml").read_text()
        self.assertIn("deploy/cam-policy*.json", packed)
        policies = sorted(path.name for path in DEPLOY.glob("cam-policy*.json"))
        self.assertEqual(["cam-policy-traffic.json", "cam-policy.json"], policies)


class Release(unittest.TestCase):
    def test_file_matches_its_schema(self):
        workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
        self.assertEqual(["ci.yml", "release.yml"], [path.name for path in workflows])
        run(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *workflows)

    def test_chart_and_program_versions_are_equal(self):
        version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
        chart = yaml.safe_load((DEPLOY / "helm/tencentcloud-vpn-exporter/Chart.yaml").read_text())
        self.assertEqual((version, version), (chart["version"], chart["appVersion"]))
