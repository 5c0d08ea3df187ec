#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A recording through collector, analyzer and policysync gives byte-identical alerts every time.

Needs neither root nor BPF: the recording in integration/replay/ holds what the kernel programs sent
while a container was attacked. record.py beside it makes a new one.
"""
import os
import sqlite3
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import check, check_equal, main  # noqa: E402
from rig import ROOT, Rig, RigError, wait_until  # noqa: E402

RECORDING = os.path.join(ROOT, "integration", "replay", "attacks.pwrec")
EXPECTED = {("sig/default/miner.process", "/tmp/xmrig"), ("sig/default/miner.cmdline", "/tmp/xmrig"),
            ("sig/default/creds.shadow", "/etc/shadow")}


def rows_of(rig):
    """[(id, body, count)] of the spool, ordered by id: every byte that an output could show."""
    path = os.path.join(rig.state, "podward.db")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as db:
        return db.execute("SELECT id, body, count FROM alerts ORDER BY id").fetchall()


def steady(rig):
    """Waits until the spool has not changed for 2 s."""
    last = [None, 0]

    def unchanged():
        now = rows_of(rig)
        last[1] = last[1] + 1 if now == last[0] and now else 0
        last[0] = now
        return last[1] >= 10

    wait_until(unchanged, 30, "alerts of the replay to settle", pause=0.2)


def replay(options):
    """(spool rows, short alerts, JSON lines) of one fresh run."""
    with Rig(options.bin, node="replay") as rig:
        service = rig.services["collector"]
        service.argv += ["--replay", RECORDING]
        rig.start("policysync", "analyzer")
        service.start()
        try:
            steady(rig)
        except RigError as error:
            raise RigError(f"{error}; collector: {service.last_words()}") from None
        alerts = rig.spooled()
        wait_until(lambda: len(rig.alerts()) >= len(alerts), 10, "the JSON output")
        with open(rig.services["policysync"].out, "rb") as f:
            lines = sorted(f.read().splitlines())
        return rows_of(rig), alerts, lines


def two_replays_give_the_same_bytes(options):
    first, second = replay(options), replay(options)
    found = {(a["detector"], a["object"]) for a in first[1]}
    check(EXPECTED <= found, f"expected alerts are missing: {EXPECTED - found}; came: {found}")
    check_equal(len(first[0]), len(second[0]), "rows in the spool")
    for one, two in zip(first[0], second[0]):
        check_equal(one, two, "a row of the spool")
    for one, two in zip(first[2], second[2]):
        check_equal(one, two, "a line of the JSON output")
    print(f"  {len(first[0])} alerts, {sum(len(r[1]) for r in first[0])} bytes, twice the same")


if __name__ == "__main__":
    main(__doc__, [two_replays_give_the_same_bytes])
