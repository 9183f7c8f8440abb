"""The demo with a real Prometheus and Alertmanager and the shipped rules: alerts fire and resolve, and queries return data."""

import contextlib
import json
import re
import unittest

from kit import expressions
from kit.stage import run_exporter, run_prometheus
from kit.tools import ROOT, wait_for

# Queries that return nothing in the demo: part of the query's name, or of a selector, and the reason.
ALL_WELL = "no poll and no request of the demo fails"
KNOWN = "every value in the demo is known"
NO_MUTE = "no tunnel of the demo is muted"
PERMANENT_KEY = "the demo's key is permanent"
LISTED_REGIONS = "the demo lists its regions, so that none is discovered"
HONORED = "the shipped scrape configuration keeps our labels"
STRONGER = "no tunnel of the demo is that weak"
OTHER_PROBLEM = "no gateway of the demo has this problem"
BY_THE_HOUR = "the chosen tunnel's gateway may be billed by the hour"
WITHOUT_DATA = {
    "exporter: Credentials expire in": PERMANENT_KEY,
    "exporter: Credentials and regions B": PERMANENT_KEY,
    "exporter: Credentials and regions C": LISTED_REGIONS,
    "exporter: Credentials and regions D": LISTED_REGIONS,
    "exporter: Failed polls by reason": ALL_WELL,
    "exporter: Failed API requests by reason": ALL_WELL,
    "exporter: Inconsistent listings": ALL_WELL,
    "exporter: Clock offset": "the demo's two clocks are one",
    "exporter: Unknown values": KNOWN,
    "annotation Target blind": ALL_WELL,
    "annotation Gateways not seen": ALL_WELL,
    "annotation Credentials": ALL_WELL,
    "TencentCloudVpnCredentialsExpiring 1": PERMANENT_KEY,
    "TencentCloudVpnCredentialsExpiring 2": ALL_WELL,
    "TencentCloudVpnAccountBlind": LISTED_REGIONS,
    "TencentCloudVpnRegionDiscoveryFailing": LISTED_REGIONS,
    "TencentCloudVpnLabelsOverwritten": HONORED,
    "TencentCloudVpnReplicaBlind 2": ALL_WELL,
    "TencentCloudVpnTargetBlind 1": ALL_WELL,
    "TencentCloudVpnTargetFlaky 1": ALL_WELL,
    "TencentCloudVpnTargetStale 2": ALL_WELL,
    "TencentCloudVpnTunnelStatusUnknown": KNOWN,
    "TencentCloudVpnUnknownValues": KNOWN,
    "TencentCloudVpnTunnelUnencrypted 1": STRONGER,
    "ALERTS{": ALL_WELL,
    "tencentcloud_vpn_credentials_expiry_": PERMANENT_KEY,
    "tencentcloud_vpn_region_discovery_": LISTED_REGIONS,
    'action="DescribeRegions"': LISTED_REGIONS,
    "exported_": HONORED,
    "tag_mute=": NO_MUTE,
    "tencentcloud_vpn:tunnel_muted": NO_MUTE,
    'tencentcloud_vpn:tunnel_status{status="unknown"}': KNOWN,
    'tencentcloud_vpn:tunnel_status{status="deleting"}': "tunnels of the demo are deleted only now and then",
    "NULL": STRONGER,
    'pfs_dh_group=~"(?i)DH-GROUP': STRONGER,
    "TencentCloudVpnGatewayAddressBlocked 2": OTHER_PROBLEM,
    "TencentCloudVpnGatewayError 2": OTHER_PROBLEM,
    'gateway_problem{problem="address blocked"}': OTHER_PROBLEM,
    'gateway_problem{problem=~".+_ERROR"}': OTHER_PROBLEM,
    "TencentCloudVpnGatewayExpiring 1": BY_THE_HOUR,
    "TencentCloudVpnGatewayIsolated 2": BY_THE_HOUR,
    "tencentcloud_vpn_gateway_expiry_timestamp_seconds{vpn_gateway_id=": BY_THE_HOUR,
    "TencentCloudVpnGatewaysNotSeen 1": ALL_WELL,
    "TencentCloudVpnTrafficNotSeen 1": ALL_WELL,
    "tencentcloud_vpn:gateway_muted": NO_MUTE,
    "tencentcloud_vpn:gateway_tag_mute": NO_MUTE,
    "tencentcloud_vpn:gateways_outdated": ALL_WELL,
}

STAGE = contextlib.ExitStack()


def setUpModule():
    global PROMETHEUS, PAGER
    address = STAGE.enter_context(run_exporter("demo"))
    # With two names, one exporter looks like two replicas.
    PROMETHEUS, PAGER = STAGE.enter_context(run_prometheus(address, address.replace("127.0.0.1", "localhost")))


def tearDownModule():
    STAGE.close()


def is_expected_empty(name):
    """Whether this query is expected to return nothing."""
    return any(part in name for part in WITHOUT_DATA)


def fired_and_resolved():
    """The notifications of the first alert about a tunnel that was sent as firing and as resolved."""
    for end in PAGER.about("TunnelDown", "resolved"):
        for begin in PAGER.about("TunnelDown", "firing"):
            if begin["fingerprint"] == end["fingerprint"]:
                return begin, end
    return None


