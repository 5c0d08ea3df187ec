#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The custom resource definitions on a real API server, with kubectl as people use it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import check, check_equal, main  # noqa: E402
from kube import CRDS, ApiServer, why_no_kube  # noqa: E402

KINDS = {
    "rtp": ("RuntimePolicy", True), "crtp": ("ClusterRuntimePolicy", False), "rtex": ("RuntimeExclusion", True),
    "crtex": ("ClusterRuntimeExclusion", False), "sigs": ("SignatureSet", False), "rtpf": ("RuntimeProfile", True),
    "rtprot": ("RuntimeProtection", False),
}
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "examples")
BAD = os.path.join(EXAMPLES, "bad")
SERVER = None


def good(name):
    return os.path.join(EXAMPLES, name + ".yaml")


def every_kind_is_applied_and_read_back(_):
    for short, (kind, _namespaced) in KINDS.items():
        SERVER.kubectl("apply", "-f", good(short))
        SERVER.kubectl("apply", "--server-side", "--force-conflicts", "-f", good(short))
        text = SERVER.kubectl("get", short, "-A")
        check("AGE" in text and "example" in text or short == "rtprot" and "default" in text, f"get {short}: {text}")
        check(f"Kind:         {kind}" in SERVER.kubectl("describe", short, "-A"), f"describe {short}")


def the_category_lists_all_of_them(_):
    text = SERVER.kubectl("get", "podward", "-A", "-o", "name")
    check_equal(len(text.split()), len(KINDS), f"objects of the category: {text}")


def explain_shows_what_fields_mean(_):
    for field, words in {
            "rtp.spec.profile.learningDuration": "How long a pod group is learned",
            "crtp.spec.tier": "cannot be weakened",
            "crtex.spec.reason": "Why this is no attack",
            "sigs.spec.rules.condition": "condition language",
            "rtpf.spec.exact.data": "The baseline",
            "rtprot.status.analyzers": "of those connected",
            "rtex.spec.detectors": "Globs on the detector"}.items():
        text = " ".join(SERVER.kubectl("explain", field).split())
        check(words in text, f"explain {field}: {text}")


def defaults_are_filled_in(_):
    SERVER.kubectl("apply", "-f", "-", text="apiVersion: podward.dev/v1alpha1\nkind: ClusterRuntimePolicy\n"
                   "metadata: {name: empty}\nspec: {}\n")
    spec = SERVER.requests.get("/apis/podward.dev/v1alpha1/clusterruntimepolicies/empty")["spec"]
    check_equal(spec, {"mode": "Enforce", "tier": "Default", "priority": 100}, "spec")
    SERVER.kubectl("delete", "crtp", "empty")


def an_invalid_object_is_refused_with_all_its_errors(_):
    names = sorted(os.listdir(BAD))
    check(len(names) >= 6, f"few bad examples: {names}")
    for name in names:
        with open(os.path.join(BAD, name), encoding="utf-8") as f:
            wanted = [line.removeprefix("# refuses: ").strip() for line in f if line.startswith("# refuses: ")]
        check(wanted, f"{name} does not say what is refused")
        words = SERVER.kubectl("apply", "--validate=false", "-f", os.path.join(BAD, name), fails=True)
        for each in wanted:
            check(each in words, f"{name}: {each!r} is not in {words}")
        words = SERVER.kubectl("apply", "--server-side", "--validate=false", "-f", os.path.join(BAD, name), fails=True)
        for each in wanted:
            check(each in words, f"{name}, server side: {each!r} is not in {words}")


def wait_sees_a_condition(_):
    path = "/apis/podward.dev/v1alpha1/namespaces/podward/runtimepolicies/example/status"
    condition = {"type": "Programmed", "status": "True", "reason": "InForce", "message": "by hand",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}
    SERVER.requests.merge(path, {"status": {"analyzers": "1/1", "conditions": [condition]}})
    SERVER.kubectl("wait", "-n", "podward", "--for=condition=Programmed", "--timeout=20s", "rtp/example")
    columns = SERVER.kubectl("get", "rtp", "-n", "podward").split()
    check("True" in columns and "1/1" in columns, f"columns: {columns}")


def a_status_does_not_change_the_spec_nor_the_other_way(_):
    path = "/apis/podward.dev/v1alpha1/namespaces/podward/runtimepolicies/example"
    before = SERVER.requests.get(path)
    SERVER.requests.merge(path + "/status", {"spec": {"mode": "Disabled"}, "status": {"revision": "r"}})
    after = SERVER.requests.get(path)
    check_equal(after["spec"], before["spec"], "spec")
    check_equal(after["metadata"]["generation"], before["metadata"]["generation"], "generation")
    check_equal(after["status"]["revision"], "r", "revision")


def the_definitions_are_small_enough_for_client_side_apply(_):
    for name in os.listdir(CRDS):
        size = os.path.getsize(os.path.join(CRDS, name))
        check(size < 28 * 1024, f"{name} has {size} bytes")


CASES = [every_kind_is_applied_and_read_back, the_category_lists_all_of_them, explain_shows_what_fields_mean,
         defaults_are_filled_in, an_invalid_object_is_refused_with_all_its_errors, wait_sees_a_condition,
         a_status_does_not_change_the_spec_nor_the_other_way, the_definitions_are_small_enough_for_client_side_apply]

if __name__ == "__main__":
    REASON = why_no_kube()
    if REASON:
        main(__doc__, CASES, lambda: REASON)
    with ApiServer() as SERVER:
        SERVER.install_crds()
        SERVER.kubectl("create", "namespace", "podward")
        main(__doc__, CASES)
