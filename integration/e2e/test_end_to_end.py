#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The three real services and real containers: what a container does becomes the right alert."""
import os
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import check, check_equal, main  # noqa: E402
from containers import Podman, run, settle, web_server  # noqa: E402
from rig import Rig, RigError, free_port, wait_until, why_no_system_test  # noqa: E402

LEARN_S = 6
POLICY = f"""\
apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimePolicy
metadata: {{name: quick}}
spec:
  priority: 900
  profile: {{enabled: true, learningDuration: {LEARN_S}s}}
---
apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimePolicy
metadata: {{name: guard}}
spec:
  tier: Guardrail
  rules:
  - {{name: no-secrets, action: Deny, severity: Critical, match: {{file: {{paths: [/etc/forbidden]}}}}}}
"""
EXCLUSION = """\
apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimeExclusion
metadata: {name: quiet}
spec:
  detectors: [sig/default/creds.shadow]
  reason: a test of exclusions
"""


class Stage:
    """One set of services with one learned container, shared by the cases because learning takes time."""

    def __init__(self, options):
        self.podman, self.rig = Podman(), None
        try:
            self.set_up(options)
        except BaseException:
            self.close()
            raise

    def set_up(self, options):
        self.podman.make_image({"etc/forbidden": "x\n"})
        self.rig = Rig(options.bin, node="stage", runtime_socket=self.podman.start_api())
        self.rig.write_policy("policy.yaml", POLICY)
        self.rig.start()
        self.container = self.podman.start("web", *web_server(free_port(), pause="0.3"))

    def alerts(self, detector=None, target=None):
        return [a for a in self.rig.alerts() if a["container_id"] == self.container
                and detector in (None, a["detector"]) and target in (None, a["target"])]

    def one(self, detector, target, seconds=15):
        """The only alert of this detector and target, once it came."""
        what = f"{detector} on {target}; came: {[(a['detector'], a['target']) for a in self.alerts()]}"
        wait_until(lambda: self.alerts(detector, target), seconds, what)
        settle(0.5)
        found = self.alerts(detector, target)
        check_equal(len(found), 1, f"alerts of {detector} on {target}")
        return found[0]

    def phase(self):
        page = self.rig.page("analyzer", "/v1/groups") or {}
        for group in page.get("groups", []):
            if self.podman.name in str(group):
                return str(group.get("phase", ""))
        return ""

    def close(self):
        if self.rig:
            self.rig.close()
        self.podman.close()


STAGE = {}


def stage(options):
    if STAGE.get("broken"):
        raise RigError("the stage could not be set up, see above")
    if "it" not in STAGE:
        STAGE["broken"] = True
        STAGE["it"] = Stage(options)
        STAGE["broken"] = False
    return STAGE["it"]


def a_signature_alerts_while_still_learning(options):
    s = stage(options)
    s.podman.exec("web", "/bin/sh", "-c", "cp /bin/busybox /tmp/xmrig; /tmp/xmrig -o stratum+tcp://127.0.0.1:1")
    alert = s.one("sig/default/miner.process", "/tmp/xmrig")
    check_equal(alert["severity"], "Critical", "severity")
    check_equal(alert["node"], "stage", "node")
    check("/tmp/xmrig" in str(alert["lineage"][0].get("exe")), f"actor: {alert['lineage']}")
    check("xmrig" in alert["reason"], f"reason: {alert['reason']}")


def a_learned_group_becomes_protected_and_stays_quiet(options):
    s = stage(options)
    wait_until(lambda: s.phase().lower() == "protected", LEARN_S * 3 + 30, "the group to be Protected")
    before = len([a for a in s.alerts() if a["engine"] == "profile"])
    settle(3)
    after = [a for a in s.alerts() if a["engine"] == "profile"]
    check_equal(len(after) - before, 0, f"profile alerts of a steady container: {after}")


def a_new_program_file_and_connection_alert_with_lineage(options):
    s = stage(options)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: listener.accept(), daemon=True).start()
        s.podman.exec("web", "/bin/sh", "-c",
                      f"read line </etc/passwd; /bin/nc -w 1 127.0.0.1 {port} </dev/null")
        program = s.one("profile/exec", "/bin/nc")
        check_equal([p.get("exe") for p in program["lineage"]][:2], ["/bin/nc", "/bin/sh"], "lineage")
        s.one("profile/file.read", "/etc/passwd")
        s.one("profile/net.egress", f"tcp/127.0.0.1/{port}")
    check("kind:" in program.get("exclusion", ""), "no ready-made exclusion")


def a_deny_rule_alerts_whatever_was_learned(options):
    s = stage(options)
    s.podman.exec("web", "/bin/cat", "/etc/forbidden")
    found = wait_until(lambda: [a for a in s.alerts(target="/etc/forbidden") if a["engine"] == "policy"], 15,
                       "an alert of the deny rule")
    check_equal(found[0]["severity"], "Critical", "severity")
    check("guard" in found[0]["detector"], f"the deciding object is not named: {found[0]['detector']}")


