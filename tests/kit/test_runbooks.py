"""Each alert has a runbook, each runbook an alert, and what runbooks say can be done."""

import unittest

from kit.tools import ROOT, alerts

RUNBOOKS = ROOT / "docs/runbooks"


class Runbooks(unittest.TestCase):
    def test_alerts_and_runbooks_belong_together(self):
        self.assertEqual(sorted(alerts()), sorted(path.stem for path in RUNBOOKS.glob("TencentCloudVpn*.md")))

    def test_each_alert_links_its_own_runbook(self):
        for name, alert in alerts().items():
            self.assertTrue(alert["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md"), name)

    def test_each_runbook_tells_meaning_impact_diagnosis_and_remedy(self):
        for path in RUNBOOKS.glob("TencentCloudVpn*.md"):
            with self.subTest(path.name):
                lines = path.read_text().splitlines()
                self.assertEqual(f"# {path.stem}", lines[0])
                headings = [line for line in lines if line.startswith("## ")]
                self.assertEqual(["## Meaning", "## Impact", "## Diagnosis", "## Remedy"], headings)
