#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes client against a real API server and against the fake one: the same cases, and the faults
that only the fake can produce.
"""
import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[0:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
import apiserver as fake  # noqa: E402
import kube  # noqa: E402
from cases import Skip, check, check_equal, main  # noqa: E402
from mirror import Candidate, CuttingProxy, Mirror, run  # noqa: E402
from rig import wait_until  # noqa: E402

MAPS = "/api/v1/namespaces/podward/configmaps"
ALL = "/api/v1/configmaps"
SERVER = None
REASON = None


def program(options):
    return os.path.join(options.bin, "kube-mirror")


def start(options, access=None, *words, path=ALL, environment=None):
    return Mirror(program(options), access or SERVER.kubeconfig, path, *words, environment=environment)


def put(name, value, path=MAPS):
    kind = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}}
    return SERVER.requests.apply(f"{path}/{name}", kind)


def server_has():
    return {f"{o['metadata']['namespace']}/{o['metadata']['name']}":
            (o["metadata"]["resourceVersion"], o["metadata"]["uid"])
            for o in SERVER.requests.get(ALL)["items"]}


def settle(mirror, seconds=30):
    """Waits until the mirror is what the server has, then looks for anything told wrongly."""
    wanted = server_has()
    try:
        wait_until(lambda: mirror.objects == wanted or mirror.ended(), seconds, "the mirror to be like the server", 0.02)
    finally:
        if mirror.objects != wanted:
            print("      differs:", list(set(mirror.objects.items()) ^ set(wanted.items()))[:6], mirror.words[-3:])
    check(not mirror.wrong, f"told wrongly: {mirror.wrong[:5]}")


def clear():
    for key in server_has():
        namespace, name = key.split("/")
        if namespace == "podward":
            SERVER.requests.delete(f"{MAPS}/{name}")


def what_is_there_and_what_comes_is_told(options):
    for i in range(130):
        put(f"a{i}", "x")
    with start(options) as mirror:
        mirror.wait_synced()
        settle(mirror)
        put("b", "new")
        put("a1", "grüße ☃ 𐍈")
        SERVER.requests.delete(f"{MAPS}/a2")
        settle(mirror)
        SERVER.requests.delete(f"{MAPS}/a3")
        put("a3", "another object of the same name")
        settle(mirror)
    clear()


def a_list_without_a_watch_in_its_form_gives_the_same(options):
    for i in range(60):
        put(f"l{i}", "x")
    with start(options, None, "list-first") as mirror:
        mirror.wait_synced()
        put("l1", "y")
        settle(mirror)
        check_equal(mirror.counts.get("failures", 0), 0, "failures")
    clear()


def metadata_is_enough_for_owners(options):
    put("m", "x" * 5000)
    with start(options, None, "metadata") as mirror:
        mirror.wait_synced()
        put("m2", "y")
        settle(mirror)
    clear()


def a_server_that_is_killed_is_found_again(options):
    put("k1", "x")
    with start(options) as mirror:
        mirror.wait_synced()
        SERVER.kill()
        time.sleep(1)
        SERVER.start()
        put("k2", "x")
        SERVER.requests.delete(f"{MAPS}/k1")
        settle(mirror)
        check(mirror.counts.get("failures", 0) >= 1, "no failure was counted")
    clear()


def what_vanished_before_a_compaction_is_told_after_it(options):
    for i in range(70):
        put(f"c{i}", "x")
    with start(options) as mirror:
        mirror.wait_synced()
        settle(mirror)
        mirror.pause()
        SERVER.restart()  # the connection is gone, and the mirror does not know yet
        for i in range(0, 70, 2):
            SERVER.requests.delete(f"{MAPS}/c{i}")
        for i in range(60):
            put(f"n{i}", "x")
        put("c1", "changed")
        SERVER.compact()
        SERVER.restart()  # a real one forgets its own cache only so
        mirror.go_on()
        settle(mirror, 60)
        check(mirror.counts.get("expired", 0) >= 1, f"no 410 was seen: {mirror.counts}")
        check(mirror.synced >= 2, "it did not list again")
    clear()


class Churn:
    """Changes objects until stopped."""

    def __init__(self, pause):
        self.pause, self.stopped, self.count = pause, False, 0
        self.thread = threading.Thread(target=self.change, daemon=True)
        self.thread.start()

    def change(self):
        while not self.stopped:
            name = f"w{self.count % 23}"
            if self.count % 7 == 6 and f"podward/{name}" in server_has():
                SERVER.requests.delete(f"{MAPS}/{name}")
            else:
                put(name, "ä☃" * (self.count % 50) + str(self.count))
            self.count += 1
            time.sleep(self.pause)

    def stop(self):
        self.stopped = True
        self.thread.join(30)


def a_watch_that_is_cut_a_thousand_times_misses_nothing(options):
    proxy = CuttingProxy(SERVER.port, options.seed)
    config = kube.write_kubeconfig(os.path.join(SERVER.folder, "proxy.kubeconfig"), f"https://127.0.0.1:{proxy.port}",
                                   SERVER.certificates, USERS[SERVER.name]())
    with start(options, config) as mirror:
        mirror.wait_synced()
        proxy.cuts = 1000
        churn = Churn(0.002)
        wait_until(lambda: proxy.done >= 1000 or mirror.ended(), 240, "a thousand cuts", 0.2)
        churn.stop()
        settle(mirror)
        print(f"      {proxy.done} cuts, {churn.count} changes, {mirror.told} told, counts {mirror.counts}")
        check_equal(mirror.synced, 1, "lists: a cut is no reason to list again")
    proxy.close()
    clear()


def a_rotated_token_is_taken_up(options):
    folder = os.path.join(SERVER.folder, "account")
    first, rotate = TOKENS[SERVER.name](folder)
    proxy = CuttingProxy(SERVER.port)
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(proxy.port)}
    with start(options, "in-cluster:" + folder, environment=environment) as mirror:
        mirror.wait_synced()
        rotate(first)
        proxy.cut_all()
        put("t", "after the rotation")
        settle(mirror, 40)
        check_equal(mirror.synced, 1, "lists")
    proxy.close()
    if SERVER.name == "fake":
        SERVER.faults = fake.Faults()
    clear()


def writers_see_each_other(options):
    path = f"{MAPS}/cas"
    one = put("cas", "1")
    line = run(program(options), SERVER.kubeconfig, "merge", path, {
        "metadata": {"resourceVersion": one["metadata"]["resourceVersion"]}, "data": {"v": "2"}})
    check(line.startswith("ok "), line)
    line = run(program(options), SERVER.kubeconfig, "merge", path, {
        "metadata": {"resourceVersion": one["metadata"]["resourceVersion"]}, "data": {"v": "3"}})
    check(line.startswith("no 116: "), f"a stale write: {line}")
    line = run(program(options), SERVER.kubeconfig, "apply", path, {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cas"}, "data": {"w": "4"}})
    check(line.startswith("ok "), line)
    check_equal(SERVER.requests.get(path)["data"], {"v": "2", "w": "4"}, "data")
    line = run(program(options), SERVER.kubeconfig, "apply", f"{MAPS}/big", {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"v": "x" * 1700000}})
    check(line.startswith("no 7: ") or line.startswith("no 22: "), f"an object that is too large: {line[:300]}")
    clear()


def one_of_two_writes_and_the_other_takes_over(options):
    one = Candidate(program(options), SERVER.kubeconfig, "writer", "one")
    wait_until(lambda: one.leads, 20, "the first to lead", 0.02)
    two = Candidate(program(options), SERVER.kubeconfig, "writer", "two")
    time.sleep(1.5)
    check(one.leads and not two.leads, "both lead, or none")
    one.kill()
    started = time.monotonic()
    wait_until(lambda: two.leads, 20, "the second to lead", 0.02)
    waited = time.monotonic() - started
    check(waited > 1.0, f"took over after {waited:.1f} s, before the lease ended")
    three = Candidate(program(options), SERVER.kubeconfig, "writer", "three")
    time.sleep(0.8)
    two.close()  # gives it back
    wait_until(lambda: three.leads, 20, "the third to lead", 0.02)
    check_equal(two.history, ["leads", "idle"], "what the second did")
    three.close()


COMMON = [what_is_there_and_what_comes_is_told, a_list_without_a_watch_in_its_form_gives_the_same,
          metadata_is_enough_for_owners, a_server_that_is_killed_is_found_again,
          what_vanished_before_a_compaction_is_told_after_it, a_watch_that_is_cut_a_thousand_times_misses_nothing,
          a_rotated_token_is_taken_up, writers_see_each_other, one_of_two_writes_and_the_other_takes_over]


# --- faults -------------------------------------------------------------------------------------------

def faults():
    if SERVER.name != "fake":
        raise Skip("only the fake fails on demand")
    SERVER.faults = fake.Faults()
    return SERVER.faults


def after(options, prepare, *words, seconds=30):
    """A mirror that meets the faults while objects change; returns its counts."""
    for i in range(120):
        put(f"f{i}", "grüße ☃")
    with start(options, None, *words) as mirror:
        prepare()
        mirror.wait_synced(seconds)
        for i in range(0, 40):
            put(f"f{i}", f"changed {i} ☃")
        SERVER.requests.delete(f"{MAPS}/f50")
        settle(mirror, seconds)
        counts = dict(mirror.counts, synced=mirror.synced)
    clear()
    SERVER.faults = fake.Faults()
    return counts


def bytes_come_one_by_one(options):
    faults().piece = 3
    after(options, lambda: None, seconds=90)


def expired_in_the_stream_is_listed_again(options):
    f = faults()
    counts = after(options, lambda: f.errors.append({"kind": "Status", "code": 410, "message": "expired"}))
    check(counts["expired"] == 1 and counts["synced"] == 2, f"{counts}")


def an_error_in_the_stream_is_resumed_not_listed(options):
    f = faults()
    counts = after(options, lambda: f.errors.extend({"kind": "Status", "code": c, "message": "x"} for c in (500, 429)))
    check(counts["failures"] >= 2 and counts["synced"] == 1, f"{counts}")


def too_many_requests_waits_as_told(options):
    f = faults()
    f.statuses = [("watch=1&allow", 429, [("Retry-After", "1")]), ("configmaps?resource", 429, [("Retry-After", "1")])]
    started = time.monotonic()
    counts = after(options, lambda: None)
    check(time.monotonic() - started >= 1.9, "it did not wait")
    check(counts["failures"] >= 2 and counts["synced"] == 1, f"{counts}")


def a_server_that_is_not_there_yet_is_waited_for(options):
    f = faults()
    f.statuses = [("configmaps?", s, []) for s in (503, 404, 403, 500, 502)]
    counts = after(options, lambda: None)
    check_equal(counts["failures"], 5, "failures")


def a_continue_that_expired_starts_the_list_again(options):
    f = faults()

    def expire():
        f.errors.append({"kind": "Status", "code": 410, "message": "expired"})
        f.expire_continue = 1

    counts = after(options, expire)
    check(counts["expired"] == 2 and counts["synced"] == 2, f"{counts}")


def half_events_and_silence_are_survived(options):
    f = faults()
    f.cut_after, f.stall = 3, 0.3
    counts = after(options, lambda: setattr(f, "cuts", 20))
    check(counts["failures"] >= 15 and counts["synced"] == 1, f"{counts}")


def watches_that_end_at_once_are_not_hammered(options):
    f = faults()
    before = len(SERVER.seen)
    f.short = 8
    counts = after(options, lambda: None)
    check(counts["failures"] >= 8, f"{counts}")
    check(len([1 for m, p in SERVER.seen[before:] if m == "GET"]) < 60, "too many requests")


def a_list_in_form_of_a_watch_is_taken_where_it_is_known(options):
    f = faults()
    f.initial = "yes"
    counts = after(options, lambda: None)
    check(counts.get("lists") == 1 and not counts.get("watches"), f"one request for all: {counts}")


def a_list_in_form_of_a_watch_that_never_ends_is_given_up(options):
    f = faults()
    f.initial = "silent"
    counts = after(options, lambda: None)
    check(counts["lists"] == 2 and counts["synced"] == 1, f"{counts}")


def a_slow_handshake_is_waited_for(options):
    faults().slow_tls = 1.0
    after(options, lambda: None)


FAULTS = [bytes_come_one_by_one, expired_in_the_stream_is_listed_again, an_error_in_the_stream_is_resumed_not_listed,
          too_many_requests_waits_as_told, a_server_that_is_not_there_yet_is_waited_for,
          a_continue_that_expired_starts_the_list_again, half_events_and_silence_are_survived,
          watches_that_end_at_once_are_not_hammered, a_list_in_form_of_a_watch_is_taken_where_it_is_known,
          a_list_in_form_of_a_watch_that_never_ends_is_given_up,
          a_slow_handshake_is_waited_for]


# --- who the mirror is ----------------------------------------------------------------------------------

def write_account(folder, token):
    os.makedirs(folder, exist_ok=True)
    for name, text in (("token", token), ("namespace", "podward")):
        with open(os.path.join(folder, name + ".part"), "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(os.path.join(folder, name + ".part"), os.path.join(folder, name))
    with open(SERVER.certificates.path("ca.crt"), "rb") as f, open(os.path.join(folder, "ca.crt"), "wb") as g:
        g.write(f.read())


def fake_token(folder):
    SERVER.faults = fake.Faults()
    SERVER.faults.tokens = {"one", ""}  # the test itself has none
    write_account(folder, "one")

    def rotate(_first):
        write_account(folder, "two")
        SERVER.faults.tokens = {"two", ""}

    return "one", rotate


def real_token(folder):
    """A token that is bound to a Secret ends with it."""
    call = SERVER.requests.post
    base = "/api/v1/namespaces/podward"
    call(f"{base}/serviceaccounts", {"metadata": {"name": "mirror"}})
    SERVER.kubectl("create", "clusterrole", "mirror", "--verb=get,list,watch", "--resource=configmaps")
    SERVER.kubectl("create", "clusterrolebinding", "mirror", "--clusterrole=mirror", "--serviceaccount=podward:mirror")

    def token(secret):
        made = call(f"{base}/secrets", {"metadata": {"name": secret}})
        spec = {"expirationSeconds": 3600, "boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": secret,
                                                              "uid": made["metadata"]["uid"]}}
        return call(f"{base}/serviceaccounts/mirror/token", {"spec": spec})["status"]["token"]

    def rotate(_first):
        write_account(folder, token("second"))
        SERVER.requests.delete(f"{base}/secrets/first")
        time.sleep(11)  # the server believes a token for ten seconds after it saw it

    write_account(folder, token("first"))
    return "first", rotate


def certificate_user():
    return (f"client-certificate: '{SERVER.certificates.path('admin.crt')}', "
            f"client-key: '{SERVER.certificates.path('admin.key')}'")


USERS = {"real": certificate_user, "fake": lambda: "token: good"}
TOKENS = {"real": real_token, "fake": fake_token}


def run_on(make, cases):
    global SERVER
    with make() as SERVER:
        SERVER.requests = SERVER.requests if SERVER.name == "real" else kube.Requests(SERVER.port, SERVER.certificates)
        if SERVER.name == "real":
            SERVER.kubectl("create", "namespace", "podward")
        print(f"== {SERVER.name}", flush=True)
        try:
            main(__doc__, cases)
        except SystemExit as end:
            return end.code or 0
    return 0


if __name__ == "__main__":
    REASON = kube.why_no_kube()
    CODES = [run_on(fake.ApiServer, COMMON + FAULTS)]
    if REASON:
        print(f"SKIP: the real server: {REASON}")
    else:
        CODES.append(run_on(kube.ApiServer, COMMON))
    sys.exit(1 if any(c not in (0, 77) for c in CODES) else 77 if REASON else 0)
