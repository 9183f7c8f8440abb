"""The worst scenarios, with real processes: no page about a tunnel that is down is resolved while exporters and Prometheus fail."""

import contextlib
import unittest

from kit.stage import blind, down, run_exporter, run_simulator, run_prometheus
from kit.tools import directory, wait_for

# A tunnel of each region is down. With two shards, each polls one of these regions.
REGION, OTHER = "ap-guangzhou", "ap-shanghai"
PAGED, RESOLVED = ("TunnelDown", "firing"), ("TunnelDown", "resolved")


@contextlib.contextmanager
def run_world():
    """A simulator with a tunnel of each region that is down, and the argument of an exporter that polls both regions."""
    with directory() as place, run_simulator(REGION, OTHER) as simulator:
        simulator.set_faults(down(REGION) + down(OTHER))
        yield simulator, simulator.config(place, REGION, OTHER)


def wait_for_page(pager, region, other_than=None):
    """The tunnel of this region that is paged first, apart from one."""
    def page():
        tunnels = [one["labels"]["vpn_connection_id"] for one in pager.about("TunnelDown", "firing")
                   if one["labels"]["region"] == region]
        return next((one for one in tunnels if one != other_than), None)
    return wait_for(f"a tunnel of {region} is paged", page)


def wait_for_pages(pager):
    """The tunnel of each region, once both are paged."""
    return wait_for_page(pager, REGION), wait_for_page(pager, OTHER)


def wait_for_late_resolved(simulator, pager, other):
    """Lets the tunnel of the other region recover. Its "resolved" comes after those that an earlier failure would cause."""
    simulator.set_faults(down(REGION))
    wait_for("the other tunnel is resolved", lambda: RESOLVED in pager.about_tunnel(other))


def tunnels(series):
    """The tunnels of these series."""
    return [one["metric"]["vpn_connection_id"] for one in series]


