"""A real Alertmanager with the shipped configuration inhibits alerts that another alert explains."""

import re
import unittest

import yaml

from kit.tools import DEPLOY, alerts, ask, directory, free_port, run, running, tool, wait_for

CONFIG = DEPLOY / "prometheus/alertmanager.yml"
TARGET = {"account": "p", "region": "r"}
GATEWAY = TARGET | {"vpn_gateway_id": "g"}
TUNNEL = GATEWAY | {"vpn_connection_id": "x"}
OTHER_TUNNEL = GATEWAY | {"vpn_connection_id": "y"}
OTHER_GATEWAY = TARGET | {"vpn_gateway_id": "h", "vpn_connection_id": "z"}
OTHER_TARGET = {"account": "p", "region": "s", "vpn_gateway_id": "i", "vpn_connection_id": "w"}


def alert(name, labels):
    return {"labels": labels | {"alertname": f"TencentCloudVpn{name}"}}


class Inhibitions(unittest.TestCase):
    def assert_notified(self, expected, *fired):
        """Asserts that of these alerts, and an alert of another system, only the expected ones are not inhibited."""
        port = free_port()
        api = f"http://127.0.0.1:{port}/api/v2"

        def notified():
            active = [one["labels"] for one in ask(f"{api}/alerts") if one["status"]["state"] == "active"]
            return sorted((one["alertname"], one.get("vpn_connection_id", "")) for one in active)

        with directory() as storage, running(
            tool("prometheus-alertmanager"), f"--config.file={CONFIG}", f"--storage.path={storage}",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        ):
            wait_for("Alertmanager is ready", lambda: ask(f"{api}/status"))
            ask(f"{api}/alerts", [*fired, {"labels": {"alertname": "SomethingElse"}}])
            wait_for("all alerts are there", lambda: len(ask(f"{api}/alerts")) == len(fired) + 1)
            expected = sorted((f"TencentCloudVpn{name}", tunnel) for name, tunnel in expected) + [("SomethingElse", "")]
            wait_for(f"the notifications are {expected}", lambda: notified() == sorted(expected), seconds=5)

    def test_blind_target_inhibits_only_its_own_alerts(self):
        # Listings of gateways may succeed while those of tunnels fail.
        listed_separately = ["GatewayIsolated", "GatewayAddressBlocked", "GatewayError", "GatewayBandwidthHigh"]
        self.assert_notified(
            [("TargetBlind", ""), ("CredentialsRefused", ""), ("TunnelDown", "w"), *[(name, "") for name in listed_separately],
             ("GatewayExpiring", "z")],
            alert("TargetBlind", TARGET), alert("GatewayDown", GATEWAY), alert("GatewaysNotSeen", TARGET), alert("TunnelDown", TUNNEL),
            alert("TrafficNotSeen", TARGET), alert("TunnelPacketLoss", TUNNEL), alert("TunnelUnused", OTHER_TUNNEL),
            *[alert(name, GATEWAY) for name in listed_separately], alert("GatewayExpiring", OTHER_GATEWAY),
            alert("RedundancyLost", TARGET | {"customer_gateway_id": "c"}), alert("TunnelIdle", OTHER_TUNNEL),
            alert("PollsNearDeadline", TARGET), alert("TargetFlaky", TARGET), alert("NoTunnels", TARGET),
            alert("TunnelDown", OTHER_TARGET), alert("CredentialsRefused", {"account": "p", "reason": "auth"}),
        )

    def test_lost_target_inhibits_only_its_own_tunnels(self):
        self.assert_notified(
            [("TargetGone", ""), ("ShardMissing", ""), ("TunnelWeakParameters", ""), ("TunnelDown", "w")],
            alert("TargetGone", TARGET), alert("GatewayDown", GATEWAY),
            *[alert(f"Gateway{name}", GATEWAY) for name in ("Isolated", "AddressBlocked", "Expiring", "Error", "BandwidthHigh")],
            alert("GatewaysNotSeen", TARGET), alert("TrafficNotSeen", TARGET), alert("TunnelDown", TUNNEL),
            alert("TunnelPacketLoss", TUNNEL), alert("TunnelUnused", OTHER_TUNNEL),
            alert("TunnelDown", OTHER_TARGET), alert("ShardMissing", {"job": "j"}), alert("TunnelWeakParameters", {"account": "p"}),
        )

    def test_gateway_inhibits_its_own_tunnels(self):
        self.assert_notified(
            [("GatewayDown", ""), ("RedundancyLost", ""), ("TunnelDown", "w"), ("TunnelDown", "z")],
            alert("GatewayDown", GATEWAY), alert("TunnelDown", TUNNEL), alert("TunnelDown", OTHER_TUNNEL),
            alert("TunnelDown", OTHER_GATEWAY), alert("TunnelDown", OTHER_TARGET),
            alert("RedundancyLost", TARGET | {"customer_gateway_id": "c"}),
        )

    def test_isolated_or_blocked_gateway_inhibits_its_own_tunnels(self):
        for name in ("GatewayIsolated", "GatewayAddressBlocked"):
            with self.subTest(name):
                self.assert_notified(
                    [(name, ""), ("GatewayBandwidthHigh", ""), ("GatewayError", ""), ("GatewaysNotSeen", ""), ("RedundancyLost", ""),
                     ("TrafficNotSeen", ""), ("TunnelDown", "w"), ("TunnelDown", "z"), ("TunnelPacketLoss", "z"), ("TunnelUnencrypted", "x"),
                     ("TunnelUnused", "w")],
                    alert(name, GATEWAY | {"problem": "p"}), alert("GatewayDown", GATEWAY), alert("TunnelDown", TUNNEL),
                    alert("TunnelFlapping", OTHER_TUNNEL), alert("TunnelIdle", OTHER_TUNNEL), alert("TunnelStatusUnknown", TUNNEL),
                    alert("TunnelPacketLoss", TUNNEL), alert("TunnelUnused", OTHER_TUNNEL),
                    alert("TunnelPacketLoss", OTHER_GATEWAY), alert("TunnelUnused", OTHER_TARGET), alert("TrafficNotSeen", TARGET),
                    alert("GatewayBandwidthHigh", GATEWAY),
                    alert("GatewayError", GATEWAY), alert("TunnelUnencrypted", TUNNEL), alert("GatewaysNotSeen", TARGET),
                    alert("TunnelDown", OTHER_GATEWAY), alert("TunnelDown", OTHER_TARGET),
                    alert("RedundancyLost", TARGET | {"customer_gateway_id": "c"}),
                )

    def test_expiring_gateway_notifies_once(self):
        warning, critical = {"severity": "warning"}, {"severity": "critical"}
        self.assert_notified(
            [("GatewayExpiring", ""), ("GatewayExpiring", "other"), ("TunnelDown", "x")],
            alert("GatewayExpiring", GATEWAY | warning), alert("GatewayExpiring", GATEWAY | critical), alert("TunnelDown", TUNNEL),
            alert("GatewayExpiring", OTHER_GATEWAY | warning | {"vpn_connection_id": "other"}),
        )

    def test_isolated_gateway_inhibits_its_own_expiry(self):
        expiring = [alert("GatewayExpiring", GATEWAY | {"severity": severity}) for severity in ("warning", "critical")]
        self.assert_notified(
            [("GatewayIsolated", ""), ("GatewayExpiring", "other")],
            alert("GatewayIsolated", GATEWAY | {"problem": "isolated", "severity": "critical"}), *expiring,
            alert("GatewayExpiring", OTHER_GATEWAY | {"severity": "warning", "vpn_connection_id": "other"}),
        )
        self.assert_notified(
            [("GatewayAddressBlocked", ""), ("GatewayExpiring", "")],
            alert("GatewayAddressBlocked", GATEWAY | {"severity": "critical"}), *expiring,
        )

    def test_prometheus_alert_does_not_inhibit_another_prometheus(self):
        here, there = {"cluster": "here"}, {"cluster": "there"}
        self.assert_notified(
            [("ExporterGone", ""), ("TargetBlind", ""), ("TunnelDown", "x")],
            alert("ExporterGone", here), alert("TunnelDown", here | TUNNEL), alert("TargetBlind", {"cluster": "third"} | TARGET),
            alert("TunnelDown", there | TUNNEL),
        )

    def test_blind_replica_inhibits_no_tunnel(self):
        self.assert_notified(
            [("ReplicaBlind", ""), ("ClockSkew", ""), ("TunnelDown", "x")],
            alert("ReplicaBlind", TARGET | {"instance": "a"}), alert("ClockSkew", TARGET), alert("TunnelDown", TUNNEL),
        )

    def test_account_without_regions_inhibits_its_discovery_alert(self):
        # A lost target inhibits the alerts of its tunnels also while it is inhibited itself.
        self.assert_notified(
            [("AccountBlind", ""), ("CredentialsExpiring", ""), ("RegionDiscoveryFailing", "")],
            alert("AccountBlind", {"account": "p"}), alert("RegionDiscoveryFailing", {"account": "p"}),
            alert("TargetGone", TARGET), alert("TunnelDown", TUNNEL),
            alert("RegionDiscoveryFailing", {"account": "q"}), alert("CredentialsExpiring", {"account": "p"}),
        )

    def test_empty_listing_inhibits_alerts_about_missing_tunnels(self):
        self.assert_notified(
            [("NoTunnels", ""), ("TunnelDisappeared", "w")],
            alert("NoTunnels", TARGET), alert("TunnelDisappeared", TUNNEL), alert("TunnelDisappeared", OTHER_TARGET),
        )

    def test_missing_exporter_inhibits_all_other_alerts(self):
        self.assert_notified(
            [("ExporterGone", "")],
            alert("ExporterGone", {}), alert("TargetBlind", TARGET), alert("TunnelDown", TUNNEL),
        )