class Chain(unittest.TestCase):
    """Runs first, and long enough for the demo to produce the queried events."""

    def test_down_tunnel_fires_by_name_and_resolves(self):
        begin, _ = wait_for("a tunnel of the demo went down and up again", fired_and_resolved, seconds=120)
        labels = begin["labels"]
        info, again = PROMETHEUS.query(
            f'last_over_time(tencentcloud_vpn_tunnel_info{{vpn_connection_id="{labels["vpn_connection_id"]}"}}[5m])')
        self.assertNotEqual(info["metric"]["instance"], again["metric"]["instance"])
        self.assertIn(f'"{info["metric"]["vpn_connection_name"]}"', begin["annotations"]["summary"])
        self.assertFalse(PAGER.about("TargetBlind") + PAGER.about("TargetStale") + PAGER.about("ExporterGone"))

    def test_weak_parameters_cause_a_notification(self):
        wait_for("a notification of a weak parameter", lambda: PAGER.about("TunnelWeakParameters", "firing"))


class Queries(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        wait_for("a query of traffic of every target succeeded", lambda: PROMETHEUS.query(
            "count(tencentcloud_vpn_traffic_up == 1) == count(tencentcloud_vpn_target_info)"), seconds=60)
        # Cloud Monitor has no data for some tunnels, so that the panels of these are empty.
        changed = wait_for("a tunnel with a health check and traffic changed", lambda: PROMETHEUS.query(
            "tencentcloud_vpn_tunnel_info and on (vpn_connection_id) tencentcloud_vpn_tunnel_health_check_enabled == 1 "
            "and on (vpn_connection_id) tencentcloud_vpn_tunnel_latency_seconds "
            "and on (vpn_gateway_id) tencentcloud_vpn_gateway_bandwidth_usage_ratio "
            "and on (vpn_connection_id) tencentcloud_vpn_tunnel_last_transition_timestamp_seconds"), seconds=120)
        cls.tunnel = changed[0]["metric"]
        wait_for("a tunnel is down because its gateway is isolated", lambda: PROMETHEUS.query(
            'tencentcloud_vpn_tunnel_status{status="down"} == 1 and on (vpn_gateway_id) tencentcloud_vpn_gateway_restricted == 1'),
            seconds=60)

    def filled_in(self, source):
        return [(name, expressions.filled_in(expr, self.tunnel)) for name, expr in source]

    def test_every_rule_is_evaluated(self):
        rules = [rule for group in PROMETHEUS.get("rules")["groups"] for rule in group["rules"]]
        self.assertTrue(rules)
        self.assertEqual([], [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"])

    def test_every_query_returns_data(self):
        sources = [expressions.dashboards(), expressions.runbooks(), expressions.recordings()]
        silent = [
            name for source in sources for name, expr in self.filled_in(source)
            if not PROMETHEUS.query(expr) and not is_expected_empty(name)
        ]
        self.assertEqual([], silent, "queries without data that WITHOUT_DATA does not list")

    def test_every_alert_expression_can_be_queried(self):
        for name, expr in expressions.alert_expressions():
            with self.subTest(name):
                PROMETHEUS.query(expr)

    def test_every_selector_matches_a_series(self):
        found = {
            selector for name, expr in self.filled_in(expressions.everything()) for selector in expressions.selectors(expr)
        }
        self.assertGreater(len(found), 100)
        silent = [one for one in found if not PROMETHEUS.query(f"last_over_time({one}[10m])") and not is_expected_empty(one)]
        self.assertEqual([], sorted(silent), "selectors without a match that WITHOUT_DATA does not list")

    def test_overview_counts_add_up_to_all_tunnels(self):
        asked = dict(self.filled_in(expressions.dashboards()))
        numbers = ["Up", "Down", "Idle", "Unknown", "Pending", "Deleting"]
        total = " + ".join(f"({asked[f'overview: {number} A']})" for number in numbers)
        published = "count(count by (account, region, vpn_connection_id) (tencentcloud_vpn_tunnel_state))"
        (difference,) = PROMETHEUS.query(f"{total} - {published}")
        self.assertEqual("0", difference["value"][1])

    def test_every_label_exists(self):
        known = set(PROMETHEUS.get("labels"))
        grouped = {label for _, expr in expressions.everything() for label in expressions.labels(expr)}
        text = "".join((ROOT / "dashboards" / name).read_text() for name in
                       ("overview.json", "gateways.json", "tunnel.json", "exporter.json"))
        shown = set(re.findall(r"\{\{(\w+)\}\}", text))
        columns = {
            name for dashboard in map(json.loads, [path.read_text() for path in (ROOT / "dashboards").glob("*.json")])
            for panel in dashboard["panels"] for step in panel.get("transformations", [])
            if step["id"] == "organize" for name in step["options"]["renameByName"] if not name.startswith("Value")
        }
        made = {label for _, expr in expressions.dashboards() for label in re.findall(r'[})], "(\w+)", ', expr)}
        self.assertTrue(grouped and shown and columns)
        # Nothing in the demo has the tag `mute`.
        self.assertEqual(set(), (grouped | shown | columns) - made - known - {"tag_mute"})
