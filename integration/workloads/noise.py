#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The noise corpus: real workloads in containers are learned, run on, and then do something new.

Three replicas of each learn; in the steady phase three fresh ones come and the first ones go; in the drift phase
every workload does something that it never did. Counts new operations in the steady phase and drifts that were
found. Needs root, podman, and mmdebstrap for the image (made once, kept in PODWARD_CACHE).

  noise.py [--bin DIR] [--only NAME,…] [--learn S] [--steady S] [--record DIR] [--together N] [--json FILE]
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import image  # noqa: E402
from containers import Podman, run  # noqa: E402
from rig import Rig, wait_until, why_no_system_test  # noqa: E402

# name -> command inside the container
WORKLOADS = {name: ["/bin/bash", f"/w/{name}.sh"] for name in (
    "nginx", "redis", "postgres", "cron", "dpkg", "compile", "backup", "probe", "job", "java", "prefork",
    "apache", "sqlite")}
WORKLOADS.update({name: ["/usr/bin/python3", "/w/services.py", name] for name in ("upload", "session", "config")})
REPLICAS = 3
DRIFT_S = 40


class Batch:
    """A few workloads at the same time with services of their own."""

    def __init__(self, options, names, podman):
        self.options, self.names, self.podman = options, names, podman
        self.control = tempfile.mkdtemp(prefix="podward-ctl-")
        self.lives = dict.fromkeys(names, 0)
        self.running = {name: [] for name in names}
        self.stop_helpers = threading.Event()
        self.marks, self.listing = {}, []

    def phase(self, name):
        self.marks[name] = time.time_ns()  # before anyone can see it
        with open(os.path.join(self.control, "phase.part"), "w", encoding="ascii") as f:
            f.write(name + "\n")
        os.rename(os.path.join(self.control, "phase.part"), os.path.join(self.control, "phase"))

    def start_one(self, name):
        self.lives[name] += 1
        full = f"{self.podman.name}-{name}-{self.lives[name]}"
        self.podman.containers.append(full)
        done = run(self.podman.command(
            "run", "-d", "--name", full, "--network=none", *self.podman.run_flags,
            "--label", "com.docker.compose.project=noise", "--label", f"com.docker.compose.service={name}",
            "-v", f"{os.path.join(HERE, 'scripts')}:/w:ro", "-v", f"{self.control}:/ctl:ro",
            self.podman.image, *WORKLOADS[name]), seconds=120)
        self.listing.append({"Id": done.stdout.decode().strip(), "Names": [full], "Image": "localhost/workloads:1",
                             "Labels": {"com.docker.compose.project": "noise", "com.docker.compose.service": name}})
        self.running[name].append(full)

    def remove_one(self, name):
        full = self.running[name].pop(0)
        run(self.podman.command("rm", "-f", "-t", "0", full), seconds=120, check=False)
        if full in self.podman.containers:
            self.podman.containers.remove(full)

    def keep_jobs(self):
        """A job ends by itself; the next one follows."""
        while not self.stop_helpers.wait(4):
            self.start_one("job")
            while len(self.running["job"]) > 2:
                self.remove_one("job")

    def keep_probes(self):
        """What a kubelet does for an exec probe."""
        while not self.stop_helpers.wait(3):
            for full in list(self.running["probe"]):
                run(self.podman.command("exec", full, "/bin/bash", "-c", "test -s /srv/health"), check=False)

    def run_phases(self):
        helpers = [threading.Thread(target=f, daemon=True)
                   for name, f in (("job", self.keep_jobs), ("probe", self.keep_probes)) if name in self.names]
        self.phase("learn")
        for name in self.names:
            for _ in range(1 if name == "job" else REPLICAS):
                self.start_one(name)
        for helper in helpers:
            helper.start()
        started = time.time_ns()
        self.marks["learned_by"] = started + int(self.options.learn * 1e9)
        time.sleep(self.options.learn + 3)
        self.phase("steady")
        for _ in range(REPLICAS):
            for name in self.names:
                if name != "job":
                    self.start_one(name)
            time.sleep(self.options.steady / REPLICAS / 2)
            for name in self.names:
                if name != "job":
                    self.remove_one(name)
            time.sleep(self.options.steady / REPLICAS / 2)
        self.phase("drift")
        time.sleep(DRIFT_S)
        self.phase("stop")
        self.stop_helpers.set()
        for helper in helpers:
            helper.join(60)

    def close(self):
        self.stop_helpers.set()
        for full in list(self.podman.containers):
            run(self.podman.command("rm", "-f", "-t", "0", full), seconds=120, check=False)
        self.podman.containers.clear()
        shutil.rmtree(self.control, ignore_errors=True)


