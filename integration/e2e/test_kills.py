#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of each service while unique attacks keep happening: none lost, none doubled.

An attack is one open of a file that no other attack opens; a signature of the test's own fires on it.
Each service is killed several times at random moments and started again; sometimes the collector while the
analyzer is away, so that what it holds is nowhere but in its file. In the end every attack has
exactly one row in the spool. Left out, and reported: attacks that began while the collector was down,
and those of the last quarter of a second before its kill, whose events had not become a batch yet.
"""
import collections
import os
import random
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from attacks import DETECTOR, SIGNATURES, number_of  # noqa: E402
from cases import check, main  # noqa: E402
from containers import Podman  # noqa: E402
from rig import Rig, RigError, wait_until, why_no_system_test  # noqa: E402

ATTACKS = 3000
IN_FLIGHT_S = 0.25  # ring buffer and open batch; what was batched is in the file
PAUSE_S = 0.04
# Reads numbers from a pipe, opens the file of that number, says so through another pipe.
VICTIM = ["/bin/sh", "-c", "exec 3<>/ctl/in 4<>/ctl/out; "
          "while read n <&3; do read line </etc/attacks/$n; echo $n >&4; done"]


class Attacker(threading.Thread):
    """Makes one attack after the other and notes when each began."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.begun, self.ended = {}, threading.Event()
        self.to_victim = os.open(os.path.join(folder, "in"), os.O_RDWR)
        self.from_victim = os.fdopen(os.open(os.path.join(folder, "out"), os.O_RDWR), "rb", buffering=0)

    def run(self):
        for n in range(ATTACKS):
            if self.ended.is_set():
                return
            self.begun[n] = time.monotonic()
            os.write(self.to_victim, b"%d\n" % n)
            answer = b""
            while not answer.endswith(b"\n"):
                answer += self.from_victim.read(64)
            time.sleep(PAUSE_S)


class Outages:
    """When the collector could not see."""

    def __init__(self):
        self.spans = []

    def holds(self, moment):
        return any(start - IN_FLIGHT_S <= moment <= end for start, end in self.spans)


def kill_and_restart(rig, name, dice, outages):
    killed = time.monotonic()
    rig.services[name].kill()
    time.sleep(dice.uniform(0.1, 2.0))
    rig.start(name, seconds=30)
    if name == "collector":
        outages.spans.append((killed, time.monotonic()))
    print(f"  killed {name}, back after {time.monotonic() - killed:.1f} s", flush=True)


def kill_collector_without_analyzer(rig, dice, outages):
    """What the collector holds then is in its file only."""
    began = time.monotonic()
    rig.services["analyzer"].kill()
    time.sleep(dice.uniform(0.8, 2.0))
    killed = time.monotonic()
    rig.services["collector"].kill()
    time.sleep(dice.uniform(0.1, 1.0))
    rig.start("analyzer", "collector", seconds=30)
    outages.spans.append((killed, time.monotonic()))
    print(f"  killed analyzer, then collector, both back after {time.monotonic() - began:.1f} s; "
          f"{rig.metric_sum('collector', 'podward_collector_backlog_restored_batches_total'):.0f} batches "
          "from the file", flush=True)


def compare(rig, attacker, outages):
    """Waits until nothing is missing that must be there; then counts."""
    must = {n for n, begun in attacker.begun.items() if not outages.holds(begun)}
    left_out = set(attacker.begun) - must

    def rows():
        found = [a for a in rig.spooled() if a.get("detector") == DETECTOR]
        return collections.Counter(number_of(a) for a in found)

    try:
        wait_until(lambda: must <= set(rows()), 40, "all attacks in the spool", pause=0.5)
    except RigError:
        pass
    seen = rows()
    missing = sorted(must - set(seen))
    doubled = sorted(n for n, count in seen.items() if count != 1)
    caught = sum(n in seen for n in left_out)
    print(f"  {len(attacker.begun)} attacks, {len(must)} visible; {len(left_out)} while the collector was "
          f"down or within {IN_FLIGHT_S:g} s before its kill, {caught} of them alerted; "
          f"{len(missing)} missing, {len(doubled)} doubled")
    check(not missing, f"{len(missing)} attacks without alert: {missing[:20]}")
    check(not doubled, f"{len(doubled)} attacks with more than one row: {doubled[:20]}")
    check(len(must) > 50, "too few attacks to prove anything")


def no_alert_is_lost_or_doubled_by_kills(options):
    dice = random.Random(options.seed)
    outages = Outages()
    files = {f"etc/attacks/{n}": "x\n" for n in range(ATTACKS)}
    with Podman() as podman, tempfile.TemporaryDirectory() as control, Rig(options.bin) as rig:
        for name in ("in", "out"):
            os.mkfifo(os.path.join(control, name))
        podman.make_image(files)
        rig.write_policy("attacks.yaml", SIGNATURES)
        rig.start()
        podman.start("victim", *VICTIM, flags=["-v", control + ":/ctl"])
        attacker = Attacker(control)
        attacker.start()
        wait_until(rig.spooled, 30, "the first alert")
        schedule = ["policysync", "analyzer", "collector"] * 3 + ["analyzer, then collector"] * 2
        dice.shuffle(schedule)
        for name in schedule:
            time.sleep(dice.uniform(0.3, 2.0))
            if name in rig.services:
                kill_and_restart(rig, name, dice, outages)
            else:
                kill_collector_without_analyzer(rig, dice, outages)
        time.sleep(2)
        attacker.ended.set()
        attacker.join(10)
        compare(rig, attacker, outages)


if __name__ == "__main__":
    main(__doc__, [no_alert_is_lost_or_doubled_by_kills], why_no_system_test)
