"""A scrape job with target labels that the exporter's metrics have too: the shipped configuration keeps the exporter's."""

import contextlib
import unittest

from kit.stage import blind, down, run_exporter, run_simulator, run_prometheus
from kit.tools import directory, wait_for

HEALTHY, BLIND = "ap-guangzhou", "eu-frankfurt"
TARGET_LABELS = {"account": "bar", "region": "foo"}


def target(one):
    """The account and region of a notification."""
    return one["labels"]["account"], one["labels"]["region"]


class Labels(unittest.TestCase):
    def test_blind_region_fires_beside_a_healthy_one(self):
        with contextlib.ExitStack() as stage:
            place = stage.enter_context(directory())
            simulator = stage.enter_context(run_simulator(HEALTHY, BLIND))
            simulator.set_faults(down(BLIND))
            address = stage.enter_context(run_exporter(simulator.config(place, HEALTHY, BLIND)))
            prometheus, pager = stage.enter_context(run_prometheus(address, target_labels=TARGET_LABELS))
            page, = wait_for("a tunnel is paged", lambda: pager.about("TunnelDown", "firing"))
            self.assertEqual(("production", BLIND), target(page), "the labels are the exporter's")
            simulator.set_faults(blind(BLIND) + down(HEALTHY))

            notified = wait_for("the blindness is notified", lambda: pager.about("TargetBlind", "firing"))
            self.assertEqual([("production", BLIND)], [target(one) for one in notified])
            self.assertEqual([HEALTHY], [one["metric"]["region"] for one in prometheus.query("tencentcloud_vpn_up == 1")])
            wait_for("a tunnel of the healthy region is paged", lambda: len(pager.about("TunnelDown", "firing")) > 1)
            simulator.set_faults(blind(BLIND))
            end, = wait_for("it is resolved", lambda: pager.about("TunnelDown", "resolved"))
            self.assertEqual(("production", HEALTHY), target(end))
            tunnel = page["labels"]["vpn_connection_id"]
            self.assertIn(tunnel, [one["metric"]["vpn_connection_id"] for one in prometheus.firing("TunnelDown")])
            self.assertEqual([("TunnelDown", "firing")], pager.about_tunnel(tunnel))
            self.assertEqual([], pager.about("LabelsOverwritten"))

            simulator.set_faults(down(BLIND))
            wait_for("the end of the blindness is notified", lambda: pager.about("TargetBlind", "resolved"))
            self.assertEqual([("TunnelDown", "firing")], pager.about_tunnel(tunnel))

    def test_job_without_honor_labels_fires(self):
        job = {"target_labels": TARGET_LABELS, "honor_labels": False}
        with run_exporter("demo") as address, run_prometheus(address, **job) as (_, pager):
            notified = wait_for("the overwritten labels are notified", lambda: pager.about("LabelsOverwritten", "firing"))
            self.assertEqual({"tencentcloud-vpn-exporter"}, {one["labels"]["job"] for one in notified})
