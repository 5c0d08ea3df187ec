#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Learned profiles as RuntimeProfile objects on a real API server: stored, loaded, joined, refused."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import check, check_equal, main  # noqa: E402
from cluster import API, Cluster  # noqa: E402
from kube import ApiServer, why_no_kube  # noqa: E402
from rig import RigError, wait_until  # noqa: E402

PROFILES = f"{API}/namespaces/podward/runtimeprofiles"
GROUP = "podward/Deployment/web/app"
SERVER = None


def say(c, replica, *words):
    """Lines of kube-report."""
    done = subprocess.run([os.path.join(c.bin, "kube-report"), c.socket(replica), *map(str, words)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    if done.returncode != 0:
        raise RigError(f"kube-report {words}: {done.stdout} {done.stderr[-1500:]}")
    return done.stdout.split("\n")


def loaded(c, replica):
    """{group: behaviours} that an analyzer would get."""
    counts = {}
    for line in say(c, replica, "load"):
        words = line.split()
        if len(words) == 3:
            counts[words[0]] = counts.get(words[0], 0) + int(words[1])
    return counts


def objects():
    return {o["spec"]["podGroup"]: o for o in SERVER.requests.get(PROFILES)["items"]}


def entries(group=GROUP):
    return objects().get(group, {"spec": {}})["spec"].get("entries", 0)


def replica(c, name):
    c.replica(name, "--profile-write", "1s")


def clear():
    for o in SERVER.requests.get(PROFILES)["items"]:
        SERVER.requests.delete(f"{PROFILES}/{o['metadata']['name']}")


def what_is_learned_is_stored_and_loaded_by_a_replica_with_an_empty_folder(options):
    with Cluster(options.bin, SERVER.kubeconfig) as c:
        replica(c, "one")
        say(c, "one", "report", GROUP, 0, 2500, 1)
        wait_until(lambda: entries() == 2500, 30, "the object")
        stored = objects()[GROUP]
        check_equal(stored["spec"]["workloadRef"], {"kind": "Deployment", "name": "web", "container": "app"}, "workload")
        check_equal(stored["spec"]["epoch"], 1, "epoch")
        check_equal(len(stored["spec"]["fileRead"]), 200, "shown")
        wait_until(lambda: objects()[GROUP].get("status", {}).get("phase") == "Learning", 10, "its status")
        check("web" in SERVER.kubectl("get", "rtpf", "-n", "podward"), "get")
        c.services.pop("one").kill()
        replica(c, "two")  # another folder
        check_equal(loaded(c, "two"), {GROUP: 2500}, "what an analyzer is given")
    clear()


def two_replicas_join_what_they_were_told(options):
    with Cluster(options.bin, SERVER.kubeconfig) as c:
        replica(c, "one")
        replica(c, "two")
        say(c, "one", "report", GROUP, 0, 1000, 1)
        say(c, "two", "report", GROUP, 500, 1000, 2)
        wait_until(lambda: entries() == 1500, 60, "both halves in the object")
        wait_until(lambda: objects()[GROUP]["spec"]["epoch"] == 2, 10, "the newer state")
        for name in ("one", "two"):
            wait_until(lambda n=name: loaded(c, n) == {GROUP: 1500}, 20, f"both halves at {name}")
    clear()


def what_was_deleted_comes_again_with_the_next_change(options):
    with Cluster(options.bin, SERVER.kubeconfig) as c:
        replica(c, "one")
        say(c, "one", "report", GROUP, 0, 10, 1)
        wait_until(lambda: entries() == 10, 30, "the object")
        clear()
        say(c, "one", "report", GROUP, 0, 20, 1)
        wait_until(lambda: entries() == 20, 40, "the object again")
    clear()


def what_does_not_fit_is_generalised_and_not_lost(options):
    with Cluster(options.bin, SERVER.kubeconfig) as c:
        replica(c, "one")
        say(c, "one", "report", GROUP, 0, 100, 1)
        wait_until(lambda: entries() == 100, 30, "the object")
        say(c, "one", "report", GROUP, 100, 99000, 1)
        wait_until(lambda: objects()[GROUP]["spec"].get("generalised") == 99100, 60, "templates")
        check_equal(objects()[GROUP]["spec"]["fileRead"], ["/opt/app/<any>"], "what people see")
        check_equal(objects()[GROUP]["status"]["phase"], "Learning", "phase")
        wait_until(lambda: loaded(c, "one") == {GROUP: 99101}, 20, "all of it and the template")
        c.services.pop("one").kill()
        replica(c, "two")
        check_equal(loaded(c, "two"), {GROUP: 1}, "what a replica with an empty folder gives")
    clear()


def an_object_of_somebody_else_changes_no_other_group(options):
    with Cluster(options.bin, SERVER.kubeconfig) as c:
        replica(c, "one")
        say(c, "one", "report", GROUP, 0, 10, 1)
        wait_until(lambda: entries() == 10, 30, "the object")
        forged = objects()[GROUP]
        SERVER.kubectl("create", "namespace", "evil")
        for group in (GROUP, "evil/Deployment/web/app"):
            forged["spec"]["podGroup"] = group
            forged["spec"]["epoch"] = 77
            body = {"apiVersion": "podward.dev/v1alpha1", "kind": "RuntimeProfile",
                    "metadata": {"name": f"x-{len(group)}"}, "spec": forged["spec"]}
            SERVER.requests.post(f"{API}/namespaces/evil/runtimeprofiles", body)
        key = 'podward_policysync_kube_profiles_total{result="unreadable"}'
        wait_until(lambda: c.metrics("one").get(key) == 2, 20, "both refused")
        check_equal(loaded(c, "one"), {GROUP: 10}, "what an analyzer is given")
    clear()


CASES = [what_is_learned_is_stored_and_loaded_by_a_replica_with_an_empty_folder, two_replicas_join_what_they_were_told,
         what_was_deleted_comes_again_with_the_next_change, what_does_not_fit_is_generalised_and_not_lost,
         an_object_of_somebody_else_changes_no_other_group]

if __name__ == "__main__":
    REASON = why_no_kube()
    if REASON:
        main(__doc__, CASES, lambda: REASON)
    with ApiServer() as SERVER:
        SERVER.install_crds()
        SERVER.kubectl("create", "namespace", "podward")
        main(__doc__, CASES)
