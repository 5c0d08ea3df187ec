#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed bundles of the reference backend as custom resources on a real API server."""
import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "backend")]
from cases import check, check_equal, main  # noqa: E402
from cluster import API, Cluster  # noqa: E402
from kube import ApiServer, Refused, why_no_kube  # noqa: E402
from rig import RigError, wait_until  # noqa: E402
import sign_bundle  # noqa: E402
import sink  # noqa: E402

SERVER = None
HEALTH = f"{API}/runtimeprotections/default"
CRTP, CRTEX, SIGS = (f"{API}/{p}" for p in ("clusterruntimepolicies", "clusterruntimeexclusions", "signaturesets"))
EVENTS = "/api/v1/namespaces/default/events"
KINDS = {CRTP: "ClusterRuntimePolicy", CRTEX: "ClusterRuntimeExclusion", SIGS: "SignatureSet"}


def document(kind, name, spec):
    return f"apiVersion: podward.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec: {spec}\n"


def policy(name, mode="Audit"):
    return document("ClusterRuntimePolicy", name, f"{{mode: {mode}}}")


def exclusion(name):
    return document("ClusterRuntimeExclusion", name, "{detectors: ['sig/*/x'], reason: planned}")


def signatures(name):
    return document("SignatureSet", name, "{rules: [{id: a, title: t, severity: Low, condition: proc.name = never}]}")