class Scenarios(unittest.TestCase):
    def assert_stays(self, tunnel, prometheus, pager):
        """Asserts that the alert about a tunnel fires, has never started again, and was notified once."""
        self.assertIn(tunnel, tunnels(prometheus.firing("TunnelDown")))
        state = f'ALERTS_FOR_STATE{{alertname="TencentCloudVpnTunnelDown",vpn_connection_id="{tunnel}"}}'
        self.assertEqual([], prometheus.query(f"changes({state}[1h]) > 0"), "the alert has started again")
        self.assertEqual([PAGED], pager.about_tunnel(tunnel))

    def test_page_stays_while_its_target_is_blind(self):
        with contextlib.ExitStack() as stage:
            simulator, config = stage.enter_context(run_world())
            address = stage.enter_context(run_exporter(config))
            prometheus, pager = stage.enter_context(run_prometheus(address))
            tunnel, other = wait_for_pages(pager)
            simulator.set_faults(blind(REGION) + down(OTHER))
            begin, = wait_for("the blindness is notified", lambda: pager.about("TargetBlind", "firing"))
            self.assertEqual(REGION, begin["labels"]["region"])
            wait_for("it has lasted for a while", lambda: prometheus.lasts("TargetBlind"))
            self.assert_stays(tunnel, prometheus, pager)
            simulator.set_faults(down(REGION) + down(OTHER))
            wait_for("its end is notified", lambda: pager.about("TargetBlind", "resolved"))
            wait_for_late_resolved(simulator, pager, other)
            self.assert_stays(tunnel, prometheus, pager)

    @contextlib.contextmanager
    def assert_stays_over_restart(self):
        """Asserts that a page stays while the block restarts the exporter or Prometheus.

        The block gets the stack of the exporter's process, its configuration and address, and Prometheus.
        """
        with contextlib.ExitStack() as stage:
            simulator, config = stage.enter_context(run_world())
            exporter = stage.enter_context(contextlib.ExitStack())
            address = exporter.enter_context(run_exporter(config))
            prometheus, pager = stage.enter_context(run_prometheus(address))
            tunnel, other = wait_for_pages(pager)
            yield exporter, (config, address), prometheus
            wait_for_late_resolved(simulator, pager, other)
            self.assert_stays(tunnel, prometheus, pager)
            self.assertEqual([], prometheus.fired("TargetBlind|TargetGone|TunnelDisappeared"))

    def test_page_stays_while_the_exporter_restarts(self):
        with self.assert_stays_over_restart() as (exporter, (config, address), prometheus):
            exporter.close()
            wait_for("a scrape fails", lambda: prometheus.query("up == 0"))
            exporter.enter_context(run_exporter(config, address=address))
            wait_for("the exporter is scraped again", lambda: prometheus.query("tencentcloud_vpn_up == 1"))

    def test_page_stays_while_prometheus_restarts(self):
        with self.assert_stays_over_restart() as (_, _, prometheus):
            prometheus.restart()
            wait_for("the alert fires again", lambda: prometheus.firing("TunnelDown"))

    def test_old_status_of_blind_replica_never_counts(self):
        with contextlib.ExitStack() as stage:
            place = stage.enter_context(directory())
            failing, seeing = [stage.enter_context(run_simulator(REGION)) for _ in range(2)]
            for simulator in failing, seeing:
                simulator.set_faults(down(REGION, row=0))
            blind_address = stage.enter_context(run_exporter(failing.config(place, REGION)))
            second = stage.enter_context(contextlib.ExitStack())
            address = second.enter_context(run_exporter(seeing.config(place, REGION)))
            prometheus, pager = stage.enter_context(run_prometheus(blind_address, address))
            recovered = wait_for_page(pager, REGION)
            failing.set_faults(blind(REGION))
            blind_up = f'tencentcloud_vpn_up{{instance="{blind_address}"}}'
            wait_for("the replica is blind", lambda: prometheus.query(f"{blind_up} == 0"))
            seeing.set_faults([])
            wait_for("the tunnel that recovered is resolved", lambda: RESOLVED in pager.about_tunnel(recovered))
            seeing.set_faults(down(REGION, row=1))
            failed = wait_for_page(pager, REGION, other_than=recovered)
            notified = wait_for("the blind replica is notified", lambda: pager.about("ReplicaBlind", "firing"))
            self.assertEqual({blind_address}, {one["labels"]["instance"] for one in notified})
            old_down = f'tencentcloud_vpn_tunnel_status{{instance="{blind_address}",status="down"}} == 1'
            self.assertEqual([recovered], tunnels(prometheus.query(old_down)), "the blind replica publishes the old status")
            self.assertEqual(1, pager.about_tunnel(recovered).count(PAGED))
            self.assertNotIn(RESOLVED, pager.about_tunnel(failed))
            self.assertEqual([], prometheus.fired("TargetBlind"))

            second.close()
            wait_for("the blindness is notified", lambda: pager.about("TargetBlind", "firing"))
            self.assertEqual([recovered], tunnels(prometheus.query(old_down)), "the blind replica still publishes it")
            self.assertEqual([], tunnels(prometheus.query("tencentcloud_vpn:tunnel_status")), "the old status counts")
            self.assertEqual(1, pager.about_tunnel(recovered).count(PAGED))

    def test_page_stays_while_its_shard_is_lost(self):
        with contextlib.ExitStack() as stage:
            simulator, config = stage.enter_context(run_world())
            shards = [stage.enter_context(contextlib.ExitStack()) for _ in range(2)]
            flags = [(config, "--shard.count=2", f"--shard.index={index}") for index in range(2)]
            addresses = [shard.enter_context(run_exporter(*flag)) for shard, flag in zip(shards, flags)]
            prometheus, pager = stage.enter_context(run_prometheus(*addresses))
            tunnel, other = wait_for_pages(pager)
            owner, = prometheus.query(f'tencentcloud_vpn_target_info{{region="{REGION}"}}')
            lost = addresses.index(owner["metric"]["instance"])
            shards[lost].close()
            gone = wait_for("the lost target is notified", lambda: pager.about("TargetGone", "firing"))
            self.assertEqual([REGION], [one["labels"]["region"] for one in gone])
            wait_for("the lost shard is notified", lambda: pager.about("ShardMissing", "firing"))
            # ReplicaBlind fires later than TunnelDown ends.
            wait_for("the lost exporter is notified", lambda: pager.about("ReplicaBlind", "firing"))
            self.assertEqual([other], tunnels(prometheus.firing("TunnelDown")))
            self.assertEqual([PAGED], pager.about_tunnel(tunnel))

            shards[lost].enter_context(run_exporter(*flags[lost], address=addresses[lost]))
            wait_for("the end of the loss is notified", lambda: pager.about("TargetGone", "resolved"))
            wait_for("the alert fires again", lambda: tunnel in tunnels(prometheus.firing("TunnelDown")))
            wait_for_late_resolved(simulator, pager, other)
            self.assertIn(tunnel, tunnels(prometheus.firing("TunnelDown")))
            self.assertEqual([PAGED], pager.about_tunnel(tunnel))
            self.assertEqual([], prometheus.fired("TargetBlind|TunnelDisappeared"))

    def test_isolated_gateway_is_paged_instead_of_its_tunnels(self):
        with contextlib.ExitStack() as stage:
            place = stage.enter_context(directory())
            simulator = stage.enter_context(run_simulator(REGION))
            address = stage.enter_context(run_exporter(simulator.config(place, REGION)))
            prometheus, pager = stage.enter_context(run_prometheus(address))
            # Traffic does not start these tunnels, so they will be down and not idle.
            small, large = wait_for("each gateway has tunnels", lambda: prometheus.query(
                'sort(count by (vpn_gateway_id) (tencentcloud_vpn_tunnel_info{negotiation_type!="flowTrigger"}))'))
            small, large = (series["metric"]["vpn_gateway_id"] for series in (small, large))
            simulator.set_gateway_problem(REGION, large, "isolated")
            page, = wait_for("the isolation is paged", lambda: pager.about("GatewayIsolated", "firing"))
            self.assertEqual(large, page["labels"]["vpn_gateway_id"])
            alerts = wait_for("its tunnels are down", lambda: [
                alert for alert in prometheus.get("alerts")["alerts"]
                if alert["labels"]["alertname"] == "TencentCloudVpnTunnelDown" and alert["state"] == "firing"])
            name = prometheus.query(f'tencentcloud_vpn_gateway_info{{vpn_gateway_id="{large}"}}')[0]["metric"]["vpn_gateway_name"]
            for alert in alerts:
                text = alert["annotations"]["description"]
                self.assertIn(f'Gateway {large} "{name}" (problem: isolated (unpaid)), peer cgw-', text)
            simulator.set_gateway_problem(REGION, small, "address_blocked")
            page, = wait_for("the block is paged", lambda: pager.about("GatewayAddressBlocked", "firing"))
            self.assertEqual(small, page["labels"]["vpn_gateway_id"])
            wait_for("tunnels of both are down", lambda: {small, large} == {
                series["metric"]["vpn_gateway_id"] for series in prometheus.firing("TunnelDown")})
            simulator.set_gateway_problem(REGION, large, None)
            wait_for("the end of the isolation is notified", lambda: pager.about("GatewayIsolated", "resolved"))
            self.assertEqual([], pager.about_tunnel())
            self.assertEqual([], pager.about("GatewayDown"))
