#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every detection of the default set in a real container: what it is for raises it, what is near it does not.

One container, the three real services, no profile. First all quiet steps run: nothing may be raised. Then all
firing steps: each must raise exactly its detection. A step is known by its own program file in the
lineage of the alert, so that no alert can be taken for that of another step.
"""
import glob
import os
import sys
import tarfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), HERE]
import plan  # noqa: E402
from cases import Skip, check, check_equal, main  # noqa: E402
from containers import Podman, add_file  # noqa: E402
from rig import Rig, wait_until, why_no_system_test  # noqa: E402
from table import ROWS, batches, expected_of_quiet_steps, expected_of_steps, plan_text  # noqa: E402

PREFIX = "sig/default/"
POLICY = """\
apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimePolicy
metadata: {name: default}
spec: {profile: {enabled: false}, signatures: {enabled: true}}
---
apiVersion: podward.dev/v1alpha1
kind: SignatureSet
metadata: {name: test}
spec:
  rules:
  - {id: end, title: the batch is over, severity: Low, condition: "evt.type = execve and proc.exepath startswith /usr/bin/end-of-"}
"""
# Everything that a step wants to find. The rest of the image is busybox and the stand-ins.
FILES = {name: "x\n" for name in (
    "etc/gshadow", "etc/crontab", "etc/cert.b64", "etc/kubernetes/admin.conf", "root/.aws/credentials",
    "root/.aws/cli-cache", "root/.ssh/id_ed25519", "root/.ssh/id_ed25519.pub", "root/.bashrc", "etc/pam.d/common-auth",
    "run/secrets/kubernetes.io/serviceaccount/..2026/token", "run/secrets/kubernetes.io/serviceaccount/..2026/ca.crt",
    "host/etc/kubernetes/admin", "host/etc/cron.d/y", "host/proc-stat", "etc/cron.d/y", "etc/cron.daily/y", "var/spool/cron/y", "etc/systemd/system.conf",
    "etc/systemd/system/y", "etc/init.d/y", "etc/profile.d/y", "etc/sudoers.d/y", "lib/security/y", "var/lib/y", "tmp/cg/x/y",
    "opt/y", "usr/local/bin/y", "usr/local/sbin/y", "var/log/auth.log", "etc/ssh/y")}


def add_programs(program):
    """Puts the steps' program and its many names into the image."""
    with open(program, "rb") as f:
        data = f.read()

    def add(tar):
        add_file(tar, "steps/run", data, 0o755)
        add_file(tar, "steps/plan", plan_text().encode(), 0o644)
        names = [f"steps/{s.name}" for steps in batches().values() for s in steps] + plan.image_programs()
        for name in sorted(set(names) - {"bin/sh", "bin/true", "bin/busybox", "bin/cat"}):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.LNKTYPE, "steps/run", 0o755
            tar.addfile(entry)
    return add


