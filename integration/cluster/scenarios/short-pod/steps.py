# SPDX-License-Identifier: Apache-2.0
"""A pod that lives for 300 ms: what it did is told with its workload and container."""
from stage import ATTACK, MINER, check_attack_alert


def run(stage):
    ns = stage.namespace("short-pod")
    stage.apply("job.yaml", ns, attack=ATTACK)
    row = stage.wait_alert(ns, MINER)
    check_attack_alert(row["alert"], ns, f"{ns}/Job/flash/app", "app")
