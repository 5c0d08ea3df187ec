#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recordings of the noise corpus: quiet in steady state, every drift found. Needs neither root nor containers.

integration/workloads/noise.py makes the recordings, thin.py beside it makes them small.
"""
import glob
import lzma
import os
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "workloads"))
import noise  # noqa: E402
import recording  # noqa: E402
from cases import check, main  # noqa: E402

RECORDED = os.path.join(HERE, "..", "workloads", "recorded")


def rows_of(options, path):
    """{workload: row} of one recording, judged by fresh services."""
    with tempfile.TemporaryDirectory(prefix="podward-noise-") as folder:
        plain = os.path.join(folder, os.path.basename(path)[:-len(".xz")])
        with lzma.open(path) as packed, open(plain, "wb") as f:
            f.write(packed.read())
        told = path[:-len(".pwrec.xz")] + ".json"
        alerts, groups, told = recording.play(options.bin, plain, told)
        for group in groups:
            check(group["phase"] == "Protected", f"{group['pod_group']} is {group['phase']}")
        return noise.judge(told["lives"], told["marks"], alerts)


def recorded_workloads_are_quiet_until_they_drift(options):
    rows = {}
    for path in sorted(glob.glob(os.path.join(RECORDED, "*.pwrec.xz"))):
        rows.update(rows_of(options, path))
    check(rows, f"no recording in {RECORDED}")
    print(noise.table(rows))
    for name, row in rows.items():
        check(row["drift"], f"{name}: the drift was not found")
        check(not row["signatures"], f"{name}: signatures in steady state: {row['signatures'][:5]}")
    lives = sum(row["lives"] for row in rows.values())
    steady = [what for row in rows.values() for what in row["steady"]]
    check(len(steady) * 50 <= lives, f"{len(steady)} new operations in {lives} container lives: {steady[:10]}")


if __name__ == "__main__":
    main(__doc__, [recorded_workloads_are_quiet_until_they_drift])
