"""The image: its Dockerfile is linted, and its final stage built and run as carefully as anybody would run it."""

import json
import re
import shutil
import subprocess
import time
import unittest
import uuid
from pathlib import Path

from kit.tools import DEPLOY, ask_text, directory, exporter, free_port, run, tool, wait_for

DOCKERFILE = DEPLOY / "Dockerfile"
PODMAN = ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
# Without systemd podman has no timers for health checks, and a container inside of one may not raise limits.
RESTRICTED = ["--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--no-healthcheck",
              "--ulimit=nofile=1024:1024", "--ulimit=nproc=256:256"]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def final_stage():
    """The Dockerfile's final stage, with the build stage's result taken from a directory."""
    stage = DOCKERFILE.read_text().split("\nFROM scratch\n")[1]
    return "FROM scratch\n" + re.sub(r"^COPY --from=build /out/", "COPY out/", stage, flags=re.MULTILINE)


def libraries(binary):
    """What a binary is linked with at run time: nothing if it is static, as the build stage's is."""
    said = subprocess.run(["ldd", binary], capture_output=True, text=True).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", said)]


def context(place):
    """Fills a directory with what the build stage would leave."""
    for path in [*libraries(exporter()), CERTIFICATES]:
        copy = place / "out" / path.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    shutil.copy(exporter(), place / "out/tencentcloud-vpn-exporter")
    (place / "Dockerfile").write_text(final_stage())


class Dockerfile(unittest.TestCase):
    def test_hadolint_finds_no_fault(self):
        run(tool("hadolint"), DOCKERFILE)

    def test_checkov_finds_no_fault(self):
        run(tool("checkov"), "--file", DOCKERFILE, "--framework", "dockerfile", "--compact", "--quiet", "--skip-download")


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.name = f"localhost/tencentcloud-vpn-exporter-test-{uuid.uuid4().hex[:8]}"
        with directory() as place:
            context(place)
            run(tool("buildah"), "bud", "--isolation", "chroot", "--format", "docker", "--tag", cls.name, place)

    @classmethod
    def tearDownClass(cls):
        run(tool("buildah"), "rmi", "--force", cls.name)

    def podman(self, *arguments):
        return run(tool("podman"), *PODMAN, *arguments)

    def test_it_runs_as_nobody_and_knows_how_to_ask_for_its_health(self):
        config = json.loads(run(tool("buildah"), "inspect", "--type", "image", self.name))["Docker"]["config"]
        self.assertEqual("65532:65532", config["User"])
        self.assertEqual(["/tencentcloud-vpn-exporter"], config["Entrypoint"])
        self.assertEqual(["CMD", "/tencentcloud-vpn-exporter", "healthcheck"], config["Healthcheck"]["Test"])
        self.assertEqual({"14500/tcp"}, set(config["ExposedPorts"]))

    def test_it_serves_the_demo_without_any_privilege_and_stops_at_once(self):
        address = f"127.0.0.1:{free_port()}"
        container = f"tencentcloud-vpn-exporter-test-{uuid.uuid4().hex[:8]}"
        try:
            self.podman("run", "--detach", "--name", container, *RESTRICTED, self.name, "demo", f"--web.listen-address={address}")
            wait_for("the demo is served", lambda: "tencentcloud_vpn_tunnel_up{" in ask_text(f"http://{address}/metrics"))
            self.podman("exec", container, "/tencentcloud-vpn-exporter", "healthcheck", f"--web.listen-address={address}")
            start = time.monotonic()
            self.podman("kill", "--signal", "TERM", container)
            status = self.podman("wait", container).strip()
            self.assertLess(time.monotonic() - start, 2)
            self.assertEqual("0", status)
        finally:
            self.podman("rm", "--force", container)