def repeats_are_counted_and_not_alerted_again(options):
    s = stage(options)
    for _ in range(4):
        s.podman.exec("web", "/bin/sh", "-c", "read line </etc/shadow")
    s.one("sig/default/creds.shadow", "/etc/shadow")

    def count():
        return [a["count"] for a in s.rig.spooled() if a.get("detector") == "sig/default/creds.shadow"]

    wait_until(lambda: count() and count()[0] >= 4, 30, f"the alert to be counted 4 times, is {count()}")
    check_equal(len(count()), 1, "rows in the spool")


def an_exclusion_takes_effect_without_a_restart(options):
    s = stage(options)
    other = s.podman.start("other", *web_server(free_port()))
    s.rig.write_policy("exclusion.yaml", EXCLUSION)
    wait_until(lambda: "quiet" in (str(s.rig.page("policysync", "/v1/policies"))), 10, "the exclusion to be read")
    settle(2)
    s.podman.exec("other", "/bin/sh", "-c", "read line </etc/shadow; cp /bin/busybox /tmp/xmrig; /tmp/xmrig")
    wait_until(lambda: [a for a in s.rig.alerts() if a["container_id"] == other
                        and a["detector"] == "sig/default/miner.process"], 15, "the alert that is not excluded")
    silent = [a for a in s.rig.alerts() if a["container_id"] == other and "shadow" in a["detector"]]
    check_equal(silent, [], "excluded alerts")


MOMENT = "cp /bin/busybox /tmp/minerd; /tmp/minerd"


def miner_alert(rig, seconds):
    return wait_until(lambda: [a for a in rig.alerts() if a["target"] == "/tmp/minerd"], seconds,
                      "the alert of the short-lived container")[0]


def the_first_moments_of_a_container_are_attributed(options):
    s = stage(options)
    container = s.podman.start("first", "/bin/sh", "-c", MOMENT + "; sleep 8")
    alert = miner_alert(s.rig, 20)
    check_equal(alert["container_id"], container, "container")
    check(s.podman.name + "-first" in alert["pod_group"], f"pod group {alert['pod_group']}")


def without_a_runtime_api_even_a_moment_is_attributed(options):
    with Rig(options.bin, node="derived") as rig:
        rig.start()
        stage(options).podman.run_once("/bin/sh", "-c", MOMENT)
        alert = miner_alert(rig, 45)
        check_equal(len(alert["container_id"]), 64, "length of the container id")


BRIEF_RUNS = 20
BRIEF_S = 0.3


BRIEF = f"read start idle </proc/uptime; {MOMENT}; read end idle </proc/uptime; echo $start $end"


def run_briefly(podman, name):
    """Runs the miner in a container of its own; (id, seconds it ran)."""
    full = f"{podman.name}-{name}"
    podman.containers.append(full)
    done = run(podman.command("run", "--name", full, "--network=host", *podman.run_flags, podman.image,
                              "/bin/sh", "-c", BRIEF))
    start, end = (float(part) for part in done.stdout.split())
    container = run(podman.command("inspect", "--format", "{{.Id}}", full)).stdout.decode().strip()
    podman.remove(name)
    return container, end - start


def containers_that_live_between_two_polls_each_give_one_alert(options):
    s = stage(options)
    runs = {f"{s.podman.name}-brief{i}": run_briefly(s.podman, f"brief{i}") for i in range(BRIEF_RUNS)}
    lives = sorted(lived for _, lived in runs.values())
    check(lives[BRIEF_RUNS // 2] < BRIEF_S, f"the containers were meant to be brief, lived {lives} s")
    ids = {container: name for name, (container, _) in runs.items()}

    def groups():
        found = {}
        for alert in s.rig.alerts():
            if alert["container_id"] in ids and alert["detector"] == "sig/default/miner.process":
                found.setdefault(ids[alert["container_id"]], []).append(alert["pod_group"])
        return found

    try:
        wait_until(lambda: len(groups()) == BRIEF_RUNS, 20, "alerts")
        settle(1)
    except RigError:
        pass  # what is missing is said below
    expected = {name: [f"podman/Container/{name}/{name}"] for name in runs}
    wrong = {name: groups().get(name, []) for name in runs if groups().get(name) != expected[name]}
    check_equal(wrong, {}, f"containers without exactly one alert of their group (of {BRIEF_RUNS})")


def processes_outside_of_containers_make_no_event(options):
    s = stage(options)
    subprocess.run(["/bin/cat", "/etc/shadow"], stdout=subprocess.DEVNULL, check=False)
    settle(2)
    strangers = [a for a in s.rig.alerts() if not a["container_id"]]
    check_equal(strangers, [], "alerts without a container")


def end_of_stage(_options):
    if "it" in STAGE:
        STAGE.pop("it").close()


if __name__ == "__main__":
    try:
        main(__doc__, [a_signature_alerts_while_still_learning, a_learned_group_becomes_protected_and_stays_quiet,
                       a_new_program_file_and_connection_alert_with_lineage,
                       a_deny_rule_alerts_whatever_was_learned, repeats_are_counted_and_not_alerted_again,
                       an_exclusion_takes_effect_without_a_restart,
                       the_first_moments_of_a_container_are_attributed,
                       containers_that_live_between_two_polls_each_give_one_alert,
                       without_a_runtime_api_even_a_moment_is_attributed,
                       processes_outside_of_containers_make_no_event], why_no_system_test)
    finally:
        end_of_stage(None)