def policy(learn):
    return ("apiVersion: podward.dev/v1alpha1\nkind: ClusterRuntimePolicy\nmetadata: {name: noise}\nspec:\n"
            f"  priority: 900\n  profile: {{enabled: true, learningDuration: {learn}s}}\n")


def judge(lives, marks, alerts):
    """{workload: row} from the alerts, by the time of their first event."""
    rows = {name: {"lives": count, "steady": [], "drift": [], "signatures": []} for name, count in lives.items()}
    for a in alerts:
        name = a["pod_group"].split("/")[-1]
        if name not in rows:
            continue
        when = a["first_wall_ns"]
        what = f"{a['detector']} {a.get('object', '')}"
        if not a["detector"].startswith("profile/"):
            # What a signature said in steady state already is no news of it in the drift.
            if when < marks["drift"]:
                rows[name]["signatures"].append(what)
            elif when < marks["stop"] and what not in rows[name]["signatures"]:
                rows[name]["drift"].append(what)
        elif when < marks["drift"]:
            rows[name]["steady"].append(what)
        elif when < marks["stop"]:
            rows[name]["drift"].append(what)
    return rows


def run_batch(options, names, podman, number):
    batch = Batch(options, names, podman)
    try:
        with Rig(options.bin, node="noise", runtime_socket=podman.start_api() if podman.api is None else
                 os.path.join(podman.folder, "podman.sock")) as rig:
            rig.write_policy("policy.yaml", policy(options.learn))
            if options.record:
                rig.services["collector"].argv += ["--record", os.path.join(options.record, f"{number}.pwrec")]
            rig.start()
            batch.run_phases()
            if options.record:
                tell(os.path.join(options.record, f"{number}.json"), batch)
            time.sleep(3)
            lost = rig.metric_sum("collector", "podward_collector_events_lost_total")
            wait_until(lambda: rig.metric_sum("policysync", "podward_policysync_output_lag_alerts") <= 0, 20, "outputs")
            rows = judge(batch.lives, batch.marks, rig.spooled())
            if lost:
                print(f"  {lost:.0f} events were lost")
            if options.verbose:
                for g in (rig.page("analyzer", "/v1/groups") or {"groups": []})["groups"]:
                    print("  ", g["pod_group"], g["phase"], g["behaviours"], g["templates"], g["partial"])
            return rows
    finally:
        batch.close()


def tell(path, batch):
    """What the runtime says of its containers, for a replay without it, and when the phases began."""
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"containers": batch.listing, "marks": batch.marks, "lives": batch.lives,
                   "policy": policy(batch.options.learn)}, f, indent=1,
                  sort_keys=True)


def table(rows):
    lines = ["| workload | container lives | new operations in steady state | drift found by |", "|---|---|---|---|"]
    for name, row in sorted(rows.items()):
        lines.append(f"| {name} | {row['lives']} | {len(row['steady'])} | "
                     f"{len(row['drift'])} alerts{'' if row['drift'] else ' **missed**'} |")
    lives = sum(r["lives"] for r in rows.values())
    steady = sum(len(r["steady"]) for r in rows.values())
    found = sum(bool(r["drift"]) for r in rows.values())
    lines.append(f"| all | {lives} | {steady} | {found} of {len(rows)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--only", default=",".join(WORKLOADS))
    parser.add_argument("--learn", type=int, default=100)
    parser.add_argument("--steady", type=int, default=60)
    parser.add_argument("--together", type=int, default=4)
    parser.add_argument("--record")
    parser.add_argument("--json")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    reason = why_no_system_test() or image.why_not()
    if reason:
        print(f"SKIP: {reason}")
        return 77
    names, rows = options.only.split(","), {}
    with Podman() as podman:
        image.load(podman)
        for i in range(0, len(names), options.together):
            part = names[i:i + options.together]
            rows.update(run_batch(options, part, podman, i // options.together))
            for name in part:
                print(f"{name}: {len(rows[name]['steady'])} in steady state, drift {rows[name]['drift'][:3]}", flush=True)
                for what in rows[name]["steady"] + rows[name]["signatures"]:
                    print("   ", what)
    print(table(rows))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1, sort_keys=True)
    lives = sum(r["lives"] for r in rows.values())
    steady = sum(len(r["steady"]) for r in rows.values())
    missed = [n for n, r in rows.items() if not r["drift"]]
    if missed or steady * 50 > lives:
        print(f"noise: {steady} new operations in {lives} lives (at most 1 in 50), missed: {missed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
