"""When Tencent Cloud refuses the credentials, the receiver gets that alert, and none about unpolled tunnels."""

import contextlib
import unittest

from kit.stage import down, run_exporter, run_simulator, run_prometheus
from kit.tools import directory, wait_for

REGION = "ap-guangzhou"


class Blindness(unittest.TestCase):
    def test_refusal_causes_one_alert_and_none_about_tunnels(self):
        with contextlib.ExitStack() as stage:
            place = stage.enter_context(directory())
            with run_simulator(REGION) as simulator:
                simulator.set_faults(down(REGION))
                address = stage.enter_context(run_exporter(simulator.config(place, REGION)))
                prometheus, pager = stage.enter_context(run_prometheus(address))
                page, = wait_for("a tunnel is paged", lambda: pager.about("TunnelDown", "firing"))
                tunnel = page["labels"]["vpn_connection_id"]
                query = "tencentcloud_vpn_tunnel_status == 1"
                before = {one["metric"]["vpn_connection_id"]: one["metric"]["status"] for one in prometheus.query(query)}
                self.assertEqual("down", before[tunnel])
            with run_simulator(REGION, port=simulator.port, seed=2):
                wait_for("the blindness is notified", lambda: pager.about("TargetBlind", "firing"))
                wait_for("its cause is notified", lambda: pager.about("CredentialsRefused", "firing"))
                wait_for("that has lasted for a while", lambda: prometheus.lasts("TargetBlind"))
                after = {one["metric"]["vpn_connection_id"]: one["metric"]["status"] for one in prometheus.query(query)}
                self.assertEqual(before, after, "the last status stays published")
                self.assertEqual(["0"], [one["value"][1] for one in prometheus.query("tencentcloud_vpn_up")])
                self.assertEqual([tunnel], [one["metric"]["vpn_connection_id"] for one in prometheus.firing("TunnelDown")])
                self.assertEqual([("TunnelDown", "firing")], pager.about_tunnel(), "no notification about unpolled tunnels")
            with run_simulator(REGION, port=simulator.port):
                wait_for("the end of the blindness is notified", lambda: pager.about("TargetBlind", "resolved"), seconds=60)
                wait_for("the tunnel is up and resolved", lambda: pager.about("TunnelDown", "resolved"))
                self.assertEqual([("TunnelDown", "firing"), ("TunnelDown", "resolved")], pager.about_tunnel())
