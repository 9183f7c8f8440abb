"""A scrape job with target labels that the exporter's metrics have too: the shipped configuration keeps the exporter's."""

import contextlib
import unittest

from kit.stage import run_exporter, run_simulator, run_prometheus
from kit.tools import ask_text, directory, free_port, wait_for

CONFIG = """
poll: {{interval: 1s, timeout: 1s, stale_after: 3s}}
api: {{endpoint: "http://127.0.0.1:{port}"}}
accounts:
  - name: production
    regions: [ap-guangzhou, eu-frankfurt]
    credentials: {{type: static, secret_id: {SECRET_ID}, secret_key: {SECRET_KEY}}}
"""
# A flapping tunnel is down for 12 s at a time. An alert that lasts longer is about a tunnel that stays down.
DOWN_FOR_LONG = 'count_over_time((tencentcloud_vpn_tunnel_net_status{status="UNAVAILABLE"} == 1)[20s:1s]) > 14'
TARGET_LABELS = {"account": "bar", "region": "foo"}


def target(one):
    """The account and region of a notification or a series."""
    labels = one.get("labels") or one["metric"]
    return labels["account"], labels["region"]


def firing_alert(prometheus, pager):
    """The labels of a tunnel with a firing alert that stays down."""
    paged = {one["labels"]["vpn_connection_id"] for one in pager.about("TunnelDown", "firing")}
    down = [one["metric"] for one in prometheus.query(DOWN_FOR_LONG)]
    return next((labels for labels in down if labels["vpn_connection_id"] in paged), None)


class Labels(unittest.TestCase):
    def test_blind_region_fires_beside_a_healthy_one(self):
        port = free_port()
        with contextlib.ExitStack() as stage:
            place = stage.enter_context(directory())
            credentials = stage.enter_context(run_simulator(port, seed=1, regions="ap-guangzhou,eu-frankfurt"))
            (place / "config.yml").write_text(CONFIG.format(port=port, **credentials))
            address = stage.enter_context(run_exporter(f"--config.file={place}/config.yml"))
            prometheus, pager = stage.enter_context(run_prometheus(address, target_labels=TARGET_LABELS))
            page = wait_for("an alert about a tunnel fires and stays", lambda: firing_alert(prometheus, pager), seconds=60)
            self.assertIn(page["region"], {"ap-guangzhou", "eu-frankfurt"}, "the labels are the exporter's")
            ask_text(f"http://127.0.0.1:{port}/_faults", [{"region": page["region"], "kind": "reset"}])

            notified = wait_for("TargetBlind is notified", lambda: pager.about("TargetBlind", "firing"))
            self.assertEqual({("production", page["region"])}, {target(one) for one in notified})
            healthy = {"ap-guangzhou", "eu-frankfurt"} - {page["region"]}
            self.assertEqual(healthy, {one["metric"]["region"] for one in prometheus.query("tencentcloud_vpn_up == 1")})
            recent = f'last_over_time(tencentcloud_vpn_tunnel_up{{region="{page["region"]}"}}[5s])'
            wait_for("its tunnels are no longer published", lambda: not prometheus.query(recent))
            firing = prometheus.query('ALERTS{alertname="TencentCloudVpnTunnelDown",alertstate="firing"}')
            self.assertIn(page["vpn_connection_id"], {one["metric"]["vpn_connection_id"] for one in firing})
            resolved = {one["labels"]["vpn_connection_id"] for one in pager.about("TunnelDown", "resolved")}
            self.assertNotIn(page["vpn_connection_id"], resolved)
            self.assertEqual([], pager.about("LabelsOverwritten"))

    def test_job_without_honor_labels_fires(self):
        with run_exporter("demo") as address, run_prometheus(address, target_labels=TARGET_LABELS, honor_labels=False) as (_, pager):
            notified = wait_for("LabelsOverwritten is notified", lambda: pager.about("LabelsOverwritten", "firing"))
            self.assertEqual({"tencentcloud-vpn-exporter"}, {one["labels"]["job"] for one in notified})
