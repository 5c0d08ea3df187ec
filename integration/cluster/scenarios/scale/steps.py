# SPDX-License-Identifier: Apache-2.0
"""One analyzer, then three, then two, while eight pod groups learn: each is owned by one analyzer at a time, and
afterwards what was learned is silent and what is new alerts for each group. (The clock of learning: docs/scaling.md.)"""
import json
import os

import helm
import install
from cases import check, check_equal
from rig import RigError, wait_until

VALUES = os.path.join(os.path.dirname(install.__file__), "values.yaml")
NAMES = [f"c{i}" for i in range(8)]


def analyzers(stage, count):
    """With one policysync, which several analyzers need."""
    install.run_helm(stage.node, "upgrade", install.RELEASE, helm.CHART, "-n", install.NAMESPACE, "-f", VALUES,
                     "--set", "policysync.replicas=1", "--set", f"analyzer.replicas={count}")
    install.wait_ready(stage.node)
    wait_until(lambda: len(stage.pods("analyzer")) == count, 90, f"{count} analyzers")


def owners(stage, namespace):
    """{pod group: [analyzers that hold it]}."""
    held = {}
    for pod in stage.pods("analyzer"):
        page = stage.page("analyzer", "/v1/groups", pod)
        for group in json.loads(page)["groups"]:
            if group["pod_group"].startswith(namespace + "/"):
                held.setdefault(group["pod_group"], []).append(pod["metadata"]["name"])
    return held


def wait_shared(stage, groups, at_least):
    """Each group at exactly one analyzer, and more than one analyzer in use."""
    namespace = groups[0].split("/")[0]

    def shared():
        held = owners(stage, namespace)
        return (sorted(held) == groups and all(len(names) == 1 for names in held.values()) and
                len({names[0] for names in held.values()}) >= at_least)

    try:
        wait_until(shared, 60, "each pod group at one analyzer", 0.5)
    except RigError as error:
        raise RigError(f"{error}: {owners(stage, namespace)}") from None


def findings(stage, groups):
    return sorted((r["alert"]["podGroup"], r["alert"]["event"]["object"]) for r in stage.alerts()
                  if r["alert"]["engine"] == "profile" and r["alert"]["podGroup"] in groups)


def run(stage):
    ns = stage.namespace("scale")
    groups = [f"{ns}/Deployment/shop/{name}" for name in NAMES]
    analyzers(stage, 1)
    stage.apply("policy.yaml", ns)
    stage.wait_in_force(ns, "rtp/quick")
    stage.apply("shop.yaml", ns)
    stage.wait_rollout(ns, "deployment/shop")
    wait_shared(stage, groups, 1)
    analyzers(stage, 3)
    wait_shared(stage, groups, 2)
    analyzers(stage, 2)
    wait_shared(stage, groups, 1)
    for group in groups:
        stage.wait_phase(group, "Protected", 90)
    check_equal(findings(stage, groups), [], "findings about what was learned")
    for name in NAMES:
        stage.kubectl("-n", ns, "exec", "deployment/shop", "-c", name, "--", "/bin/touch", "/tmp/go")
    wanted = [(g, "/bin/head") for g in groups]
    wait_until(lambda: {f for f in findings(stage, groups) if f[1] == "/bin/head"} == set(wanted), 30, "what is new")
    known = [f for f in findings(stage, groups) if f[1] in ("/bin/cat", "/bin/sleep", "/etc/hostname")]
    check_equal(known, [], "findings about what was learned")
    lost = stage.metric("collector", "podward_collector_backlog_dropped_events_total")
    check(lost == 0, f"{lost:.0f} events were dropped")
    install.run_helm(stage.node, "upgrade", install.RELEASE, helm.CHART, "-n", install.NAMESPACE, "-f", VALUES)
    install.wait_ready(stage.node)
