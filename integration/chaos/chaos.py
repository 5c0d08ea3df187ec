#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Analyzers that share the pod groups come, go, hang and are killed, and nothing is lost or told twice.

Real services, made-up events (collector/tests/lanes_load.c: the collector's own lanes and streams), all of
them known beforehand. A run without chaos and with one analyzer that shares with nobody says what must be
there in the end. Then, for each schedule, five analyzers at most and two senders are disturbed in an order
that the seed decides, in mid-learning, and the end must be the same: every alert once with a count of one,
every profile with the same behaviours, bytes included. Says the longest time for which a pod group was not
judged after each kind of blow.

`./dev chaos [SCHEDULES [SEED]]` is the long form. Needs neither root nor BPF.
"""
import argparse
import collections
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from attacks import DETECTOR, SIGNATURES, number_of  # noqa: E402
from rig import RigError, Service, fetch, free_port, metrics_of, wait_until  # noqa: E402
import spool  # noqa: E402

SENDERS = 2
GROUPS = 60
PAUSE_US = 12000
EVENTS = 8  # of a batch, as in lanes_load.c
ANALYZERS = 5
AWAY_S = 3
HOUR_NS = 3600 * 10**9
KINDS = ["kill", "kill and back", "end", "end and back", "stop", "kill policysync", "stop policysync", "join"]


class Cluster:
    """One policysync, analyzers that share (or one that does not), senders."""

    def __init__(self, bin_dir, first_wall_ns, batches, share):
        self.bin_dir, self.share = os.path.abspath(bin_dir), share
        self.folder = tempfile.mkdtemp(prefix="podward-chaos-")
        self.policies, self.state = self.make_folder("policies"), self.make_folder("state")
        with open(os.path.join(self.policies, "attacks.yaml"), "w", encoding="utf-8") as f:
            f.write(SIGNATURES)
        self.ports = {"policysync": free_port()}
        own = ["--listen", self.address("policysync"), "--state-dir", self.state, "--policies", self.policies,
               "--stdout", "off", "--spool-size", "4G", "--analyzer-away", f"{AWAY_S}s"]
        if not share:
            own += ["--analyzers", "a-0=" + self.address("a-0")]
        self.policysync = self.service("policysync", own)
        self.analyzers, self.senders = {}, []
        for i in range(SENDERS):
            argv = [os.path.join(os.path.dirname(self.bin_dir), "collector", "lanes_load"),
                    self.address("policysync"), self.make_folder(f"sender-{i}"), str(i), str(GROUPS), str(batches),
                    str(PAUSE_US), str(first_wall_ns)]
            self.senders.append(Service(f"sender-{i}-out", argv, self.folder))

    def make_folder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o700)
        return path

    def address(self, name):
        return "unix:" + os.path.join(self.folder, name + ".sock")

    def service(self, name, own):
        program = "podward-policysync" if name == "policysync" else "podward-analyzer"
        argv = [os.path.join(self.bin_dir, program)] + own + [
            "--metrics-listen", f"127.0.0.1:{self.ports[name]}"]
        return Service(name, argv, self.folder)

    def analyzer(self, name):
        if name not in self.analyzers:
            self.ports[name] = free_port()
            own = ["--name", name, "--listen", self.address(name), "--policysync", self.address("policysync"),
                   "--shards", "2", "--profile-flush", "300ms"]
            if self.share:
                own += ["--advertise", self.address(name), "--drain", "10s"]
            self.analyzers[name] = self.service(name, own)
        return self.analyzers[name]

    def start(self, names):
        self.policysync.start()
        self.wait_ready("policysync")
        for name in names:
            self.analyzer(name).start()
        for name in names:
            self.wait_ready(name)

    def wait_ready(self, name):
        wait_until(lambda: fetch(self.ports[name], "/readyz")[0] == 200, 40, f"{name} to be ready")

    def alive(self):
        return sorted(n for n, s in self.analyzers.items() if s.is_running())

    def finish(self, seconds):
        """Until every sender says that all is durable."""
        for s in self.senders:
            wait_until(lambda s=s: not s.is_running(), seconds, f"{s.name} to end", pause=0.2)
            if s.process.returncode != 0:
                raise RigError(f"{s.name}: exit {s.process.returncode}: {s.last_words()}")
            with open(s.out, encoding="utf-8") as f:
                made, held, dropped, _ = (int(n) for n in f.read().split("\n")[-2].split())
            if held or dropped:
                raise RigError(f"{s.name}: {made} batches, {held} held, {dropped} dropped")

    def close(self, keep):
        for s in self.senders + list(self.analyzers.values()) + [self.policysync]:
            if s.process is not None and s.process.poll() is None:
                s.process.send_signal(signal.SIGCONT)
            s.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- what came of it ---

    def rows(self, query):
        with sqlite3.connect(f"file:{os.path.join(self.state, 'podward.db')}?mode=ro", uri=True, timeout=10) as db:
            return db.execute(query).fetchall()

    def alerts(self):
        """{id: (number, count)} of the signature's alerts."""
        return {a["id"]: (number_of(a), a["count"]) for a in spool.read(self.state) if a.get("detector") == DETECTOR}

    def profiles(self):
        states = self.rows("SELECT pod_group, generation, phase, learning_started, learning_duration, lost,"
                           " partial_reason, epoch, entries FROM profiles ORDER BY pod_group")
        behaviours = self.rows("SELECT p.pod_group, b.key, b.dimension, b.actor, b.object, b.first_wall, b.flags,"
                               " b.body FROM behaviours b JOIN profiles p ON p.g = b.g ORDER BY p.pod_group, b.key")
        return states, behaviours

    def longest_gaps(self, moments):
        """{kind of blow: longest time without an alert of one pod group that began around it}."""
        stored = collections.defaultdict(list)
        for body, wall in self.rows("SELECT body, stored_wall FROM alerts ORDER BY n"):
            stored[spool.alert_of(bytes(body)).get("pod_group")].append(wall)
        gaps = collections.defaultdict(float)
        for walls in stored.values():
            for one, two in zip(walls, walls[1:]):
                kinds = [k for k, at in moments if one - 10**9 < at * 1e9 < two]
                kind = kinds[-1] if kinds else "none"
                gaps[kind] = max(gaps[kind], (two - one) / 1e9)
        return dict(gaps)


class Chaos:
    def __init__(self, cluster, dice):
        self.cluster, self.dice, self.moments, self.log = cluster, dice, [], []

    def strike(self):
        c, dice = self.cluster, self.dice
        alive = c.alive()
        kind = dice.choice(KINDS)
        if kind in ("kill", "end") and len(alive) < 2:
            kind += " and back"
        if kind == "join" and len(alive) >= ANALYZERS:
            kind = "kill and back"
        victim = dice.choice(alive) if alive else None
        self.log.append(f"{kind} {victim if 'policysync' not in kind and kind != 'join' else ''}".strip())
        self.moments.append((kind, time.time()))
        getattr(self, kind.replace(" ", "_"))(victim)

    def kill(self, victim):
        self.cluster.analyzers[victim].kill()

    def kill_and_back(self, victim):
        self.kill(victim)
        time.sleep(self.dice.uniform(0, AWAY_S + 2))
        self.cluster.analyzers[victim].start()

    def end(self, victim):
        self.cluster.analyzers[victim].end()

    def end_and_back(self, victim):
        self.end(victim)
        time.sleep(self.dice.uniform(0, 1))
        self.cluster.analyzers[victim].start()

    def stop(self, victim):
        process = self.cluster.analyzers[victim].process
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.5, AWAY_S + 5))
        process.send_signal(signal.SIGCONT)

    def kill_policysync(self, _):
        self.cluster.policysync.kill()
        time.sleep(self.dice.uniform(0, 2))
        self.cluster.policysync.start()
        self.cluster.wait_ready("policysync")

    def stop_policysync(self, _):
        process = self.cluster.policysync.process
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.5, 4))
        process.send_signal(signal.SIGCONT)

    def join(self, _):
        name = next(n for n in (f"a-{i}" for i in range(ANALYZERS)) if n not in self.cluster.alive())
        self.cluster.analyzer(name).start()


