# SPDX-License-Identifier: Apache-2.0
"""The client under test as a child process (kube-mirror), and a way to break its connection."""
import json
import os
import random
import signal
import socket
import subprocess
import threading

from rig import RigError, wait_until


class Mirror:
    """What the client was told so far: objects = {key: (version, uid)}."""

    def __init__(self, program, access, path, *words, environment=None):
        self.objects, self.counts, self.wrong = {}, {}, []
        self.told = 0
        self.synced = 0
        self.log = subprocess.PIPE
        self.process = subprocess.Popen([program, access, "watch", path, *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        self.words = []
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self.read, self.read_log)]
        for thread in self.threads:
            thread.start()

    def read(self):
        for line in self.process.stdout:
            word, a, b, c = line.rstrip("\n").split(" ")
            if word == "put":
                self.take_put(a, b, c)
            elif word == "gone":
                if self.objects.get(a, ("", c))[1] != c or a not in self.objects:
                    self.wrong.append(f"gone but not known: {line!r}")
                self.objects.pop(a, None)
                self.told += 1
            elif word == "synced":
                self.synced += 1
            else:
                self.counts[a] = self.counts.get(a, 0) + 1

    def take_put(self, key, version, uid):
        old = self.objects.get(key)
        if old and old[0] == version:
            self.wrong.append(f"told twice: {key} {version}")
        if old and old[1] != uid:
            self.wrong.append(f"replaced without gone: {key}")
        self.objects[key] = (version, uid)
        self.told += 1

    def read_log(self):
        for line in self.process.stderr:
            self.words = self.words[-200:] + [line.rstrip()]

    def wait_synced(self, seconds=20):
        wait_until(lambda: self.synced > 0 or self.ended(), seconds, "the mirror to be synced", 0.02)

    def ended(self):
        if self.process.poll() is None:
            return False
        raise RigError(f"the mirror ended with {self.process.returncode}: " + " / ".join(self.words[-8:]))

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        """Ends it in good order; a sanitizer's complaint is a failure."""
        self.process.stdin.close()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RigError("the mirror does not end") from None
        for thread in self.threads:
            thread.join(5)
        if code != 0:
            raise RigError(f"the mirror's exit is {code}: " + "\n".join(self.words[-60:]))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.process.kill()


def run(program, access, verb, path, body):
    """One apply or merge: the line that kube-mirror says."""
    done = subprocess.run([program, access, verb, path], input=json.dumps(body), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RigError(f"kube-mirror {verb}: exit {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout.strip()


class Candidate:
    """One of several that want the lease."""

    def __init__(self, program, access, name, identity):
        self.history, self.leads = [], False
        self.process = subprocess.Popen([program, access, "lease", name, identity], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.leads = line.startswith("leads")
            self.history.append(line.split()[0])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.leads = False

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(20)
        if code != 0:
            raise RigError(f"kube-mirror lease: exit {code}")


class CuttingProxy:
    """Carries bytes to a port and breaks connections off after a number of bytes, while cuts are left."""

    def __init__(self, target, seed=1):
        self.target, self.random = target, random.Random(seed)
        self.cuts, self.done = 0, 0
        self.low, self.high = 2500, 9000
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        pair = (near, far)
        self.open.add(pair)
        threading.Thread(target=self.pump, args=(near, far, pair, False), daemon=True).start()
        self.pump(far, near, pair, True)

    def pump(self, source, sink, pair, counted):
        left = self.random.randint(self.low, self.high)
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if counted and self.cuts > 0:
                    left -= len(data)
                    if left < 0:
                        sink.sendall(data[:left] if len(data) > -left else b"")
                        self.cuts -= 1
                        self.done += 1
                        break
                sink.sendall(data)
        except OSError:
            pass
        self.end(pair)

    def end(self, pair):
        self.open.discard(pair)
        for each in pair:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def cut_all(self):
        for pair in list(self.open):
            self.end(pair)

    def close(self):
        self.listener.close()
        self.cut_all()
