# SPDX-License-Identifier: Apache-2.0
"""The API server is killed: attacks alert as before while it is away, nobody restarts, and what is applied after it
is back comes into force."""
import os
import signal

from cases import check_equal
from node import SOCKET
from stage import ATTACK, MINER


def restarts(stage):
    return {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"]
            for component in ("collector", "analyzer", "policysync") for p in stage.pods(component)}


def run(stage):
    ns = stage.namespace("server-restarted")
    stage.apply("shop.yaml", ns)
    stage.wait_rollout(ns, "deployment/shop")
    before = restarts(stage)
    container = stage.get("-n", ns, "pods")["items"][0]["status"]["containerStatuses"][0]["containerID"]
    os.kill(stage.node.daemons.pid("apiserver"), signal.SIGKILL)
    try:
        stage.node.run("ctr", "-a", SOCKET, "-n", "k8s.io", "task", "exec", "--exec-id", "attack",
                       container.rpartition("/")[2], "/bin/sh", "-c", ATTACK, check=False)
        stage.wait_alert(ns, MINER)
    finally:
        stage.node.start_server()
    stage.apply("policy.yaml", ns)
    stage.wait_in_force(ns, "rtp/no-id")
    check_equal(restarts(stage), before, "restarts")