def run(options, first_wall_ns, batches, dice=None):
    """(alerts, profiles, what was done, gaps, refusals by owner) of one whole run."""
    cluster = Cluster(options.bin, first_wall_ns, batches, share=dice is not None)
    chaos = Chaos(cluster, dice)
    keep = False
    try:
        cluster.start([f"a-{i}" for i in range(dice.randint(1, 3) if dice else 1)])
        for s in cluster.senders:
            s.start()
        while dice and any(s.is_running() for s in cluster.senders) and len(chaos.log) < options.blows:
            time.sleep(dice.uniform(0.2, 2))
            chaos.strike()
        cluster.finish(120)
        time.sleep(0.5)
        keep = options.keep
        return cluster.alerts(), cluster.profiles(), chaos.log, cluster.longest_gaps(chaos.moments)
    except RigError as error:
        keep = options.keep
        raise RigError(f"{error}; after: {', '.join(chaos.log)}; {cluster.folder if keep else ''}") from None
    finally:
        cluster.close(keep)


def differences(wanted, got):
    """What a person reads first; empty when all is the same."""
    problems = []
    missing, more = set(wanted[0]) - set(got[0]), set(got[0]) - set(wanted[0])
    counts = [i for i in wanted[0] if i in got[0] and wanted[0][i] != got[0][i]]
    if missing or more:
        problems.append(f"alerts: {len(missing)} missing, {len(more)} that nobody expects")
    if counts:
        problems.append(f"alerts: {len(counts)} with another count, one {got[0][counts[0]]}")
    for what, one, two in (("states", wanted[1][0], got[1][0]), ("behaviours", wanted[1][1], got[1][1])):
        if one != two:
            odd = [(a, b) for a, b in zip(one, two) if a != b][:1]
            problems.append(f"{what}: {len(one)} and {len(two)} rows, {odd}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--schedules", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blows", type=int, default=6, help="of one schedule")
    parser.add_argument("--batches", type=int, default=1200, help="of one sender")
    parser.add_argument("--keep", action="store_true", help="keep the folders")
    options = parser.parse_args()
    first_wall_ns = time.time_ns() - HOUR_NS
    failed = 0
    wanted = run(options, first_wall_ns, options.batches)
    print(f"without chaos: {len(wanted[0])} alerts, {len(wanted[1][1])} behaviours of {len(wanted[1][0])} pod groups,"
          f" longest gap {max(wanted[3].values(), default=0):.2f} s", flush=True)
    if len(wanted[0]) != SENDERS * options.batches * EVENTS // 2 or any(c != 1 for _, c in wanted[0].values()):
        print("FAIL  the run without chaos lost or doubled something")
        sys.exit(1)
    for seed in range(options.seed, options.seed + options.schedules):
        began = time.monotonic()
        try:
            got = run(options, first_wall_ns, options.batches, random.Random(seed))
            problems = differences(wanted, got)
            what = f"{', '.join(got[2])}; gaps " + ", ".join(f"{k} {v:.1f} s" for k, v in sorted(got[3].items()))
        except RigError as error:
            problems, what = [str(error)], ""
        failed += bool(problems)
        print(f"{'FAIL ' if problems else 'ok   '} seed {seed} ({time.monotonic() - began:.0f} s): "
              f"{'; '.join(problems + [what])}", flush=True)
    print(f"{options.schedules - failed} of {options.schedules} schedules gave the same as one analyzer alone")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