class Stage:
    """The services and the one container; what came is asked by batch."""

    def __init__(self, options):
        self.podman, self.rig, self.container = Podman(), None, None
        self.log = ""
        try:
            self.set_up(options)
        except BaseException:
            self.close()
            raise

    def set_up(self, options):
        program = os.path.join(options.bin, "..", "detections", "detection_steps")
        self.podman.make_image(FILES, add_programs(program))
        self.rig = Rig(options.bin, node="lab", runtime_socket=self.podman.start_api())
        self.rig.write_policy("policy.yaml", POLICY)
        if os.environ.get("PODWARD_TEST_SIGNATURES"):
            with open(os.environ["PODWARD_TEST_SIGNATURES"], encoding="utf-8") as f:
                self.rig.write_policy("signatures.yaml", f.read())
        self.rig.start()
        self.plain = self.start_plain()
        self.container = self.podman.start(
            "lab", "/bin/sleep", "600", network="none",
            flags=["--cap-add=SYS_ADMIN,SYS_PTRACE,MKNOD", "--security-opt=unmask=ALL",
                   "--tmpfs=/dev/shm:rw,exec,mode=1777"])

    def start_plain(self):
        """A container with the machine's own programs and nothing special; None where /bin is no link to /usr/bin."""
        if not os.path.islink("/bin"):
            return None
        folders = {"/usr": "/usr", "/usr/bin": "/bin", "/usr/sbin": "/sbin", "/usr/lib": "/lib", "/usr/lib64": "/lib64"}
        folders.update({p: p for p in ("/etc/alternatives", "/etc/ssl", "/etc/ld.so.cache") if os.path.exists(p)})
        folders.update({p: p for p in glob.glob("/etc/java-*")})
        folders[os.path.join(HERE, "ordinary.sh")] = "/ordinary.sh"
        return self.podman.start("plain", "/bin/sleep", "600", network="none",
                                 flags=[f"--volume={a}:{b}:ro" for a, b in folders.items()])

    def run(self, batch):
        """Runs the batch and returns {step: {detection}} of the alerts that came since the last one."""
        done = self.podman.exec("lab", "/steps/run", batch)
        end = f"/usr/bin/end-of-{batch}"
        wait_until(lambda: any(a["target"] == end for a in self.mine()), 20, f"the end of batch {batch}; "
                   + done.stderr.decode("utf-8", "replace")[-300:])
        check(done.returncode == 0, f"batch {batch}: {done.stderr.decode('utf-8', 'replace')}")
        self.log = done.stdout.decode("utf-8", "replace")
        return self.by_step()

    def mine(self):
        return [a for a in self.rig.alerts() if a["container_id"] == self.container]

    def by_step(self):
        found = {}
        for alert in self.rig.alerts():
            if alert["container_id"] != self.container:
                continue
            if not alert["detector"].startswith(PREFIX):
                continue
            exes = [p.get("exe", "") for p in alert["lineage"]]
            steps = [e[len("/steps/"):] for e in exes if e.startswith("/steps/") and e != "/steps/run"]
            found.setdefault(steps[0] if steps else f"no step, lineage {exes}", set()).add(
                alert["detector"][len(PREFIX):])
        return found

    def close(self):
        if self.rig:
            self.rig.close()
        self.podman.close()


STAGE = {}


def stage(options):
    if "it" not in STAGE:
        STAGE["it"] = None
        STAGE["it"] = Stage(options)
    check(STAGE["it"], "the stage could not be set up, see above")
    return STAGE["it"]


def the_set_is_in_force_with_every_rule(options):
    s = stage(options)
    log = s.rig.services["analyzer"].log_text() + s.rig.services["policysync"].log_text()
    check_equal([line for line in log.splitlines() if "sig/default" in line or "refused" in line], [], "complaints")


def nothing_that_is_only_near_raises_anything(options):
    found = stage(options).run("quiet")
    check_equal(found, expected_of_quiet_steps(), "raised by quiet steps")


def ordinary_programs_raise_nothing(options):
    s = stage(options)
    if not s.plain:
        raise Skip("/bin is no link to /usr/bin")
    done = s.podman.exec("plain", "/bin/bash", "/ordinary.sh", check=True)
    print("  " + done.stdout.decode("utf-8", "replace").strip().replace("\n", ", "))
    check(b"ordinary work done" in done.stdout, f"it broke off: {done.stderr[-500:]}")
    s.run("end")
    raised = [(a["detector"], a["target"], a["reason"]) for a in s.rig.alerts() if a["container_id"] == s.plain]
    check_equal(raised, [], "raised by ordinary programs")


def no_alert_is_without_its_container(options):
    s = stage(options)
    strangers = [a for a in s.rig.alerts() if a["container_id"] not in (s.container, s.plain)]
    check_equal(strangers, [], "alerts of other containers")


def each_step_raises_exactly_its_detection(options):
    s, wanted = stage(options), expected_of_steps()
    found = s.run("fires")
    wrong = [f"{step}: raised {sorted(found.get(step, []))}, wanted {sorted(wanted.get(step, []))}"
             for step in sorted(set(found) | set(wanted)) if found.get(step, set()) != wanted.get(step, set())]
    print_table(found)
    if wrong:
        print(s.log)
    check(not wrong, f"{len(wrong)} of {len(wanted)} steps:\n  " + "\n  ".join(wrong))


def print_table(found):
    print(f"{'detection':<28} {'fires':>5} {'quiet':>5}  raised")
    for row in ROWS:
        good = sum(row.detection in found.get(s.name, ()) for s in row.fires)
        print(f"{row.detection:<28} {len(row.fires):>5} {len(row.quiet):>5}  {good}")


if __name__ == "__main__":
    try:
        main(__doc__, [the_set_is_in_force_with_every_rule, nothing_that_is_only_near_raises_anything,
                       ordinary_programs_raise_nothing, each_step_raises_exactly_its_detection,
                       no_alert_is_without_its_container],
             why_no_system_test)
    finally:
        if STAGE.get("it"):
            STAGE["it"].close()
