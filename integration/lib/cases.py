# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of one system test: functions whose names are sentences.

Exit 0 when all passed, 77 with "SKIP: reason" when nothing could run, else 1.
"""
import argparse
import sys
import time
import traceback

from rig import SKIP, RigError


class Skip(Exception):
    """Raised by a case that cannot run here; its text is the reason."""


def check(condition, message):
    """Fails the case with the message."""
    if not condition:
        raise RigError(message)


def check_equal(got, wanted, what):
    if got != wanted:
        raise RigError(f"{what}: got {got!r}, wanted {wanted!r}")


def run_one(case, options):
    started = time.monotonic()
    try:
        case(options)
    except Skip as skip:
        print(f"SKIP: {case.__name__}: {skip}", flush=True)
        return "skipped"
    except RigError as error:
        print(f"FAIL  {case.__name__}: {error}", flush=True)
        return "failed"
    except Exception:  # a case that breaks is a failure with its trace, not the end of the run
        print(f"FAIL  {case.__name__}:", flush=True)
        traceback.print_exc()
        return "failed"
    print(f"ok    {case.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
    return "passed"


def options_of(purpose):
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=20, help="of tests that repeat themselves")
    parser.add_argument("--seed", type=int, default=1, help="of random choices")
    return parser.parse_args()


def main(purpose, cases, needs=None):
    options = options_of(purpose)
    reason = needs() if needs else None
    if reason:
        print(f"SKIP: {reason}")
        sys.exit(SKIP)
    chosen = [c for c in cases if options.only in c.__name__]
    results = [run_one(case, options) for case in chosen]
    counts = {o: results.count(o) for o in ("passed", "failed", "skipped")}
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    if counts["failed"] or not chosen:
        sys.exit(1)
    sys.exit(0 if counts["passed"] else SKIP)
