#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small services in Python: upload, session, config. One round of work a second; see common.sh for the phases."""
import hashlib
import http.server
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid

PORT = 8000


def phase():
    with open("/ctl/phase", encoding="ascii") as f:
        return f.read().strip()


class Upload(http.server.BaseHTTPRequestHandler):
    """Stores what is sent under a new name, by way of a temporary file."""

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        folder = os.path.join("/data", str(uuid.uuid4()))
        os.mkdir(folder)
        with tempfile.NamedTemporaryFile(dir="/data/incoming", delete=False) as f:
            f.write(data)
        os.rename(f.name, os.path.join(folder, f"part-{random.randrange(10**6)}.bin"))
        self.send_response(201)
        self.end_headers()

    def log_message(self, *_):
        pass


def upload():
    os.makedirs("/data/incoming", exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Upload)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def work():
        opener.open(urllib.request.Request(f"http://127.0.0.1:{PORT}/", data=os.urandom(500))).read()

    def drift():
        subprocess.run(["/bin/sh", "-c", "id > /data/whoami"], check=False)

    return work, drift


def session():
    os.makedirs("/sessions", exist_ok=True)

    def work():
        for _ in range(4):
            name = hashlib.sha1(os.urandom(8)).hexdigest()[:random.choice((12, 16, 24))]
            path = f"/sessions/sess_{name}"
            with open(path, "w", encoding="ascii") as f:
                f.write(name)
            with open(path, encoding="ascii") as f:
                f.read()
            if random.random() < 0.7:
                os.unlink(path)

    def drift():
        with open("/etc/hostname", encoding="ascii") as f, open("/sessions/loot.txt", "w", encoding="ascii") as out:
            out.write(f.read())

    return work, drift


def config():
    """The way in which a config map is changed: a new folder, and a link that is swapped."""
    os.makedirs("/config", exist_ok=True)
    count = [0]

    def swap():
        stamp = time.strftime("..%Y_%m_%d_%H_%M_%S") + f".{random.randrange(10**9):09d}"
        os.mkdir("/config/" + stamp)
        for name in ("app.yaml", "log.yaml"):
            with open(f"/config/{stamp}/{name}", "w", encoding="ascii") as f:
                f.write("x: 1\n")
        os.symlink(stamp, "/config/..data_tmp")
        os.rename("/config/..data_tmp", "/config/..data")
        for name in ("app.yaml", "log.yaml"):
            if not os.path.lexists("/config/" + name):
                os.symlink("..data/" + name, "/config/" + name)

    def work():
        count[0] += 1
        if count[0] % 5 == 1:
            swap()
        for name in ("app.yaml", "log.yaml"):
            with open("/config/" + name, encoding="ascii") as f:
                f.read()

    def drift():
        with open("/config/..data/extra.yaml", "w", encoding="ascii") as f:
            f.write("y: 2\n")

    return work, drift


def main():
    work, drift = {"upload": upload, "session": session, "config": config}[sys.argv[1]]()
    drifted = False
    while phase() != "stop":
        if phase() == "drift" and not drifted:
            drifted = True
            drift()
        work()
        time.sleep(1)


if __name__ == "__main__":
    main()
