# SPDX-License-Identifier: Apache-2.0
"""A short learningDuration: the workload is Protected when it is over, its profile is an object; then what it did
all the time is silent, and a program that it never started alerts with the profile as the reason."""
from cases import check, check_equal
from rig import wait_until

WORKLOAD = "/Deployment/shop/front"


def new_things(stage, group):
    """(dimension, object) of what the profile engine told of the workload's own processes."""
    return {(r["alert"]["decidedBy"], r["alert"]["event"]["object"]) for r in stage.alerts()
            if r["alert"]["engine"] == "profile" and r["alert"]["podGroup"] == group}


def run(stage):
    ns = stage.namespace("learning")
    group = ns + WORKLOAD
    stage.apply("quick.yaml", ns)
    stage.wait_in_force(ns, "rtp/quick")
    stage.apply("busy-shop.yaml", ns, version=1, more=":")
    stage.wait_phase(group, "Protected", 60)
    check_equal(new_things(stage, group), set(), "findings about what was learned")
    stage.sh(ns, "deployment/shop", "touch /tmp/go")
    stage.wait_alert(ns, "profile/exec", 20, lambda a: a["event"]["object"] == "/bin/head")
    old = {thing for thing in new_things(stage, group) if thing[1] in ("/bin/cat", "/bin/sleep", "/etc/hostname")}
    check_equal(old, set(), "findings about what was learned")

    def kept():
        rows = stage.get("-n", ns, "rtpf")["items"]
        return [r for r in rows if r["spec"]["podGroup"] == group and "/bin/cat" in str(r["spec"].get("exec"))]

    check(wait_until(kept, 30, "the profile as an object", 0.5), "")
