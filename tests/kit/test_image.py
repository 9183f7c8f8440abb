"""The image: its Dockerfile is linted; the binary is built like in the first stage, from the same files; its
final stage is built and run without privileges."""

import json
import os
import re
import shutil
import subprocess
import time
import unittest
import uuid
from pathlib import Path

from kit.tools import DEPLOY, ROOT, ask_text, cargo, directory, free_port, run, tool, wait_for

DOCKERFILE = DEPLOY / "Dockerfile"
PODMAN = ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
# Without systemd, podman has no timers for health checks. A container in a container cannot raise limits.
RESTRICTED = ["--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--no-healthcheck",
              "--ulimit=nofile=1024:1024", "--ulimit=nproc=256:256"]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def final_stage():
    """The Dockerfile's final stage, with the build stage's result taken from a directory."""
    stage = DOCKERFILE.read_text().split("\nFROM scratch\n")[1]
    return "FROM scratch\n" + re.sub(r"^COPY --from=build /out/", "COPY out/", stage, flags=re.MULTILINE)


def built(place):
    """The binary as built by the build stage from its context, but without optimisation, which takes minutes."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text()
    for name in re.findall(r"^!(.+)$", ignored, re.MULTILINE):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, place / name)
    flags = re.search(r'^ENV RUSTFLAGS="(.+)"$', DOCKERFILE.read_text(), re.MULTILINE)[1]
    target = run("rustc", "--print", "host-tuple").strip()
    folder = ROOT / "target/image"
    variables = {**os.environ, "RUSTFLAGS": flags, "CARGO_TARGET_DIR": str(folder), "VPN_EXPORTER_REVISION": "test"}
    cargo("build", "--quiet", "--locked", "--target", target, cwd=place, env=variables)
    return folder / target / "debug/tencentcloud-vpn-exporter"


def context(place):
    """Fills a directory with the files that the build stage would leave."""
    with directory() as source:
        binary = built(source)
        for path, name in [(binary, binary.name), (CERTIFICATES, CERTIFICATES.relative_to("/"))]:
            copy = place / "out" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    (place / "Dockerfile").write_text(final_stage())


class Dockerfile(unittest.TestCase):
    def test_hadolint_passes(self):
        run(tool("hadolint"), DOCKERFILE)

    def test_checkov_passes(self):
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

    def test_image_runs_as_nobody_with_a_health_check(self):
        config = json.loads(run(tool("buildah"), "inspect", "--type", "image", self.name))["Docker"]["config"]
        self.assertEqual("65532:65532", config["User"])
        self.assertEqual(["/tencentcloud-vpn-exporter"], config["Entrypoint"])
        self.assertEqual(["CMD", "/tencentcloud-vpn-exporter", "healthcheck"], config["Healthcheck"]["Test"])
        self.assertEqual({"14500/tcp"}, set(config["ExposedPorts"]))

    # The image has no libraries, so a binary that is not static would not start.
    def test_demo_runs_without_privileges_and_stops_quickly(self):
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
