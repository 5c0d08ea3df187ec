# SPDX-License-Identifier: Apache-2.0
"""Programs that outlive the command that started them. Each is known by process id and start time, so
that stop() never ends anything else."""
import os
import signal
import subprocess
import time

from rig import RigError


def start_time(pid):
    """When the process started, in ticks since boot; None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Daemons:
    """Below one folder: pids/NAME ("PID START") and log/NAME.log."""

    def __init__(self, folder):
        self.pids, self.logs = os.path.join(folder, "pids"), os.path.join(folder, "log")

    def path(self, name):
        return os.path.join(self.pids, name)

    def log(self, name):
        return os.path.join(self.logs, name + ".log")

    def start(self, name, argv):
        for folder in (self.pids, self.logs):
            os.makedirs(folder, exist_ok=True)
        if self.pid(name):
            raise RigError(f"{name} runs already")
        with open(self.log(name), "ab") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True)
        started = start_time(process.pid)
        if started is None:
            raise RigError(f"{name} ended at once: {self.last_words(name)}")
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(f"{process.pid} {started}\n")

    def pid(self, name):
        """Of the running program, or None."""
        try:
            with open(self.path(name), encoding="ascii") as f:
                pid, started = (int(word) for word in f.read().split())
        except (OSError, ValueError):
            return None
        return pid if start_time(pid) == started else None

    def names(self):
        try:
            return sorted(os.listdir(self.pids))
        except FileNotFoundError:
            return []

    def stop(self, name, signal_number=signal.SIGTERM, seconds=10):
        """Signals, waits, and kills what does not obey."""
        for number in (signal_number, signal.SIGKILL):
            deadline = time.monotonic() + seconds
            pid = self.pid(name)
            if pid:
                os.kill(pid, number)
            while self.pid(name) and time.monotonic() < deadline:
                time.sleep(0.05)
        if os.path.exists(self.path(name)):
            os.remove(self.path(name))

    def last_words(self, name):
        try:
            with open(self.log(name), encoding="utf-8", errors="replace") as f:
                lines = f.read().strip().splitlines()
        except OSError:
            return "no log"
        return " / ".join(lines[-3:]) or "no output"
