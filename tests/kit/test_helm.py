"""The Helm chart, with six sets of values: Kubernetes, the Prometheus operator and linters accept it."""

import json
import re
import shlex
import shutil
import unittest
from pathlib import Path

import yaml

from kit.tools import DEPLOY, NODE_PACKAGES, ROOT, RULES, directory, exporter, helm, run, rules, tool

CHART = DEPLOY / "helm/tencentcloud-vpn-exporter"
HERE = ROOT / "tests/kit"
VALUES = sorted((HERE / "helm").glob("*.yaml"))

# checkov's checks that are skipped, and the reasons.
DISAGREED = {
    "CKV_K8S_8": "the test pod ends by itself: nothing to probe",
    "CKV_K8S_9": "the test pod ends by itself: nothing to probe",
    "CKV_K8S_11": "a limit on processor time only delays polls and scrapes",
    "CKV_K8S_15": "tags are versions and never move",
    "CKV_K8S_35": "the key of one account comes from the environment, as Tencent's own tools take it; files are possible",
    "CKV_K8S_43": "the digest is the installer's to choose: image.digest",
    "CKV2_K8S_6": "a network policy is a value: it must know who scrapes",
}


def rendered(values, *arguments):
    """The resources that the chart renders for a set of values."""
    text = run(helm(), "template", "vpn", CHART, "--namespace", "monitoring", "--values", values, *arguments)
    return [resource for resource in yaml.safe_load_all(text) if resource]


def of_kind(resources, kind):
    """The resources of one kind."""
    return [resource for resource in resources if resource["kind"] == kind]