class Backend:
    """A site that the sink serves with long polls, and keys."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="podward-backend-")
        self.site = os.path.join(self.folder, "site")
        os.makedirs(self.site)
        self.sink = sink.serve(0, site=self.site)
        self.url = f"http://127.0.0.1:{self.sink.server_address[1]}"
        self.keys = {}
        for name in ("one", "two"):
            path = os.path.join(self.folder, name + ".pem")
            with open(path.replace(".pem", ".pub"), "w", encoding="ascii") as f:
                f.write(sign_bundle.new_key(path))
            self.keys[name] = path

    def public(self, name):
        return self.keys[name].replace(".pem", ".pub")

    def publish(self, serial, texts, signers=("one",), **more):
        files = []
        for i, text in enumerate(texts):
            files.append(os.path.join(self.folder, f"object-{i}.yaml"))
            with open(files[-1], "w", encoding="utf-8") as f:
                f.write(text)
        sign_bundle.publish(files, [self.keys[k] for k in signers], serial, self.site, **more)

    def close(self):
        self.sink.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


class World:
    """A backend and a cluster with one replica."""

    def __init__(self, options, *words):
        self.backend = Backend()
        self.cluster = Cluster(options.bin, SERVER.kubeconfig)
        self.words = words

    def __enter__(self):
        self.start("one")
        return self

    def start(self, name, *words):
        self.cluster.replica(name, "--backend-url", self.backend.url, "--backend-keys", self.backend.public("one"),
                             "--backend-poll", "1s", "--backend-wait", "2s", "--backend-timeout", "5s", *self.words,
                             *words)

    def __exit__(self, *exc):
        for name, service in self.cluster.services.items() if exc[0] else ():
            print(f"      {name}: {service.log_text()[-3000:]}")
        try:
            self.cluster.__exit__(*exc)
        finally:
            self.backend.close()
            clear()


def names(plural):
    return sorted(o["metadata"]["name"] for o in SERVER.requests.get(plural)["items"])


def clear():
    for plural in KINDS:
        for name in names(plural):
            SERVER.requests.delete(f"{plural}/{name}")
    try:
        SERVER.requests.delete(HEALTH)
    except Refused:
        pass


def health():
    try:
        return SERVER.requests.get(HEALTH).get("status", {})
    except Refused:
        return {}


def serial():
    return health().get("bundle", {}).get("serial", 0)


def condition(kind):
    found = [c for c in health().get("conditions", []) if c["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def wait_serial(number, seconds=30):
    wait_until(lambda: serial() == number, seconds, f"serial {number}", 0.05)


def wait_applied(status, reason, seconds=30):
    try:
        wait_until(lambda: condition("BundleApplied") == (status, reason), seconds, "x", 0.05)
    except RigError:
        raise RigError(f"BundleApplied: wanted {status}/{reason}, got {condition('BundleApplied')}") from None


def events(reason):
    return [e for e in SERVER.requests.get(EVENTS)["items"] if e["reason"] == reason and
            e["involvedObject"]["kind"] == "RuntimeProtection"]


def spec_of(path):
    return SERVER.requests.get(path)["spec"]


def a_bundle_becomes_objects_with_a_condition_and_an_event(options):
    with World(options) as w:
        wait_applied("False", "None")
        w.backend.publish(1, [policy("base"), exclusion("backup"), signatures("miners")])
        wait_serial(1)
        wait_applied("True", "Applied")
        check_equal((names(CRTP), names(CRTEX), names(SIGS)), (["base"], ["backup"], ["miners"]), "objects")
        wait_until(lambda: events("Applied"), 10, "the event")
        wait_until(lambda: health().get("policies") == 3, 10, "the policies to be published")
        check("BundleApplied" in SERVER.kubectl("describe", "rtprot", "default"), "describe")
        SERVER.kubectl("wait", "--for=condition=BundleApplied", "--timeout=5s", "rtprot/default")
        w.backend.publish(2, [policy("base", "Enforce"), exclusion("backup"), signatures("miners")])
        wait_serial(2)
        check_equal(spec_of(f"{CRTP}/base")["mode"], "Enforce", "the changed policy")


def an_answer_that_is_held_back_is_there_at_once(options):
    with World(options, "--backend-wait", "60s", "--backend-poll", "300s") as w:
        w.backend.publish(1, [policy("base")])
        wait_serial(1)
        time.sleep(7)  # longer than what counts as an answer that was held back
        before = time.monotonic()
        w.backend.publish(2, [policy("base", "Enforce")])
        wait_serial(2, 5)
        check(time.monotonic() - before < 5, "it was not held back")


def objects_of_users_are_never_touched(options):
    body = {"apiVersion": "podward.dev/v1alpha1", "kind": "ClusterRuntimeExclusion", "metadata": {"name": "mine"},
            "spec": {"detectors": ["sig/*/mine"], "reason": "a user's"}}
    with World(options) as w:
        SERVER.requests.post(CRTEX, body)
        w.backend.publish(1, [policy("base"), exclusion("mine"), exclusion("ours"), exclusion("kept")])
        wait_serial(1)
        check_equal(spec_of(f"{CRTEX}/mine")["reason"], "a user's", "the user's exclusion of the same name")
        ours = SERVER.requests.get(f"{CRTEX}/ours")
        copy = {**body, "metadata": {"name": "copied", "labels": ours["metadata"]["labels"],
                                     "annotations": ours["metadata"]["annotations"]}}
        SERVER.requests.post(CRTEX, copy)
        w.backend.publish(2, [policy("base"), exclusion("mine"), exclusion("kept"), exclusion("other")])
        wait_serial(2)
        check_equal(names(CRTEX), ["copied", "kept", "mine", "other"], "what is there after pruning")


def what_somebody_changes_is_put_back(options):
    with World(options) as w:
        w.backend.publish(1, [policy("base"), exclusion("backup"), exclusion("free")])
        wait_serial(1)
        SERVER.requests.merge(f"{CRTP}/base", {"spec": {"mode": "Disabled"}})
        wait_until(lambda: spec_of(f"{CRTP}/base")["mode"] == "Audit", 20, "the policy as it was")
        SERVER.requests.delete(f"{CRTEX}/backup")
        wait_until(lambda: "backup" in names(CRTEX), 20, "the exclusion that was deleted")
        SERVER.requests.merge(f"{CRTEX}/free", {"metadata": {"annotations": {"podward.dev/unmanaged": "true"}}})
        time.sleep(3)  # what was being applied just then may still be written
        SERVER.requests.merge(f"{CRTEX}/free", {"spec": {"reason": "edited"}})
        SERVER.requests.merge(f"{CRTP}/base", {"spec": {"mode": "Disabled"}})
        wait_until(lambda: spec_of(f"{CRTP}/base")["mode"] == "Audit", 20, "the policy as it was, again")
        check_equal(spec_of(f"{CRTEX}/free")["reason"], "edited", "an object that is left to the user")


def tamper(backend):
    path = os.path.join(backend.site, "v1", "manifest", "stable")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    at = text.index('"payload": "') + 52
    sign_bundle.write(path, (text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:]).encode())


def swap_blob(backend, texts):
    """The manifest is right, the blob behind it is another one."""
    hold = os.path.join(backend.site, "v1", "manifest", "stable")
    with open(hold, "rb") as f:
        before = f.read()
    backend.publish(9, texts)
    with open(hold, "rb") as f:
        manifest = f.read()
    sign_bundle.write(hold, before)
    entry, data = sign_bundle.object_of(os.path.join(backend.folder, "object-0.yaml"))
    sign_bundle.write(os.path.join(backend.site, "v1", "blobs", "sha256", entry["sha256"]), data.replace(b"base", b"BASE"))
    sign_bundle.write(hold, manifest)


def every_bad_bundle_is_refused_for_its_reason_and_changes_nothing(options):
    good = [policy("base"), exclusion("a"), exclusion("b")]
    rows = [
        ("SignatureInvalid", tamper),
        ("SignatureInvalid", lambda b: b.publish(9, good, signers=["two"])),
        ("RollbackRefused", lambda b: b.publish(1, good)),
        ("Expired", lambda b: b.publish(9, good, days=-1)),
        ("AgentTooOld", lambda b: b.publish(9, good, minAgent="99.0.0")),
        ("SchemaUnsupported", lambda b: b.publish(9, good, schema=2)),
        ("WrongChannel", lambda b: swap_channel(b, good)),
        ("PruneRefused", lambda b: b.publish(9, [policy("base")])),
        ("PruneRefused", lambda b: b.publish(9, [policy("base"), exclusion("a")], prune=False)),
        ("KindNotAllowed", lambda b: b.publish(9, [*good, signatures("s")])),
        ("ActionNotAllowed", lambda b: b.publish(9, [policy("base", "Enforce"), *good[1:]])),
        ("InvalidObject", lambda b: b.publish(9, [policy("base", "Sideways"), *good[1:]])),
        ("InvalidObject", lambda b: b.publish(9, [*good, document("RuntimePolicy", "x", "{mode: Audit}").replace(
            "name: x", "name: x\n  namespace: absent")])),
        ("HashMismatch", lambda b: swap_blob(b, [policy("base", "Disabled"), *good[1:]])),
        ("Malformed", lambda b: b.publish(9, good, keys_=1)),
        ("TooLarge", lambda b: sign_bundle.write(os.path.join(b.site, "v1", "manifest", "stable"), b" " * (1 << 20 | 1))),
    ]
    with World(options, "--backend-allowed-kinds", "ClusterRuntimePolicy,ClusterRuntimeExclusion,RuntimePolicy",
               "--backend-max-action", "audit") as w:
        w.backend.publish(4, good)
        wait_serial(4)
        before = {p: [o["spec"] for o in SERVER.requests.get(p)["items"]] for p in KINDS}
        for reason, publish in rows:
            w.backend.publish(4, good)
            wait_applied("True", "Applied")
            publish(w.backend)
            if reason == "TooLarge":  # the transfer itself is bounded: the backend counts as failing
                key = 'podward_policysync_backend_requests_total{endpoint="manifest",code="none"}'
                wait_until(lambda: w.cluster.metrics("one").get(key, 0) > 0, 30, "a refused transfer")
            else:
                wait_applied("False", reason)
            check_equal(serial(), 4, f"serial after {reason}")
            after = {p: [o["spec"] for o in SERVER.requests.get(p)["items"]] for p in KINDS}
            check_equal(after, before, f"objects after {reason}")
        check_equal(len(events("RollbackRefused")), 1, "events of one refusal")
        print(f"      {len(rows)} bad bundles")


def swap_channel(backend, texts):
    backend.publish(9, texts, channel="other")
    folder = os.path.join(backend.site, "v1", "manifest")
    with open(os.path.join(folder, "other"), "rb") as f:
        sign_bundle.write(os.path.join(folder, "stable"), f.read())


def a_kill_in_the_middle_is_finished_by_the_other_replica(options):
    with World(options, "--backend-max-prune", "100") as w:
        w.backend.publish(1, [policy("base"), *(exclusion(f"e{i}") for i in range(60))])
        wait_serial(1)
        w.start("two")
        w.backend.publish(2, [policy("base", "Enforce"), *(exclusion(f"f{i}") for i in range(60))], maxPrunePercent=100)
        wait_until(lambda: "f0" in names(CRTEX) or serial() == 2, 30, "the first of the new objects", 0.001)
        w.cluster.services.pop("one").kill()
        wait_serial(2, 60)
        check_equal(names(CRTEX), sorted(f"f{i}" for i in range(60)), "the objects of the second bundle")
        check_equal(health()["leader"], "two", "who writes")


def the_serial_is_known_to_a_replica_with_an_empty_folder(options):
    with World(options) as w:
        w.backend.publish(7, [policy("base")])
        wait_serial(7)
        w.cluster.end("one")
        w.backend.publish(3, [policy("base", "Enforce")])
        w.start("two")
        wait_applied("False", "RollbackRefused", 60)
        check_equal(spec_of(f"{CRTP}/base")["mode"], "Audit", "the policy in force")


def keys_are_rotated_by_a_bundle(options):
    with World(options) as w:
        w.backend.publish(5, [policy("base")])
        wait_serial(5)
        w.backend.publish(6, [policy("base")], signers=("one", "two"),
                          next_keys=sign_bundle.rotation([w.backend.public("two")]))
        wait_serial(6)
        w.backend.publish(7, [policy("base", "Enforce")])  # by the key of before
        wait_applied("False", "SignatureInvalid")
        w.backend.publish(1, [policy("base", "Disabled")], signers=("two",))
        wait_serial(1)
        w.cluster.end("one")
        w.start("two")  # another folder: it is in the status
        w.backend.publish(2, [policy("base", "Audit")], signers=("two",))
        wait_serial(2, 60)


CASES = [a_bundle_becomes_objects_with_a_condition_and_an_event, an_answer_that_is_held_back_is_there_at_once,
         objects_of_users_are_never_touched, what_somebody_changes_is_put_back,
         every_bad_bundle_is_refused_for_its_reason_and_changes_nothing,
         a_kill_in_the_middle_is_finished_by_the_other_replica,
         the_serial_is_known_to_a_replica_with_an_empty_folder, keys_are_rotated_by_a_bundle]

if __name__ == "__main__":
    REASON = why_no_kube()
    if REASON:
        main(__doc__, CASES, lambda: REASON)
    with ApiServer() as SERVER:
        SERVER.install_crds()
        SERVER.kubectl("create", "namespace", "podward")
        main(__doc__, CASES)
