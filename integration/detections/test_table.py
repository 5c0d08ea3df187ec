#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of the default set has a row in the detections' test, and that this check can fail."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), HERE]
import table  # noqa: E402
from cases import check, check_equal, main  # noqa: E402
from rig import ROOT  # noqa: E402

DEFAULTS = os.path.join(ROOT, "policysync", "defaults")


def rows_and_rules_are_the_same(_options):
    check_equal(table.problems(DEFAULTS), [], "problems")
    check(len(table.ROWS) >= 50, f"only {len(table.ROWS)} detections")


def a_rule_without_a_row_is_named(_options):
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(DEFAULTS):
            os.symlink(os.path.join(DEFAULTS, name), os.path.join(folder, name))
        with open(os.path.join(folder, "zz.yaml"), "w", encoding="utf-8") as f:
            f.write("  rules:\n  - id: new.rule\n    title: x\n")
        check_equal(table.problems(folder), ["new.rule has no row"], "problems")


def a_row_without_a_rule_is_named(_options):
    with tempfile.TemporaryDirectory() as folder:
        found = table.problems(folder)
        check("the row miner.process is of no rule" in found, str(found[:3]))


if __name__ == "__main__":
    main(__doc__, [rows_and_rules_are_the_same, a_rule_without_a_row_is_named, a_row_without_a_rule_is_named])