class Grouping(unittest.TestCase):
    def test_gateways_that_go_down_together_are_one_page(self):
        port = free_port()
        api = f"http://127.0.0.1:{port}/api/v2"
        with directory() as storage, running(
            tool("prometheus-alertmanager"), f"--config.file={CONFIG}", f"--storage.path={storage}",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        ):
            wait_for("Alertmanager is ready", lambda: ask(f"{api}/status"))
            ask(f"{api}/alerts", [
                alert("TunnelDown", TARGET | {"vpn_gateway_id": f"g{one}", "vpn_connection_id": f"x{one}", "severity": "critical"})
                for one in range(12)
            ] + [alert("TunnelDown", OTHER_TARGET | {"severity": "critical"})])
            wait_for("all alerts are there", lambda: len(ask(f"{api}/alerts")) == 13)
            groups = wait_for("there are groups", lambda: ask(f"{api}/alerts/groups"))
            self.assertEqual([1, 12], sorted(len(group["alerts"]) for group in groups))
            self.assertEqual({"page"}, {group["receiver"]["name"] for group in groups})


class Receivers(unittest.TestCase):
    def test_amtool_accepts_each_receiver_without_its_comment_sign(self):
        lines = CONFIG.read_text().splitlines()
        commented = [number for number, line in enumerate(lines) if re.match(r" +#\w+_configs: ", line)]
        kinds = {lines[number].split("#")[1].split(":")[0] for number in commented}
        self.assertLessEqual({"wechat_configs", "webhook_configs"}, kinds)
        for number in commented:
            with self.subTest(lines[number]), directory() as place:
                changed = lines[:number] + [lines[number].replace("#", "", 1)] + lines[number + 1:]
                (place / "alertmanager.yml").write_text("\n".join(changed))
                run(tool("amtool"), "check-config", place / "alertmanager.yml")
                loaded = yaml.safe_load((place / "alertmanager.yml").read_text())["receivers"]
                self.assertEqual(1, sum(len(receiver) > 1 for receiver in loaded), "the line belongs to a receiver")


class Names(unittest.TestCase):
    def test_every_matcher_of_an_inhibition_matches_an_alert(self):
        for rule in yaml.safe_load(CONFIG.read_text())["inhibit_rules"]:
            for matcher in rule["source_matchers"] + rule["target_matchers"]:
                name, operator, pattern = re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher).groups()
                if name == "severity":
                    self.assertIn(pattern, {"critical", "warning", "info"})
                    continue
                self.assertEqual("alertname", name)
                prefix, _, choices = pattern.rstrip(")").partition("(")
                for choice in choices.split("|"):
                    matched = [one for one in alerts() if re.fullmatch(prefix + choice, one)]
                    self.assertTrue(matched, f"{matcher}: no alert is called {prefix}{choice}")

    def test_each_severity_reaches_its_receiver(self):
        for severity, receiver in [("critical", "page"), ("warning", "chat"), ("info", "log")]:
            routed = run(tool("amtool"), "config", "routes", "test", f"--config.file={CONFIG}", f"severity={severity}")
            self.assertEqual(receiver, routed.strip())
