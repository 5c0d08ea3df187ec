#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No alert is lost and none is taken twice: policysync is killed again and again while alerts come in
and a bad backend fails 30 % of the requests.

test_alerts_load.py --bin DIR [--alerts N] [--kills N] [--faults SHARE]
The full form is --alerts 100000 --kills 20 --faults 0.3.
"""
import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "backend")]
import rig  # noqa: E402
import sink  # noqa: E402


def number_of(uid):
    """The feeder writes the alert's number into the first eight bytes of its id."""
    return int.from_bytes(bytes.fromhex(uid)[:8], "little")


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = tempfile.mkdtemp(prefix="podward-load-")
        self.state = os.path.join(self.folder, "state")
        self.address = "unix:" + os.path.join(self.folder, "policysync.sock")
        self.port = rig.free_port()
        self.sink = sink.serve(0, faults=arguments.faults, silence=2.5)
        self.service = rig.Service("policysync", self.settings(), self.folder)
        self.kills = 0

    def settings(self):
        url = f"http://127.0.0.1:{self.sink.server_address[1]}"
        outputs = os.path.join(self.folder, "outputs.yaml")
        with open(outputs, "w", encoding="utf-8") as f:
            f.write(f"outputs:\n- {{name: backend, type: backend, url: '{url}', timeout: 2s,\n"
                    f"   batch: {self.arguments.batch}}}\n")
        return [os.path.join(self.arguments.bin, "podward-policysync"), "--insecure", "--listen", self.address,
                "--state-dir", self.state, "--stdout", "off", "--outputs", outputs,
                "--metrics-listen", f"127.0.0.1:{self.port}"]

    def taken(self):
        return self.sink.ledger.summary()["alerts"]

    def spooled(self):
        try:
            uri = f"file:{self.state}/podward.db?mode=ro"
            with sqlite3.connect(uri, uri=True, timeout=5) as db:
                return db.execute("SELECT count(*) FROM alerts").fetchone()[0]
        except sqlite3.Error:
            return 0

    def kill_again_and_again(self, feeder):
        """At random moments of the whole: of the feeding first, then of the delivery."""
        goals = sorted(random.uniform(0.02, 0.95) for _ in range(self.arguments.kills))
        deadline = time.monotonic() + self.arguments.seconds
        for goal in goals:
            while (self.spooled() + self.taken()) / (2 * self.arguments.alerts) < goal:
                if time.monotonic() > deadline:
                    raise rig.RigError(f"only {self.taken()} of {self.arguments.alerts} alerts came")
                if feeder.poll():
                    raise rig.RigError(f"the feeder ended with {feeder.returncode}")
                if not self.service.is_running():
                    raise rig.RigError(f"policysync ended: {self.service.last_words()}")
                time.sleep(0.05)
            time.sleep(random.uniform(0, 0.3))
            self.service.kill()
            self.kills += 1
            self.service.start()
        if feeder.wait(timeout=max(1, deadline - time.monotonic())) != 0:
            raise rig.RigError(f"the feeder ended with {feeder.returncode}")
        rig.wait_until(lambda: self.taken() >= self.arguments.alerts, max(1, deadline - time.monotonic()),
                       "all alerts at the sink", pause=0.2)

    def check(self):
        """Every id once, and nothing else."""
        rows = self.sink.ledger.db.execute("SELECT id FROM alerts").fetchall()
        numbers = sorted(number_of(row[0]) for row in rows)
        if numbers != list(range(1, self.arguments.alerts + 1)):
            missing = set(range(1, self.arguments.alerts + 1)) - set(numbers)
            raise rig.RigError(f"{len(missing)} missing, {len(numbers)} at the sink")
        dead = sqlite3.connect(f"file:{self.state}/podward.db?mode=ro", uri=True).execute(
            "SELECT count(*) FROM dead_letters").fetchone()[0]
        if dead:
            raise rig.RigError(f"{dead} dead letters of good alerts")

    def run(self):
        started = time.monotonic()
        self.service.start()
        feeder = subprocess.Popen([os.path.join(self.arguments.bin, "alert-feeder"), self.address, "1",
                                   str(self.arguments.alerts)], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            self.kill_again_and_again(feeder)
            self.check()
        finally:
            if feeder.poll() is None:
                feeder.kill()
                feeder.wait()
        figures = self.sink.ledger.summary()
        print(f"{figures['alerts']} alerts, each once; {self.kills} kills, {figures['requests']} requests, faults "
              + ", ".join(f"{k[6:]} {v}" for k, v in figures.items() if k.startswith("fault_"))
              + f"; repeats seen: {figures['repeated_keys']} keys, {figures['repeated_alerts']} alerts; "
              f"{time.monotonic() - started:.0f} s")

    def close(self):
        self.service.end(signal.SIGKILL)
        self.sink.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="alerts under kills and a bad backend")
    parser.add_argument("--bin", required=True)
    parser.add_argument("--alerts", type=int, default=6000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--faults", type=float, default=0.3)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=240)
    arguments = parser.parse_args()
    seed = int(os.environ.get("PODWARD_SEED", random.randrange(1 << 32)))
    print(f"PODWARD_SEED={seed}", flush=True)
    random.seed(seed)
    run = Run(arguments)
    try:
        run.run()
    except rig.RigError as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        run.close()
    return 0


sys.exit(main())
