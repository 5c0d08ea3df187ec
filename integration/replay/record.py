#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes integration/replay/attacks.pwrec anew: a real container, attacked, recorded by the collector.

Needs root and podman. Usage: record.py [BIN_DIR]
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from containers import Podman, settle, web_server  # noqa: E402
from rig import ROOT, Rig, free_port, wait_until, why_no_system_test  # noqa: E402

TARGET = os.path.join(ROOT, "integration", "replay", "attacks.pwrec")
SCRIPTS = ["cp /bin/busybox /tmp/xmrig; /tmp/xmrig -o stratum+tcp://127.0.0.1:3333; rm /tmp/xmrig",
           "while read line; do true; done </etc/shadow",
           "/bin/nc -w 1 127.0.0.1 9 </dev/null"]


def main():
    reason = why_no_system_test()
    if reason:
        sys.exit(f"record: {reason}")
    bin_dir = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin"
    if os.path.exists(TARGET):
        os.unlink(TARGET)
    with Podman() as podman, Rig(bin_dir, node="record") as rig:
        podman.make_image()
        rig.services["collector"].argv += ["--record", TARGET]
        rig.start()
        podman.start("web", *web_server(free_port(), pause="0.5"))
        wait_until(lambda: rig.metric_sum("analyzer", "podward_analyzer_events_total") > 10, 30, "events")
        for script in SCRIPTS:
            podman.exec("web", "/bin/sh", "-c", script)
        settle(3)
    print(f"{TARGET}: {os.path.getsize(TARGET)} bytes")


if __name__ == "__main__":
    main()
