# SPDX-License-Identifier: Apache-2.0
"""The collector is killed while the node is cordoned: kubelet starts it again on the same node, and an attack in a
container from before alerts with its workload."""
import os
import signal

import install
from cases import check
from node import NAME
from rig import wait_until
from stage import ATTACK, MINER, pid_of


def restarts(stage):
    pods = stage.pods("collector")
    return pods[0]["status"]["containerStatuses"][0]["restartCount"] if pods else -1


def run(stage):
    ns = stage.namespace("collector-killed")
    stage.apply("shop.yaml", ns)
    stage.wait_rollout(ns, "deployment/shop")
    stage.kubectl("cordon", NAME)
    try:
        before = restarts(stage)
        os.kill(pid_of(stage, stage.pods("collector")[0]), signal.SIGKILL)
        wait_until(lambda: restarts(stage) == before + 1, 60, "the collector to be started again", 0.5)
        install.wait_ready(stage.node)
        # Killed as a pod too: the DaemonSet makes another one on a node that takes no others.
        stage.kubectl("-n", install.NAMESPACE, "delete", "pod", stage.pods("collector")[0]["metadata"]["name"])
        install.wait_ready(stage.node)
        stage.sh(ns, "deployment/shop", ATTACK)
        alert = stage.wait_alert(ns, MINER)["alert"]
        check(alert["podGroup"] == f"{ns}/Deployment/shop/front", alert["podGroup"])
    finally:
        stage.kubectl("uncordon", NAME)
