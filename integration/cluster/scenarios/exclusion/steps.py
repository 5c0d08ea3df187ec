# SPDX-License-Identifier: Apache-2.0
"""kubectl apply of a RuntimeExclusion: what it names is silent from then on and its hits are counted; what it
does not name alerts as before."""
from cases import check, check_equal
from rig import wait_until
from stage import ATTACK, MINER

HITS = 'podward_analyzer_alerts_suppressed_total{reason="exclusion"}'


def run(stage):
    ns = stage.namespace("exclusion")
    stage.apply("shop.yaml", ns)
    stage.wait_rollout(ns, "deployment/shop")
    stage.apply("exclusion.yaml", ns)
    stage.wait_in_force(ns, "rtex/miners-are-fine")
    before = stage.metric("analyzer", HITS)
    stage.sh(ns, "deployment/shop", ATTACK)
    wait_until(lambda: stage.metric("analyzer", HITS) > before, 20, "the hit to be counted", 0.3)
    stage.sh(ns, "deployment/shop", "head -c 1 /etc/shadow")
    stage.wait_alert(ns, "sig/default/creds.shadow")
    check_equal(stage.alerts(ns, MINER), [], "alerts in spite of the exclusion")
    stage.kubectl("-n", ns, "delete", "rtex", "miners-are-fine")
    check(stage.alerts(ns), "no alert at all")
