#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory and CPU of policysync with 10,000 pods on 500 nodes and their churn. The load is synthetic: the fake API
server holds the pods, because a real one would need minutes to take them.
"""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[0:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
import apiserver as fake  # noqa: E402
from cases import check, main  # noqa: E402
from cluster import Cluster, container_id, owner, pod, running  # noqa: E402
from rig import wait_until  # noqa: E402

PODS, NODES, CHANGES, LIMIT_MIB = 10000, 500, 2000, 64
UNDER_SANITIZER_MIB = 1024


def fill(store):
    """Pods as large as real ones (4 KB), 1 of 10 a new Deployment."""
    apps = ("/apis/apps/v1", "replicasets", "podward")
    for i in range(PODS // 10):
        body = {"metadata": {"ownerReferences": [owner("Deployment", f"d{i}")]}}
        store.put(apps + (f"r{i}",), body)
    for i in range(PODS):
        replicaset = store.objects[apps + (f"r{i // 10}",)]
        body = pod(f"p{i}", f"node-{i % NODES}", [owner("ReplicaSet", f"r{i // 10}", replicaset["metadata"]["uid"])])
        body["metadata"]["annotations"] = {"padding": "x" * 2500}
        body.update(running(f"p{i}", "app", "proxy"))
        store.put(("/api/v1", "pods", "podward", f"p{i}"), body)


def change(store, number):
    """A pod that ends and another that starts, as a rollout does."""
    key = ("/api/v1", "pods", "podward", f"p{number}")
    old = store.remove(key)
    body = pod(f"n{number}", f"node-{number % NODES}", old["metadata"]["ownerReferences"])
    body.update(running(f"n{number}", "app", "proxy"))
    store.put(("/api/v1", "pods", "podward", f"n{number}"), body)


def ten_thousand_pods_fit_into_64_mib(options):
    limit = UNDER_SANITIZER_MIB if "asan" in options.bin or "tsan" in options.bin else LIMIT_MIB
    with fake.ApiServer() as server:
        fill(server.store)
        with Cluster(options.bin, server.kubeconfig) as c:
            started = time.monotonic()
            c.replica("one")
            ready = time.monotonic() - started
            watcher = c.watcher("one", "node-7")
            wait_until(lambda: len(watcher.assigned) == 2 * PODS // NODES, 60, "the node's containers", 0.1)
            first, cpu = c.rss_kib("one") / 1024, c.cpu_s("one")
            began = time.monotonic()
            for i in range(CHANGES):
                change(server.store, i)
            last = container_id(f"n{CHANGES - NODES + 7}app")
            wait_until(lambda: last in watcher.assigned, 60, "the last change", 0.02)
            wait_until(lambda: c.metrics("one").get("podward_policysync_assignments", 0) == 2 * PODS + 2 * CHANGES, 60,
                       "all changes", 0.1)
            took, after = time.monotonic() - began, c.rss_kib("one") / 1024
            work = c.cpu_s("one") - cpu
            print("      " + json.dumps({
                "pods": PODS, "nodes": NODES, "containers": 2 * PODS, "ready_s": round(ready, 2),
                "cpu_until_ready_s": round(cpu, 2), "rss_mib": round(first, 1), "changes": 2 * CHANGES,
                "churn_s": round(took, 2), "cpu_per_change_us": round(work / CHANGES / 2 * 1e6),
                "rss_after_churn_mib": round(after, 1)}))
            check(after <= limit, f"{after:.1f} MiB of memory, wanted {limit}")
            check(not c.metrics("one").get("podward_policysync_pods_refused_total"), "pods were refused")
            check(watcher.full == 1, f"the collector was told everything {watcher.full} times")


CASES = [ten_thousand_pods_fit_into_64_mib]

if __name__ == "__main__":
    main(__doc__, CASES)
