#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""policysync in a cluster, on a real API server: policies, their status, pod groups, two replicas."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import check, check_equal, main  # noqa: E402
from cluster import API, Cluster, container_id, owner, pod, running  # noqa: E402
from kube import ApiServer, Refused, why_no_kube  # noqa: E402
from rig import wait_until  # noqa: E402

PODS = "/api/v1/namespaces/podward/pods"
SERVER = None


def cluster(options):
    return Cluster(options.bin, SERVER.kubeconfig)


def policy(name, spec, kind="RuntimePolicy"):
    plural = {"RuntimePolicy": "namespaces/podward/runtimepolicies", "ClusterRuntimePolicy": "clusterruntimepolicies",
              "SignatureSet": "signaturesets", "RuntimeExclusion": "namespaces/podward/runtimeexclusions"}[kind]
    meta = {"name": name, **({"namespace": "podward"} if plural.startswith("namespaces") else {})}
    path = f"{API}/{plural}/{name}"
    body = {"apiVersion": "podward.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    try:
        meta["resourceVersion"] = SERVER.requests.get(path)["metadata"]["resourceVersion"]
        SERVER.requests.call("PUT", path, body)
    except Refused:
        SERVER.requests.post(path.rpartition("/")[0], body)
    return path


def condition(path, kind):
    status = SERVER.requests.get(path).get("status", {})
    found = [c for c in status.get("conditions", []) if c["type"] == kind]
    return found[0] if found else {}


def wait_condition(path, kind, status, reason, seconds=20):
    def holds():
        c = condition(path, kind)
        generation = SERVER.requests.get(path)["metadata"]["generation"]
        return (c.get("status"), c.get("reason")) == (status, reason) and (
            kind != "Accepted" or c["observedGeneration"] == generation)

    try:
        wait_until(holds, seconds, "x", 0.05)
    finally:
        if not holds():
            print("      condition:", condition(path, kind))
    return condition(path, kind)["message"]


def clear():
    for plural in ("runtimepolicies", "clusterruntimepolicies", "runtimeexclusions", "signaturesets"):
        for item in SERVER.requests.get(f"{API}/{plural}")["items"]:
            namespace = item["metadata"].get("namespace")
            where = f"namespaces/{namespace}/{plural}" if namespace else plural
            SERVER.requests.delete(f"{API}/{where}/{item['metadata']['name']}")
    for item in SERVER.requests.get(PODS)["items"]:
        SERVER.requests.call("DELETE", f"{PODS}/{item['metadata']['name']}", {"gracePeriodSeconds": 0})


def a_policy_is_accepted_and_programmed(options):
    with cluster(options) as c:
        c.replica("one")
        path = policy("web", {"mode": "Audit", "signatures": {"enabled": True, "sets": ["default"]}})
        wait_condition(path, "Accepted", "True", "Valid")
        wait_condition(path, "Programmed", "False", "NoAnalyzer")
        c.analyzer("analyzer-0", "one")
        SERVER.kubectl("wait", "-n", "podward", "--for=condition=Programmed", "--timeout=20s", "rtp/web")
        check_equal(SERVER.requests.get(path)["status"]["analyzers"], "1/1", "analyzers")
        before = SERVER.requests.get(path)
        check("web" in SERVER.kubectl("get", "rtp", "-n", "podward"), "get")
        policy("web", {"mode": "Enforce"})
        wait_until(lambda: condition(path, "Programmed").get("observedGeneration") == 2
                   and condition(path, "Programmed")["status"] == "True", 20, "the second generation to be in force")
        after = SERVER.requests.get(path)
        check(before["status"]["revision"] != after["status"]["revision"], "the revision did not change")
        c.end("analyzer-0")
        wait_condition(path, "Programmed", "False", "NoAnalyzer")
    clear()


def what_makes_no_sense_is_refused_and_the_version_before_stays(options):
    rows = [
        ({"signatures": {"enabled": True, "sets": ["default", "absent"]}}, "spec.signatures.sets[1]"),
        ({"rules": [{"name": "r", "action": "Deny", "match": {"network": {"cidrs": ["999.0.0.0/8"]}}}]},
         "spec.rules[0].match.network.cidrs[0]"),
        ({"profile": {"enabled": True, "learningDuration": "900d"}}, "spec.profile.learningDuration"),
        ({"rules": [{"name": "a", "action": "Deny", "match": {"exec": {"paths": ["/bin/sh"]}}},
                    {"name": "b", "action": "Allow", "match": {"exec": {"paths": ["/bin/sh"]}}}]}, "spec.rules[1]"),
    ]
    with cluster(options) as c:
        c.replica("one")
        c.analyzer("analyzer-0", "one")
        path = policy("sense", {"mode": "Audit"})
        wait_condition(path, "Programmed", "True", "InForce")
        for spec, field in rows:
            SERVER.requests.merge(path, {"spec": {k: None for k in ("signatures", "rules", "profile")}})
            wait_condition(path, "Accepted", "True", "Valid")
            SERVER.requests.merge(path, {"spec": spec})
            message = wait_condition(path, "Accepted", "False", "Invalid")
            check(message.startswith(field + ": "), f"{field}: {message}")
            check("the version before stays in force" in message, message)
            check_equal(condition(path, "Programmed")["status"], "True", "Programmed of the version before")
        SERVER.requests.merge(path, {"spec": {"signatures": {"sets": ["default", "absent"]}, "rules": None,
                                              "profile": None}})
        wait_condition(path, "Accepted", "False", "Invalid")
        policy("absent", {"rules": [{"id": "x", "title": "t", "severity": "Low", "condition": "proc.name = never"}]},
               "SignatureSet")
        wait_condition(path, "Accepted", "True", "Valid")  # what it asked for came
    clear()


def what_an_analyzer_refuses_is_said_in_the_status(options):
    with cluster(options) as c:
        c.replica("one")
        c.analyzer("analyzer-0", "one")
        path = policy("broken", {"rules": [{"id": "x", "title": "t", "severity": "Low", "condition": "proc.name ="}]},
                      "SignatureSet")
        wait_condition(path, "Accepted", "True", "Valid")
        message = wait_condition(path, "Programmed", "False", "AnalyzerRefused")
        check("condition" in message, message)
    clear()


def make_replicaset(name, deployment):
    spec = {"selector": {"matchLabels": {"a": name}}, "template": {
        "metadata": {"labels": {"a": name}}, "spec": {"containers": [{"name": "app", "image": "i"}]}}}
    return SERVER.requests.post("/apis/apps/v1/namespaces/podward/replicasets", {
        "metadata": {"name": name, "ownerReferences": [owner(*deployment)] if deployment else []}, "spec": spec})


def make_job(name, cronjob):
    template = {"spec": {"containers": [{"name": "app", "image": "i"}], "restartPolicy": "Never"}}
    return SERVER.requests.post("/apis/batch/v1/namespaces/podward/jobs", {
        "metadata": {"name": name, "ownerReferences": [owner(*cronjob)] if cronjob else []},
        "spec": {"template": template}})


def make_pod(name, node, owners=(), generate=None, containers=("app",)):
    SERVER.requests.post(PODS, pod(name, node, owners, generate))
    return SERVER.requests.merge(f"{PODS}/{name}/status", running(name, *containers))


def each_pod_gets_the_group_of_its_topmost_owner(options):
    uid = {n: make_replicaset(n, d)["metadata"]["uid"] for n, d in (
        ("web-5d4", ("Deployment", "web")), ("shop-77", ("Rollout", "shop")), ("alone-1", None))}
    uid |= {n: make_job(n, c)["metadata"]["uid"] for n, c in (("tidy-2711", ("CronJob", "tidy")), ("once", None))}
    rows = [
        ("web-5d4-x", [owner("ReplicaSet", "web-5d4", uid["web-5d4"])], None, "Deployment/web"),
        ("shop-77-x", [owner("ReplicaSet", "shop-77", uid["shop-77"])], None, "Rollout/shop"),
        ("alone-1-x", [owner("ReplicaSet", "alone-1", uid["alone-1"])], None, "ReplicaSet/alone-1"),
        ("tidy-2711-x", [owner("Job", "tidy-2711", uid["tidy-2711"])], None, "CronJob/tidy"),
        ("once-x", [owner("Job", "once", uid["once"])], None, "Job/once"),
        ("db-0", [owner("StatefulSet", "db")], None, "StatefulSet/db"),
        ("logs-x", [owner("DaemonSet", "logs")], None, "DaemonSet/logs"),
        ("runner-x", [owner("EphemeralRunner", "runner")], None, "EphemeralRunner/runner"),
        ("bare", [], None, "Pod/bare"),
        ("made-7x", [], "made-", "Pod/made"),
    ]
    with cluster(options) as c:
        c.replica("one")
        near, far = c.watcher("one", "n1"), c.watcher("one", "n2")
        for name, owners, generate, _ in rows:
            make_pod(name, "n1", owners, generate)
        for name, _, _, group in rows:
            near.wait_group(name, "app", f"podward/{group}/app")
        late = make_pod("late-x", "n1", [owner("ReplicaSet", "late-1")], containers=("app", "side"))
        check_equal(late["metadata"]["name"], "late-x", "pod")
        time.sleep(0.5)
        check(container_id("late-xapp") not in near.assigned, "a group was guessed before the owner was known")
        make_pod("elsewhere", "n2")
        far.wait_group("elsewhere", "app", "podward/Pod/elsewhere/app")
        check_equal(list(far.assigned), [container_id("elsewhereapp")], "what the other node knows")
        again = c.watcher("one", "n1")
        for name, _, _, group in rows:
            again.wait_group(name, "app", f"podward/{group}/app")
        check(container_id("elsewhereapp") not in again.assigned, "another node's container")
        wait_until(lambda: c.metrics("one").get('podward_policysync_pods{state="waiting"}') == 1, 5, "a waiting pod")
    clear()


def an_assignment_is_at_the_collector_within_100_ms(options):
    with cluster(options) as c:
        c.replica("one")
        watcher = c.watcher("one", "n1")
        wait_until(lambda: watcher.full, 20, "the stream")
        for i in range(300):
            SERVER.requests.post(PODS, pod(f"fast-{i}", "n1"))
        times, whole = [], []
        for i in range(300):
            asked = time.monotonic_ns()
            SERVER.requests.merge(f"{PODS}/fast-{i}/status", running(f"fast-{i}", "app"))
            answered = time.monotonic_ns()
            key = container_id(f"fast-{i}app")
            wait_until(lambda k=key: k in watcher.arrived, 5, f"assignment {i}", 0.001)
            times.append(max(0, watcher.arrived[key] - answered) / 1e6)
            whole.append((watcher.arrived[key] - asked) / 1e6)
        for what, row in (("after the server's answer", times), ("after the request", whole)):
            row.sort()
            print(f"      {what}: p50 {row[150]:.2f} ms, p99 {row[296]:.2f} ms, max {row[-1]:.2f} ms")
        limit = 1000 if "asan" in options.bin or "tsan" in options.bin else 100
        check(whole[296] <= limit, f"p99 is {whole[296]:.1f} ms")
    clear()


def programmed_waits_for_the_analyzers_of_every_replica(options):
    with cluster(options) as c:
        c.replica("one")
        c.replica("two")
        c.analyzer("analyzer-0", "one")
        c.analyzer("analyzer-1", "two")
        path = policy("wide", {"mode": "Audit"})
        wait_condition(path, "Programmed", "True", "InForce", 30)
        wait_until(lambda: SERVER.requests.get(path)["status"]["analyzers"] == "2/2", 30, "both analyzers")
        follower = "one" if c.metrics("two")["podward_policysync_leader"] == 1 else "two"
        behind = c.services["analyzer-0" if follower == "one" else "analyzer-1"]
        behind.process.send_signal(signal.SIGSTOP)
        try:
            policy("wide", {"mode": "Enforce"})
            message = wait_condition(path, "Programmed", "False", "Pending")
            check("1 of 2" in message, message)
            time.sleep(8)  # longer than what a replica may lag
            check_equal(condition(path, "Programmed")["status"], "False", "while one analyzer has not acknowledged")
        finally:
            behind.process.send_signal(signal.SIGCONT)
        wait_condition(path, "Programmed", "True", "InForce", 30)
        wait_until(lambda: SERVER.requests.get(path)["status"]["analyzers"] == "2/2", 10, "both again")
    clear()


def hits_of_exclusions_are_in_their_status(options):
    spec = {"detectors": ["sig/*/x"], "reason": "planned", "shadow": True}
    with cluster(options) as c:
        c.replica("one")
        c.replica("two")
        path = policy("quiet", spec, "RuntimeExclusion")
        wait_condition(path, "Accepted", "True", "Valid")
        report = lambda replica, name, count: subprocess.run(
            [os.path.join(c.bin, "kube-report"), c.socket(replica), "hit", "podward", name, str(count)], check=True,
            stdout=subprocess.DEVNULL, timeout=60)
        status = lambda: SERVER.requests.get(path)["status"]
        report("one", "absent", 3)  # deleted meanwhile: nothing happens
        report("one", "quiet", 7)
        wait_until(lambda: status().get("hits") == 7, 20, "the hits")
        check_equal(status()["lastHit"], "2023-11-14T22:13:20Z", "last hit")
        report("two", "quiet", 5)  # its analyzers' own, whoever leads
        wait_until(lambda: status().get("hits") == 12, 20, "the hits of both")
        before = SERVER.requests.get(path)["metadata"]["resourceVersion"]
        for _ in range(20):
            report("one", "quiet", 1)
        time.sleep(2)
        check_equal(SERVER.requests.get(path)["metadata"]["resourceVersion"], before, "writes within a minute")
        check("HITS" in SERVER.kubectl("get", "rtex", "-n", "podward"), "the column")
        check_equal(condition(path, "Accepted")["status"], "True", "the rest of the status")
    clear()


def events_of(name):
    return [e for e in SERVER.requests.get("/api/v1/namespaces/podward/events")["items"]
            if e["involvedObject"]["name"] == name]


def feed(c, replica, first, count, name, uid):
    subprocess.run([os.path.join(c.bin, "alert-feeder"), c.socket(replica), str(first), str(count), "50", "podward", name,
                    uid], check=True, timeout=60)


def alerts_are_events_of_their_pod(options):
    if time.time() % 600 > 570:  # not over the edge of two windows
        time.sleep(600 - time.time() % 600)
    uid = make_pod("victim", "n1")["metadata"]["uid"]
    with cluster(options) as c:
        c.replica("one")
        feed(c, "one", 1, 500, "victim", uid)  # 200 of them High or Critical, one detector
        wait_until(lambda: events_of("victim"), 20, "the event")
        written = lambda result: c.metrics("one").get(f'podward_policysync_alert_events_total{{result="{result}"}}', 0)
        wait_until(lambda: written("written") + written("joined") == 200, 20, "all alerts to be looked at")
        found = events_of("victim")
        check_equal((len(found), found[0]["type"], found[0]["reason"]), (1, "Warning", "PodwardAlert"), "events")
        shown = SERVER.kubectl("describe", "pod", "victim", "-n", "podward")
        check("sig/default/credential.read: Credentials were read" in shown, shown)
        c.end("one")
        c.replica("two")  # another folder and life: the same event
        feed(c, "two", 1001, 5, "victim", uid)
        wait_until(lambda: c.metrics("two").get('podward_policysync_alert_events_total{result="written"}'), 20, "a write")
        check_equal([e["metadata"]["name"] for e in events_of("victim")], [found[0]["metadata"]["name"]], "still one")
        for i in range(90):  # of many pods: past the rate they are counted
            feed(c, "two", 2001 + 5 * i, 5, f"p{i}", "")
        limited = 'podward_policysync_alert_events_total{result="limited"}'
        wait_until(lambda: c.metrics("two").get(limited, 0) > 20, 20, "what is past the rate to be counted")
        names = {e["involvedObject"]["name"] for e in SERVER.requests.get("/api/v1/namespaces/podward/events")["items"]}
        check(len(names) <= 62, f"{len(names)} events")
    clear()


def one_of_two_replicas_writes_and_the_other_takes_over(options):
    with cluster(options) as c:
        c.replica("one")
        wait_until(lambda: c.metrics("one").get("podward_policysync_leader") == 1, 30, "the first to lead")
        c.replica("two")
        path = policy("both", {"mode": "Audit"})
        wait_condition(path, "Accepted", "True", "Valid")
        check(c.metrics("two").get("podward_policysync_leader", 0) == 0, "two leaders")
        writes = 'podward_policysync_kube_writes_total{result="ok"}'
        check(c.metrics("two").get(writes, 0) == 0, "the replica that does not lead wrote")
        for replica in ("one", "two"):  # both serve streams
            c.watcher(replica, "n1")
        make_pod("shared", "n1")
        for watcher in c.watchers:
            watcher.wait_group("shared", "app", "podward/Pod/shared/app")
        c.services.pop("one").kill()
        policy("both", {"mode": "Enforce"})
        wait_until(lambda: condition(path, "Accepted").get("observedGeneration") == 2, 40, "the second to write")
        check(c.metrics("two").get(writes, 0) >= 1, "nobody wrote")
    clear()


def an_api_server_that_is_away_changes_nothing(options):
    with cluster(options) as c:
        c.replica("one")
        c.analyzer("analyzer-0", "one")
        watcher = c.watcher("one", "n1")
        path = policy("stays", {"mode": "Audit"})
        make_pod("stays", "n1")
        watcher.wait_group("stays", "app", "podward/Pod/stays/app")
        wait_condition(path, "Programmed", "True", "InForce")
        serial = c.metrics("one")["podward_policysync_policy_serial"]
        SERVER.kill()
        again = c.watcher("one", "n1")
        again.wait_group("stays", "app", "podward/Pod/stays/app")
        check_equal(c.metrics("one")["podward_policysync_policy_serial"], serial, "policies")
        SERVER.start()
        make_pod("later", "n1")
        again.wait_group("later", "app", "podward/Pod/later/app", 60)
        check_equal(c.metrics("one")["podward_policysync_policy_serial"], serial, "policies after it came back")
    clear()


def health_is_one_object_that_kubectl_shows(options):
    path = f"{API}/runtimeprotections/default"

    def status():
        try:
            return SERVER.requests.get(path).get("status", {})
        except Refused:
            return {}

    def healthy(wanted, reason):
        return [(c["status"], c["reason"]) for c in status().get("conditions", [])] == [(wanted, reason)]

    with cluster(options) as c:
        c.replica("one")
        wait_until(lambda: healthy("True", "Ok"), 30, "health")
        check_equal(status()["leader"], "one", "leader")
        policy("ill", {"signatures": {"enabled": True, "sets": ["absent"]}})
        wait_until(lambda: healthy("False", "PolicyRefused"), 20, "the refusal in the health")
        check_equal(status()["refused"], 1, "refused")
        check("False" in SERVER.kubectl("get", "rtprot"), "get")
    clear()


CASES = [health_is_one_object_that_kubectl_shows, a_policy_is_accepted_and_programmed, what_makes_no_sense_is_refused_and_the_version_before_stays,
         what_an_analyzer_refuses_is_said_in_the_status, each_pod_gets_the_group_of_its_topmost_owner,
         an_assignment_is_at_the_collector_within_100_ms, one_of_two_replicas_writes_and_the_other_takes_over,
         an_api_server_that_is_away_changes_nothing, alerts_are_events_of_their_pod,
         hits_of_exclusions_are_in_their_status, programmed_waits_for_the_analyzers_of_every_replica]

if __name__ == "__main__":
    REASON = why_no_kube()
    if REASON:
        main(__doc__, CASES, lambda: REASON)
    with ApiServer() as SERVER:
        SERVER.install_crds()
        SERVER.kubectl("create", "namespace", "podward")
        main(__doc__, CASES)
