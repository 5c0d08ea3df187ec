# SPDX-License-Identifier: Apache-2.0
"""A rollout with a new image that does something new: one finding that tells what came with the release; the
workload stays Protected, nothing is learned again, and what the release brought is no alert afterwards."""
from cases import check, check_equal

WORKLOAD = "/Deployment/shop/front"


def run(stage):
    ns = stage.namespace("rollout")
    group = ns + WORKLOAD
    stage.apply("quick.yaml", ns)
    stage.wait_in_force(ns, "rtp/quick")
    stage.apply("busy-shop.yaml", ns, version=1, more=":")
    stage.wait_phase(group, "Protected", 60)
    generation = stage.groups()[group]["generation"]
    stage.apply("busy-shop.yaml", ns, version=2, more="/bin/env >/dev/null")
    stage.wait_rollout(ns, "deployment/shop")
    alert = stage.wait_alert(ns, "profile/release", 60)["alert"]
    check(alert["podGroup"] == group, alert["podGroup"])
    row = stage.groups()[group]
    check_equal((row["phase"], row["generation"]), ("Protected", generation), "after the rollout")
    about = [r["alert"]["decidedBy"] for r in stage.alerts(ns)
             if r["alert"]["event"].get("object") == "/bin/env" and r["alert"]["decidedBy"] != "profile/release"]
    check_equal(about, [], "alerts about what the release brought")
