#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo, which is what a newcomer runs first: every expected alert once, and nothing else."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from cases import check_equal, main  # noqa: E402
from rig import why_no_system_test  # noqa: E402

DEMO = os.path.join(HERE, "..", "demo", "demo.py")


def the_demo_shows_each_alert_once_and_nothing_else(options):
    done = subprocess.run([sys.executable, DEMO, "--bin", options.bin, "--fast"], capture_output=True, text=True,
                          timeout=240, check=False)
    check_equal(done.returncode, 0, f"exit code of the demo: {done.stdout[-2000:]}{done.stderr[-500:]}")


if __name__ == "__main__":
    main(__doc__, [the_demo_shows_each_alert_once_and_nothing_else], why_no_system_test)
