#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The metrics pages of all three services are clean for promtool, also after events went through."""
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import check, main  # noqa: E402
from containers import Podman, web_server  # noqa: E402
from rig import Rig, fetch, free_port, wait_until, why_no_system_test  # noqa: E402


def needs():
    return why_no_system_test() or (None if shutil.which("promtool") else
                                    "promtool is not installed (tools/install-packages.sh test)")


def promtool(text, name):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                          timeout=30, check=False)
    check(done.returncode == 0 and not done.stdout.strip() and not done.stderr.strip(),
          f"{name}: promtool exit {done.returncode}: {done.stdout}{done.stderr}")


def all_three_pages_are_clean_while_events_flow(options):
    with Podman() as podman, Rig(options.bin) as rig:
        podman.make_image()
        rig.start()
        podman.start("web", *web_server(free_port(), pause="0.2"))
        wait_until(lambda: rig.metric_sum("analyzer", "podward_analyzer_events_total") > 20, 30,
                   "events at the analyzer")
        for name in ("collector", "analyzer", "policysync"):
            status, text = fetch(rig.ports[name], "/metrics")
            check(status == 200, f"{name}: /metrics gives {status}")
            check(f"podward_{name}_build_info" in text, f"{name}: no build_info")
            promtool(text, name)


def live_and_ready_pages_answer(options):
    with Rig(options.bin) as rig:
        rig.start("policysync", "analyzer")
        for name in ("policysync", "analyzer"):
            check(fetch(rig.ports[name], "/livez")[0] == 200, f"{name}: /livez")
            check(fetch(rig.ports[name], "/no-such-page")[0] == 404, f"{name}: an unknown page is not 404")


if __name__ == "__main__":
    main(__doc__, [all_three_pages_are_clean_while_events_flow, live_and_ready_pages_answer], needs)
