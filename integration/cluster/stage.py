# SPDX-License-Identifier: Apache-2.0
"""What the steps of a scenario use: kubectl, the alerts at the sink, metrics of the pods."""
import calendar
import json
import os
import time

import install
from cases import check
from node import ADDRESS, SOCKET, STATE
from rig import RigError, wait_until

SINK_PORT = 8088
SINK_FILE = os.path.join(STATE, "sink.jsonl")
PORTS = {"collector": 9401, "analyzer": 9402, "policysync": 9403}
ATTACK = "cp /bin/busybox /tmp/xmrig && /tmp/xmrig true; rm -f /tmp/xmrig"
MINER = "sig/default/miner.process"


class Stage:
    """One run of the scenarios on one node."""

    def __init__(self, node):
        self.node, self.namespaces = node, []
        self.here = ""  # folder of the scenario that runs

    # --- the cluster ---

    def kubectl(self, *words, **more):
        return self.node.kubectl(*words, **more)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def namespace(self, name):
        """A fresh namespace that goes when the scenario ends; no run has the pod groups of another."""
        name = f"{name}-{os.urandom(2).hex()}"
        self.kubectl("create", "namespace", name)
        self.namespaces.append(name)
        wait_until(lambda: self.kubectl("-n", name, "get", "serviceaccount", "default", check=False), 30,
                   f"the service account of {name}")
        return name

    def apply(self, file_name, namespace, **values):
        """A manifest of the scenario's folder, or of the folder above; {{name}} is replaced by the value."""
        paths = [os.path.join(folder, file_name) for folder in (self.here, os.path.dirname(self.here))]
        with open(next(filter(os.path.exists, paths), paths[0]), encoding="utf-8") as f:
            text = f.read()
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", str(value))
        self.kubectl("apply", "-n", namespace, "-f", "-", text=text)

    def wait_for(self, namespace, what, condition, seconds=60):
        self.kubectl("-n", namespace, "wait", f"--for={condition}", what, f"--timeout={seconds}s", seconds=seconds + 10)

    def wait_in_force(self, namespace, what, seconds=30):
        """Until policysync accepted the object and every analyzer judges by the revision that has it."""
        self.wait_for(namespace, what, "condition=Accepted", seconds)

        def everywhere():
            wanted = {json.loads(self.page("policysync", "/v1/policies", p))["revision"] for p in self.pods("policysync")}
            used = {json.loads(self.page("analyzer", "/v1/policy", p))["revision"] for p in self.pods("analyzer")}
            return len(wanted) == 1 and used == wanted

        wait_until(everywhere, seconds, f"{what} to be in force", 0.3)

    def wait_rollout(self, namespace, what, seconds=90):
        self.kubectl("-n", namespace, "rollout", "status", what, f"--timeout={seconds}s", seconds=seconds + 10)

    def sh(self, namespace, pod, script, check_exit=False):
        """A shell in the pod's first container."""
        return self.kubectl("-n", namespace, "exec", pod, "--", "/bin/sh", "-c", script, check=check_exit)

    def pods(self, component):
        items = self.get("-n", install.NAMESPACE, "pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [p for p in items if p["status"].get("podIP") and not p["metadata"].get("deletionTimestamp")]

    # --- alerts ---

    def start_sink(self, keep=False):
        """keep: go on with the file that is there."""
        if not self.node.daemons.pid("sink"):
            if not keep and os.path.exists(SINK_FILE):
                os.remove(SINK_FILE)
            self.node.start("sink", os.path.join(os.path.dirname(__file__), "sink.py"), ADDRESS, str(SINK_PORT),
                            SINK_FILE)

    @staticmethod
    def alerts(namespace=None, decided_by=None):
        """Rows of the sink: the alert, and when it arrived."""
        rows = []
        try:
            with open(SINK_FILE, encoding="utf-8") as f:
                rows = [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            pass
        return [r for r in rows if namespace in (None, r["alert"]["podGroup"].split("/")[0]) and
                decided_by in (None, r["alert"]["decidedBy"])]

    def wait_alert(self, namespace, decided_by, seconds=30, where=lambda alert: True):
        """The first alert of the namespace by this detector for which where() holds."""
        def find():
            found = [r for r in self.alerts(namespace, decided_by) if where(r["alert"])]
            return found[0] if found else None

        try:
            return wait_until(find, seconds, f"an alert of {decided_by} in {namespace}")
        except RigError as error:
            have = sorted({(r["alert"]["podGroup"], r["alert"]["decidedBy"]) for r in self.alerts(namespace)})
            raise RigError(f"{error}; there are {have}") from None

    # --- what the programs say of themselves ---

    def page(self, component, path, pod=None):
        """Text of a page of a pod, by default the first one."""
        address = (pod or self.pods(component)[0])["status"]["podIP"]
        return self.node.run("curl", "--silent", "--max-time", "5", f"http://{address}:{PORTS[component]}{path}")

    def metric(self, component, name):
        """Sum over all pods and labels that the name's text fits: 'x_total' or 'x_total{reason="y"}'."""
        total = 0.0
        for pod in self.pods(component):
            for line in self.page(component, "/metrics", pod).splitlines():
                if line.startswith((name + " ", name + "{")):
                    total += float(line.rpartition(" ")[2])
        return total

    def groups(self):
        """{pod group: its row} over all analyzers."""
        rows = {}
        for pod in self.pods("analyzer"):
            rows.update({g["pod_group"]: g for g in json.loads(self.page("analyzer", "/v1/groups", pod))["groups"]})
        return rows

    def wait_phase(self, group, phase, seconds=60):
        def reached():
            return self.groups().get(group, {}).get("phase") == phase

        try:
            wait_until(reached, seconds, f"{group} to be {phase}", 0.5)
        except RigError as error:
            raise RigError(f"{error}: {self.groups().get(group)}") from None

    # --- the end of a scenario ---

    def clean(self):
        for name in self.namespaces:
            self.kubectl("delete", "namespace", name, "--wait=false", check=False)
        self.namespaces = []


def pid_of(stage, pod):
    """Of the first program of the pod's first container, on the node."""
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    listed = stage.node.run("ctr", "-a", SOCKET, "-n", "k8s.io", "task", "ls")
    return next(int(line.split()[1]) for line in listed.splitlines() if line.startswith(container))


def seconds_of(stamp):
    """RFC 3339 with milliseconds to seconds since 1970."""
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (rest or "0"))


def check_attack_alert(alert, namespace, group, container):
    """Everything that an alert owes to who reads it."""
    check(alert["podGroup"] == group, f"group {alert['podGroup']}, wanted {group}")
    check(alert["podGroup"].startswith(namespace + "/"), alert["podGroup"])
    check(alert["container"]["name"] == container, f"container {alert['container']}")
    check(alert["container"]["imageDigest"].startswith("sha256:"), f"digest {alert['container']}")
    check(len(alert["container"]["id"]) == 64, f"container id {alert['container']}")
    check(alert["pod"]["name"] and alert["pod"]["uid"], f"pod {alert['pod']}")
    names = [step["exe"] for step in alert["lineage"]]
    check(names[0] == "/tmp/xmrig" and "/bin/sh" in names[1:], f"lineage {names}")