class Chart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sets = {path.stem: rendered(path) for path in VALUES}

    def test_helm_lint_passes(self):
        self.assertGreaterEqual(len(VALUES), 6)
        for path in VALUES:
            run(helm(), "lint", "--strict", CHART, "--values", path)

    def test_kubernetes_accepts_every_resource(self):
        with directory() as place:
            for name, resources in self.sets.items():
                core = [one for one in resources if "monitoring.coreos.com" not in one["apiVersion"]]
                (place / f"{name}.yaml").write_text(yaml.safe_dump_all(core))
            run(tool("kubernetes-validate"), "--strict", "-k", "1.33", *place.glob("*.yaml"))

    def test_the_operator_accepts_its_resources(self):
        own = [one for resources in self.sets.values() for one in resources if "monitoring.coreos.com" in one["apiVersion"]]
        own.append(yaml.safe_load((DEPLOY / "prometheus/operator.yaml").read_text()))
        printed = run(tool("node"), "--input-type=module", "-", json.dumps(own), cwd=NODE_PACKAGES,
                   input=(HERE / "operator.mjs").read_text())
        self.assertEqual(len(own), len(printed.splitlines()))
        self.assertEqual({"ServiceMonitor", "PrometheusRule"}, {one["kind"] for one in own})

    def test_checkov_passes_with_listed_exceptions(self):
        with directory() as place:
            for name, resources in self.sets.items():
                (place / f"{name}.yaml").write_text(yaml.safe_dump_all(resources))
            run(tool("checkov"), "--directory", place, "--framework", "kubernetes", "--compact", "--quiet",
                "--skip-download", "--skip-check", ",".join(DISAGREED))

    def test_alerts_and_dashboards_are_the_shipped_ones(self):
        resources = self.sets["own-secret"]
        made = [rule for one in of_kind(resources, "PrometheusRule") for group in one["spec"]["groups"] for rule in group["rules"]]
        self.assertEqual(len(RULES), len(of_kind(resources, "PrometheusRule")))
        for rule in made:
            link = rule.get("annotations", {}).get("runbook_url", "")
            if link:
                self.assertTrue(link.startswith("https://wiki.internal/vpn/TencentCloudVpn"), link)
                rule["annotations"]["runbook_url"] = link.replace(
                    "https://wiki.internal/vpn", "https://tencentcloud-vpn-exporter.example/docs/runbooks")
        self.assertEqual(list(rules()), made)
        shown = [one for one in of_kind(resources, "ConfigMap") if "-dashboard-" in one["metadata"]["name"]]
        files = {f"tencentcloud-vpn-{path.name}": json.loads(path.read_text()) for path in (ROOT / "dashboards").glob("*.json")}
        self.assertEqual(files, {name: json.loads(text) for one in shown for name, text in one["data"].items()})

    def test_every_resource_can_be_applied(self):
        """`kubectl apply` stores a copy of the resource in an annotation."""
        for one in self.sets["own-secret"]:
            self.assertLess(len(json.dumps(one)), 256 * 1024, one["metadata"]["name"])

    def test_chart_carries_the_shipped_files(self):
        copies = {path.relative_to(CHART / "files"): path.read_bytes() for path in (CHART / "files").rglob("*") if path.is_file()}
        shipped = {Path("rules", path.name): path.read_bytes() for path in RULES}
        shipped |= {Path("dashboards", path.name): path.read_bytes() for path in (ROOT / "dashboards").glob("*.json")}
        different = [str(path) for path in sorted({*copies, *shipped}) if copies.get(path) != shipped.get(path)]
        self.assertEqual([], different, f"{CHART.name}/files differs from the shipped files: run `just chart`")

    def test_chart_has_no_links(self):
        self.assertEqual([], [path for path in CHART.rglob("*") if path.is_symlink()])

    def test_missing_files_are_an_error(self):
        for value, folder in [("prometheusRule", "rules"), ("dashboards", "dashboards")]:
            with self.subTest(value), directory() as place:
                chart = shutil.copytree(CHART, place / CHART.name, ignore=shutil.ignore_patterns(folder))
                printed = run(helm(), "template", "vpn", chart)
                self.assertIn("kind: StatefulSet", printed)
                with self.assertRaisesRegex(AssertionError, rf"{value}\.enabled: .* has no files/{folder}/.*`just chart`"):
                    run(helm(), "template", "vpn", chart, "--set", f"{value}.enabled=true")

    def test_the_exporter_accepts_every_configuration(self):
        for name, resources in self.sets.items():
            (config,) = (one["data"]["config.yml"] for one in of_kind(resources, "ConfigMap") if "config.yml" in one["data"])
            with self.subTest(name), directory() as place:
                (place / "config.yml").write_text(config)
                self.assertIn("is valid", run(exporter(), "check-config", f"--config.file={place}/config.yml"))

    def test_every_pod_is_restricted(self):
        for name, resources in self.sets.items():
            pods = [one["spec"] for one in of_kind(resources, "Pod")]
            pods += [one["spec"]["template"]["spec"] for one in of_kind(resources, "StatefulSet")]
            self.assertTrue(pods, name)
            for pod in pods:
                self.assertEqual({"type": "RuntimeDefault"}, pod["securityContext"]["seccompProfile"])
                self.assertFalse(pod["automountServiceAccountToken"])
                for container in pod["containers"]:
                    self.assertEqual(
                        {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
                         "capabilities": {"drop": ["ALL"]}}, container["securityContext"])

    def test_every_replica_runs_every_shard_once(self):
        sets = of_kind(self.sets["shards-and-replicas"], "StatefulSet")
        self.assertEqual(2, len({one["metadata"]["name"] for one in sets}))
        for one in sets:
            self.assertEqual(3, one["spec"]["replicas"])
            (container,) = one["spec"]["template"]["spec"]["containers"]
            self.assertLessEqual({"--shard.index=$(SHARD_INDEX)", "--shard.count=3"}, set(container["args"]))
        selected = [json.dumps(one["spec"]["selector"]) for one in sets]
        self.assertEqual(len(selected), len(set(selected)), "selectors of replicas must be unique")

    def test_instance_label_does_not_depend_on_address(self):
        for monitor in of_kind(self.sets["shards-and-replicas"], "ServiceMonitor"):
            (relabeling,) = monitor["spec"]["endpoints"][0]["relabelings"]
            self.assertEqual((["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"], "instance"), (relabeling["sourceLabels"], relabeling["targetLabel"]))

    def test_every_service_monitor_honors_labels(self):
        monitors = [one for resources in self.sets.values() for one in of_kind(resources, "ServiceMonitor")]
        self.assertTrue(monitors)
        for monitor in monitors:
            self.assertTrue(all(endpoint.get("honorLabels") for endpoint in monitor["spec"]["endpoints"]))

    def test_client_certificates_use_exec_probes(self):
        (one,) = of_kind(self.sets["client-certificates"], "StatefulSet")
        (container,) = one["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            command = container[probe]["exec"]["command"]
            self.assertIn("healthcheck", command)
            self.assertEqual(probe == "readinessProbe", "--ready" in command, probe)
        self.assertEqual([], of_kind(self.sets["client-certificates"], "Pod"))

    def test_documented_installation_works(self):
        documented = (ROOT / "docs/deployment.md").read_text()
        (command,) = re.findall(r"^helm install vpn deploy/helm/\S+ ((?:.*\\\n)*.*)", documented, re.MULTILINE)
        arguments = shlex.split(command.replace("…", "registry.internal/exporter").replace("\\\n", " "))
        kinds = {one["kind"] for one in rendered(HERE / "helm/default.yaml", *arguments)}
        self.assertLessEqual({"StatefulSet", "ServiceMonitor", "PrometheusRule", "ConfigMap"}, kinds)

    def test_wrong_values_are_refused(self):
        for wrong in ("shards=0", "replicaz=2", "web.scheme=ftp", "credentials.secretId=AKID", "image.digest=latest",
                      "config.account=x", "prometheusRule.runbooks=wiki"):
            with self.subTest(wrong), self.assertRaisesRegex(AssertionError, "values don't meet"):
                rendered(HERE / "helm/default.yaml", "--set", wrong)
