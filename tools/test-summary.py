#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what ./dev test did: ctest's JUnit files and steps.tsv in the folder given.

Prints a table, every failure and every skip with its reason; the last line is
"N passed, N failed, N skipped". Exit code 1 when something failed or nothing ran.
"""
import glob
import os
import re
import sys
import xml.etree.ElementTree as xml

ORDER = ["dev", "clang", "asan", "tsan", "fuzz", "release", "arm64", "kernel", "kernels", "system"]


def reason_of(case):
    """The test's own words after SKIP:, else what ctest says."""
    text = "".join(case.findtext("system-out") or "")
    said = re.search(r"SKIP(?:PED)?:?\s*(.+)", text)
    if said:
        return said.group(1).strip()
    skipped = case.find("skipped")
    return (skipped.get("message") if skipped is not None else "") or "gave no reason"


def outcome_of(case):
    status = case.get("status")
    if case.find("failure") is not None or status == "fail":
        return "failed"
    if case.find("skipped") is not None or status in ("notrun", "disabled"):
        not_run = reason_of(case)
        # A test whose program is missing was not skipped by anybody's decision.
        return "failed" if "not find executable" in not_run.lower() else "skipped"
    return "passed"


def junit_rows(path):
    step = os.path.splitext(os.path.basename(path))[0]
    rows = []
    for case in xml.parse(path).getroot().iter("testcase"):
        outcome = outcome_of(case)
        rows.append((step, case.get("name"), outcome, reason_of(case) if outcome == "skipped" else ""))
    return rows


def step_rows(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [tuple(line.rstrip("\n").split("\t")) for line in f if line.strip()]


def collect(folder):
    rows = step_rows(os.path.join(folder, "steps.tsv"))
    for path in sorted(glob.glob(os.path.join(folder, "*.xml"))):
        try:
            rows += junit_rows(path)
        except xml.ParseError as error:
            rows.append((os.path.basename(path), "results", "failed", f"unreadable: {error}"))
    return rows


def print_table(rows):
    steps = sorted({r[0] for r in rows}, key=lambda s: (ORDER.index(s) if s in ORDER else 99, s))
    print(f"{'step':<10}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for step in steps:
        counts = [sum(r[0] == step and r[2] == o for r in rows) for o in ("passed", "failed", "skipped")]
        print(f"{step:<10}{counts[0]:>8}{counts[1]:>8}{counts[2]:>9}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: test-summary.py LOG_FOLDER")
    rows = collect(sys.argv[1])
    print_table(rows)
    for outcome in ("skipped", "failed"):
        for step, name, _, reason in [r for r in rows if r[2] == outcome]:
            print(f"{outcome}: {step}: {name}" + (f": {reason}" if reason else ""))
    passed, failed, skipped = (sum(r[2] == o for r in rows) for o in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
