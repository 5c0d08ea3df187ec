# SPDX-License-Identifier: Apache-2.0
"""policysync in a cluster for tests: replicas, an analyzer, collectors' streams, pods made by hand."""
import os
import shutil
import subprocess
import tempfile
import threading
import uuid

from rig import RigError, Service, fetch, free_port, wait_until

API = "/apis/podward.dev/v1alpha1"


def container_id(text):
    return uuid.uuid5(uuid.NAMESPACE_OID, text).hex * 2


def owner(kind, name, uid=None):
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid or str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
            "controller": True}


def pod(name, node, owners=(), generate=None, labels=None):
    meta = {"name": name, "namespace": "podward", "ownerReferences": list(owners), "labels": labels or {}}
    if generate:
        meta["generateName"] = generate
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta,
            "spec": {"nodeName": node, "containers": [{"name": "app", "image": "registry.example/app:1"}]}}


def running(name, *containers):
    """Status of a pod whose containers run; ids follow from pod and container name."""
    return {"status": {"phase": "Running", "containerStatuses": [
        {"name": c, "image": "registry.example/app:1", "imageID": "registry.example/app@sha256:" + "0" * 64, "ready": True,
         "restartCount": 0, "state": {"running": {}}, "containerID": "containerd://" + container_id(name + c)}
        for c in containers]}}


class Watcher:
    """A collector's stream: assigned = {container id: (group, pod)}, arrived = {container id: ns}."""

    def __init__(self, bin_dir, address, node):
        self.assigned, self.arrived, self.full = {}, {}, 0
        self.process = subprocess.Popen([os.path.join(bin_dir, "kube-node-watch"), address, node], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "full":
                self.assigned, self.full = {}, self.full + 1
            elif words[0] == "put":
                self.assigned[words[1]] = (words[2], words[3])
                self.arrived[words[1]] = int(words[4])
            else:
                self.assigned.pop(words[1], None)

    def wait_group(self, name, container, group, seconds=20):
        key = container_id(name + container)
        try:
            wait_until(lambda: self.assigned.get(key, ("",))[0] == group, seconds, "x", 0.01)
        except RigError:
            raise RigError(f"{name}/{container}: wanted {group}, got {self.assigned.get(key)}") from None

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Cluster:
    """Replicas of policysync on one API server."""

    def __init__(self, bin_dir, kubeconfig):
        self.bin, self.kubeconfig = os.path.abspath(bin_dir), kubeconfig
        self.folder = tempfile.mkdtemp(prefix="podward-cluster-")
        self.services, self.ports, self.watchers = {}, {}, []

    def socket(self, name):
        return "unix:" + os.path.join(self.folder, name + ".sock")

    def start(self, name, words, program="podward-policysync", seconds=30):
        self.ports[name] = free_port()
        argv = [os.path.join(self.bin, program), "--listen", self.socket(name), "--insecure", "--metrics-listen",
                f"127.0.0.1:{self.ports[name]}", *words]
        self.services[name] = Service(name, argv, self.folder)
        self.services[name].start()
        self.wait_ready(name, seconds)

    def wait_ready(self, name, seconds=30):
        service = self.services[name]

        def answer():
            if not service.is_running():
                raise RigError(f"{name} ended: {service.last_words()}")
            return fetch(self.ports[name], "/readyz")[0] == 200

        wait_until(answer, seconds, f"{name} to be ready", 0.02)

    def replica(self, name, *words):
        state = os.path.join(self.folder, name + "-state")
        self.start(name, ["--kube", "--kubeconfig", self.kubeconfig, "--replica", name, "--state-dir", state,
                          "--analyzers", "analyzer-0=" + self.socket("analyzer-0"), *words])

    def analyzer(self, name, replica):
        self.start(name, ["--name", name, "--policysync", self.socket(replica)], "podward-analyzer")

    def watcher(self, replica, node):
        self.watchers.append(Watcher(self.bin, self.socket(replica), node))
        return self.watchers[-1]

    def metrics(self, name):
        values = {}
        for line in fetch(self.ports[name], "/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                values[key] = float(value)
        return values

    def rss_kib(self, name):
        with open(f"/proc/{self.services[name].process.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("VmRSS")).split()[1])

    def cpu_s(self, name):
        with open(f"/proc/{self.services[name].process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, name):
        """Ends it in good order; a sanitizer's complaint is a failure."""
        service = self.services.pop(name)
        code = service.end()
        if code != 0:
            raise RigError(f"{name}: exit {code}: {service.log_text()[-3000:]}")

    def close(self):
        for watcher in self.watchers:
            watcher.process.kill()
        for service in self.services.values():
            service.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            for name in list(self.services) if kind is None else []:
                self.end(name)
        finally:
            self.close()
