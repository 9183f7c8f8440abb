"""Each alert has a runbook, each runbook an alert, and the commands in runbooks work."""

import json
import os
import re
import unittest

from kit import expressions
from kit.stage import run_simulator
from kit.tools import ROOT, alerts, exporter, run

RUNBOOKS = ROOT / "docs/runbooks"


class Runbooks(unittest.TestCase):
    def test_each_alert_has_exactly_one_runbook(self):
        self.assertEqual(sorted(alerts()), sorted(path.stem for path in RUNBOOKS.glob("TencentCloudVpn*.md")))

    def test_each_alert_links_its_own_runbook(self):
        for name, alert in alerts().items():
            self.assertTrue(alert["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md"), name)

    def test_each_runbook_has_the_four_sections(self):
        for path in RUNBOOKS.glob("TencentCloudVpn*.md"):
            with self.subTest(path.name):
                lines = path.read_text().splitlines()
                self.assertEqual(f"# {path.stem}", lines[0])
                headings = [line for line in lines if line.startswith("## ")]
                self.assertEqual(["## Meaning", "## Impact", "## Diagnosis", "## Remedy"], headings)


class Commands(unittest.TestCase):
    """The commands of the runbooks, against the simulated API."""

    def test_every_command_works(self):
        text = "".join(path.read_text() for path in RUNBOOKS.glob("TencentCloudVpn*.md"))
        commands = set(re.findall(r"^(?:time )?tencentcloud-vpn-exporter ((?:(?:tunnels|gateways) list|check-config).*)$", text, re.MULTILINE))
        self.assertGreater(len(commands), 5)
        with run_simulator("ap-guangzhou") as simulator:
            environment = os.environ | {f"TENCENTCLOUD_{name}": value for name, value in simulator.credentials.items()} | {
                "TENCENTCLOUD_REGION": "ap-guangzhou",
                "TENCENTCLOUD_VPN_EXPORTER__API__ENDPOINT": f"http://127.0.0.1:{simulator.port}",
            }
            rows = json.loads(run(exporter(), "tunnels", "list", "--output=json", env=environment))
            one = rows[0]
            for command in sorted(commands):
                with self.subTest(command):
                    printed = run(exporter(), *expressions.filled_in(command, one).split(), env=environment)
                    self.assertTrue(printed.strip())

    def test_tunnel_and_target_runbooks_have_a_command(self):
        for path in RUNBOOKS.glob("TencentCloudVpn*.md"):
            self.assertIn("tencentcloud-vpn-exporter tunnels list", path.read_text(), path.name)
