# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the three services in a private folder, for the demo and the system tests.

Everything a Rig makes is ended by close(): processes by their own id, then the folder.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import certs
import spool

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77


class RigError(Exception):
    """One line for a person."""


def wait_until(condition, seconds, what, pause=0.1):
    """Polls until condition() is true; returns its value. RigError names what did not come."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise RigError(f"waited {seconds:g} s for {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(port, path, timeout=5):
    """(status, text) of a page on loopback; status 0 when nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""


def metrics_of(port):
    """{'metric{labels}': value} of a page on loopback; {} while nobody answers."""
    status, text = fetch(port, "/metrics")
    values = {}
    for line in text.splitlines() if status == 200 else []:
        if line and not line.startswith("#"):
            key, _, value = line.rpartition(" ")
            values[key] = float(value)
    return values


def short(alert):
    """The alert with flat names: detector, container_id, pod_group, target."""
    event = alert.get("event", {})
    target = event.get("object", "")
    if event.get("port"):
        target = f"{event.get('protocol', '?')}/{target}/{event['port']}"
    return {**alert, "detector": alert.get("decidedBy", ""), "target": target,
            "container_id": alert.get("container", {}).get("id", ""),
            "pod_group": alert.get("podGroup", ""), "lineage": alert.get("lineage", [])}


def why_no_system_test():
    """A reason why programs cannot watch containers here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return "kernel without BTF (/sys/kernel/btf/vmlinux)"
    for tool in ("podman", "runc", "busybox"):
        if not shutil.which(tool):
            return f"{tool} is not installed (tools/install-packages.sh runtime)"
    return None


class Service:
    """One program of ours as a child process with its output in files."""

    def __init__(self, name, argv, folder):
        self.name, self.argv, self.folder = name, argv, folder
        self.log = os.path.join(folder, f"{name}.log")
        self.out = os.path.join(folder, f"{name}.out")
        self.process = None

    def start(self):
        if not os.access(self.argv[0], os.X_OK):
            raise RigError(f"{self.argv[0]} is not there; build it first (./dev build release)")
        with open(self.log, "ab") as log, open(self.out, "ab") as out:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            start_new_session=True)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, signal_number=signal.SIGTERM, seconds=15):
        """Signals, waits, and kills what does not obey. Returns the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        return code

    def kill(self):
        return self.end(signal.SIGKILL)

    def log_text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def last_words(self):
        lines = self.log_text().strip().splitlines()
        return " / ".join(lines[-3:]) if lines else "no output"


class Rig:
    """policysync, analyzer and collector on unix sockets below one temporary folder; with tls=True on
    loopback with certificates instead."""

    def __init__(self, bin_dir, node="rig", runtime_socket=None, extra=None, form="json", tls=False):
        self.bin_dir = os.path.abspath(bin_dir)
        self.folder = tempfile.mkdtemp(prefix="podward-")
        self.node, self.runtime_socket = node, runtime_socket
        self.identities = {"policysync": "policysync", "analyzer": "analyzer/analyzer-0",
                           "collector": "collector/" + node}
        self.certs = certs.Certs(os.path.join(self.folder, "certs")) if tls else None
        self.rpc_ports = {n: free_port() for n in ("policysync", "analyzer")} if tls else {}
        if tls:
            self.certs.issue(*self.identities.values())
        self.extra, self.form = extra or {}, form
        self.policies = self.make_folder("policies")
        self.state = self.make_folder("state")
        self.collector_state = self.make_folder("collector-state")
        self.ports = {n: free_port() for n in ("policysync", "analyzer", "collector")}
        self.services = {n: self.service(n) for n in ("policysync", "analyzer", "collector")}

    def make_folder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o700)
        return path

    def address(self, name):
        """Where the service listens for the others."""
        if self.certs:
            return f"127.0.0.1:{self.rpc_ports[name]}"
        return "unix:" + os.path.join(self.folder, name + ".sock")

    def settings(self, name):
        metrics = ["--metrics-listen", f"127.0.0.1:{self.ports[name]}"]
        trust = self.certs.flags(self.identities[name]) if self.certs else []
        if name == "policysync":
            own = ["--listen", self.address(name), "--state-dir", self.state, "--policies", self.policies,
                   "--analyzers", "analyzer-0=" + self.address("analyzer"), "--stdout", self.form]
            if self.runtime_socket:
                own += ["--runtime-socket", self.runtime_socket]
        elif name == "analyzer":
            own = ["--name", "analyzer-0", "--listen", self.address(name),
                   "--policysync", self.address("policysync")]
        else:
            own = ["--node", self.node, "--policysync", self.address("policysync"),
                   "--state-dir", self.collector_state]
        return own + metrics + trust + self.extra.get(name, [])

    def service(self, name):
        program = os.path.join(self.bin_dir, "podward-" + name)
        return Service(name, [program] + self.settings(name), self.folder)

    def write_policy(self, name, text):
        """Atomically, as a config-map update would."""
        path = os.path.join(self.policies, name)
        with open(path + ".part", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".part", path)

    def start(self, *names, seconds=30):
        """Starts the services (all by default) in order and waits until each is ready."""
        names = names or ("policysync", "analyzer", "collector")
        for name in names:
            self.services[name].start()
        for name in names:
            self.wait_ready(name, seconds)

    def wait_ready(self, name, seconds=30):
        service = self.services[name]

        def answer():
            if not service.is_running():
                raise RigError(f"{name} ended: {service.last_words()}")
            return fetch(self.ports[name], "/readyz")[0] == 200

        try:
            wait_until(answer, seconds, f"{name} to be ready")
        except RigError as error:
            reason = fetch(self.ports[name], "/readyz")[1].strip()
            raise RigError(f"{error}: {reason or 'no answer'}: {service.last_words()}") from None

    def page(self, name, path):
        """A JSON page of a service, or None while it does not answer."""
        status, text = fetch(self.ports[name], path)
        if status != 200:
            return None
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise RigError(f"{name}{path} is no JSON: {error}: {text[:200]!r}") from None

    def metrics(self, name):
        """{'metric{labels}': value} of a service; {} while it does not answer."""
        return metrics_of(self.ports[name])

    def metric_sum(self, name, metric):
        return sum(v for k, v in self.metrics(name).items() if k.split("{")[0] == metric)

    def alerts(self):
        """Alerts as policysync wrote them to its JSON output, one per line, with short names added."""
        rows = []
        try:
            with open(self.services["policysync"].out, encoding="utf-8") as f:
                rows = [short(json.loads(line)) for line in f if line.strip().endswith("}")]
        except FileNotFoundError:
            pass
        return rows

    def spooled(self):
        """Alerts in the spool, as rows of spool.read."""
        return spool.read(self.state)

    def close(self, keep_folder=False):
        for name in ("collector", "analyzer", "policysync"):
            self.services[name].end()
        if not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
