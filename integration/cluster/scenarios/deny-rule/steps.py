# SPDX-License-Identifier: Apache-2.0
"""A Deny rule in a RuntimePolicy: what it names alerts at once with the rule as the reason, although the workload
is still learning; another workload of the namespace is not touched."""
from cases import check, check_equal


def run(stage):
    ns = stage.namespace("deny-rule")
    stage.apply("shop.yaml", ns)
    stage.wait_rollout(ns, "deployment/shop")
    stage.apply("policy.yaml", ns)
    stage.wait_in_force(ns, "rtp/no-copies")
    stage.kubectl("-n", ns, "run", "other", "--image=localhost/podward-test:1", "--restart=Never", "--",
                  "/bin/id")
    stage.sh(ns, "deployment/shop", "/bin/id")
    alert = stage.wait_alert(ns, f"policy/{ns}/no-copies/no-id")["alert"]
    check_equal(alert["severity"], "Critical", "severity")
    check(alert["podGroup"] == f"{ns}/Deployment/shop/front", alert["podGroup"])
    denied = {r["alert"]["podGroup"] for r in stage.alerts(ns) if r["alert"]["decidedBy"].startswith("policy/")}
    check_equal(denied, {f"{ns}/Deployment/shop/front"}, "groups that the rule touched")
