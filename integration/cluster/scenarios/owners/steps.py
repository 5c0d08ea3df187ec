# SPDX-License-Identifier: Apache-2.0
"""A workload of each kind of owner: alerts name the topmost owner, never a ReplicaSet, a Job of a CronJob or a
generated name; init containers and static pods too."""
import os
import time

from cases import check_equal
from node import MANIFESTS
from rig import wait_until
from stage import ATTACK, MINER

OWNERS = ("CronJob/often/app", "DaemonSet/agent/app", "Deployment/web/app", "Job/once/app", "Node/fixed/app",
          "Pod/bare/app", "Pod/bare/prepare", "StatefulSet/store/app")


def groups(stage, ns):
    return sorted({r["alert"]["podGroup"] for r in stage.alerts(ns, MINER)})


def run(stage):
    ns = stage.namespace("owners")
    wanted = [f"{ns}/{owner}" for owner in OWNERS]
    static = os.path.join(MANIFESTS, "fixed.yaml")
    with open(os.path.join(stage.here, "static.yaml"), encoding="utf-8") as f:
        text = f.read().replace("{{attack}}", ATTACK).replace("{{namespace}}", ns)
    with open(static, "w", encoding="utf-8") as f:
        f.write(text)
    try:
        stage.apply("workloads.yaml", ns, attack=ATTACK)
        deadline = time.monotonic() + 100  # a CronJob starts with the next minute, and is looked at every 10 s
        wait_until(lambda: groups(stage, ns) == wanted or time.monotonic() > deadline, 110, "the alerts")
    finally:
        os.remove(static)
    check_equal(groups(stage, ns), wanted, "pod groups")
