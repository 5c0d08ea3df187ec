# SPDX-License-Identifier: Apache-2.0
"""An attack in a pod: an alert with namespace, workload, container, image digest and lineage is at a webhook
within two seconds of the event in the kernel."""
from cases import check
from stage import ATTACK, MINER, check_attack_alert, seconds_of

LIMIT_S = 2.0


def run(stage):
    ns = stage.namespace("attack")
    stage.apply("shop.yaml", ns)
    stage.wait_rollout(ns, "deployment/shop")
    stage.sh(ns, "deployment/shop", ATTACK)
    row = stage.wait_alert(ns, MINER)
    check_attack_alert(row["alert"], ns, f"{ns}/Deployment/shop/front", "front")
    took = row["arrived"] - seconds_of(row["alert"]["time"])
    print(f"      {took * 1000:.0f} ms from the kernel to the webhook")
    check(0 <= took <= LIMIT_S, f"{took:.2f} s from the kernel to the webhook, at most {LIMIT_S}")
