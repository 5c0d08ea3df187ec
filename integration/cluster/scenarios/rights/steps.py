# SPDX-License-Identifier: Apache-2.0
"""The rights are minimal: each verb that the chart grants to policysync was used by the scenarios before, by the API
server's own audit log, and nothing that it asked for was refused. Take one away, and what needs it is refused."""
import json
import time

import install
from cases import check_equal
from node import AUDIT_LOG
from rig import wait_until
from stage import ATTACK, MINER, seconds_of

ACCOUNT = f"system:serviceaccount:{install.NAMESPACE}:podward-policysync"
ROLE = ("-n", install.NAMESPACE, "role/podward-policysync")
CLUSTER_ROLE = ("clusterrole/podward-policysync",)


def asked(since=0.0):
    """{(verb, group/resource[/part]): was the last one refused?} from the audit log. An API server that has just
    started refuses for a moment what it grants."""
    rows = {}
    with open(AUDIT_LOG, encoding="utf-8") as f:
        for line in f:
            event = json.loads(line)
            if event["user"]["username"] != ACCOUNT or "objectRef" not in event:
                continue
            stamp = event["requestReceivedTimestamp"]
            if stamp < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since)):
                continue
            thing = event["objectRef"]
            part = f"/{thing['subresource']}" if thing.get("subresource") else ""
            key = (event["verb"], f"{thing.get('apiGroup', '')}/{thing['resource']}{part}")
            # 403 alone may also be a namespace that is on its way out.
            rows[key] = event["annotations"].get("authorization.k8s.io/decision") == "forbid"
            made = event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201
            if made:  # an apply that made the object needs both rights
                rows.setdefault(("create", key[1]), False)
    return rows


def since_install(stage):
    made = stage.get("-n", install.NAMESPACE, "deployment/podward-policysync")["metadata"]["creationTimestamp"]
    return seconds_of(made)


def granted(stage):
    rules = stage.get(*CLUSTER_ROLE)["rules"] + stage.get(*ROLE)["rules"]
    return {(verb, f"{group}/{resource}") for rule in rules for group in rule["apiGroups"]
            for resource in rule["resources"] for verb in rule["verbs"]}


def run(stage):
    ns = stage.namespace("rights")
    stage.apply("every-kind.yaml", ns)
    for what in ("crtp/rights", "crtex/rights", "sigs/rights"):
        stage.wait_for(ns, what, "condition=Accepted", 30)
    renew_an_event(stage, ns)
    stage.kubectl("delete", "crtp/rights", "crtex/rights", "sigs/rights")
    rows = asked(since_install(stage))
    check_equal(sorted(key for key, refused in rows.items() if refused), [], "what was refused")
    check_equal(sorted(granted(stage) - set(rows)), [], "what is granted and was never asked for")
    check_equal(sorted(set(rows) - granted(stage)), [], "what was asked for beyond the roles")
    one_less_is_noticed(stage)


def renew_an_event(stage, namespace):
    """A second alert about a pod renews the Event of the first one when that is half a minute old."""
    stage.apply("two.yaml", namespace)
    stage.wait_for(namespace, "pod/two", "condition=Ready")
    installed = since_install(stage)
    for container, pause in (("one", 0), ("other", 31)):
        time.sleep(pause)
        stage.kubectl("-n", namespace, "exec", "two", "-c", container, "--", "/bin/sh", "-c", ATTACK, check=False)
        stage.wait_alert(namespace, MINER, where=lambda alert, name=container: alert["container"]["name"] == name)
    wait_until(lambda: ("patch", "/events") in asked(installed), 20, "an Event to be renewed", 1)


def put_role(stage, rules):
    role = stage.get(*CLUSTER_ROLE)
    role["metadata"].pop("resourceVersion")
    stage.kubectl("replace", "-f", "-", text=json.dumps({**role, "rules": rules}))


def one_less_is_noticed(stage):
    """This check can fail: without one rule something is refused."""
    rules = stage.get(*CLUSTER_ROLE)["rules"]
    started = time.time()
    put_role(stage, [r for r in rules if "jobs" not in r["resources"]])
    try:
        stage.kubectl("-n", install.NAMESPACE, "rollout", "restart", "deployment/podward-policysync")
        wait_until(lambda: any(asked(started).values()), 60, "a refusal after a rule was taken away", 1)
    finally:
        put_role(stage, rules)
    install.wait_ready(stage.node)
