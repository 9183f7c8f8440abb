"""When Tencent Cloud refuses the credentials, the receiver gets that alert, and none about unpolled tunnels."""

import contextlib
import unittest

from kit.stage import run_exporter, run_simulator, run_prometheus
from kit.tools import directory, free_port, wait_for

CONFIG = """
poll: {{interval: 1s, timeout: 1s, stale_after: 3s}}
api: {{endpoint: "http://127.0.0.1:{port}"}}
accounts:
  - name: production
    regions: [ap-guangzhou]
    credentials: {{type: static, secret_id_file: {place}/secret_id, secret_key_file: {place}/secret_key}}
"""


def tunnels(notifications):
    """The tunnels that notifications are about."""
    return {one["labels"]["vpn_connection_id"] for one in notifications}


class Blindness(unittest.TestCase):
    def test_refusal_causes_one_alert_and_none_about_tunnels(self):
        port = free_port()
        with directory() as place, contextlib.ExitStack() as stage:
            config = place / "config.yml"
            config.write_text(CONFIG.format(port=port, place=place))
            with run_simulator(port, seed=1) as credentials:
                for name, value in credentials.items():
                    (place / name.lower()).write_text(value)
                address = stage.enter_context(run_exporter(f"--config.file={config}"))
                prometheus, pager = stage.enter_context(run_prometheus(address))
                wait_for("TunnelDown is notified", lambda: pager.about("TunnelDown", "firing"))
            with run_simulator(port, seed=2):
                wait_for("TargetBlind is notified", lambda: pager.about("TargetBlind", "firing"))
                wait_for("its cause is notified", lambda: pager.about("CredentialsRefused", "firing"))
                notified_tunnels = tunnels(pager.about("TunnelDown", "firing")) - tunnels(pager.about("TunnelDown", "resolved"))
                notified = len(pager.notified)
                self.assertTrue(notified_tunnels)
                wait_for("the tunnels are no longer published", lambda: not prometheus.query("tencentcloud_vpn_tunnel_up"))
                wait_for("they have not been published for five seconds",
                         lambda: not prometheus.query("last_over_time(tencentcloud_vpn_tunnel_up[5s])"))
                firing = prometheus.query('ALERTS{alertname="TencentCloudVpnTunnelDown",alertstate="firing"}')
                self.assertLessEqual(notified_tunnels, {one["metric"]["vpn_connection_id"] for one in firing})
                later = [one["labels"] for one in pager.notified[notified:] if "vpn_connection_id" in one["labels"]]
                self.assertEqual([], later, "notifications about tunnels that are not polled")
            with run_simulator(port, seed=1):
                wait_for("the end of TargetBlind is notified", lambda: pager.about("TargetBlind", "resolved"), seconds=60)
