#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed bundles from the reference backend (nginx on a folder) come into force, and a backend that is
wrong, slow, hostile or away changes nothing.

test_bundle.py --bin DIR
"""
import argparse
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "backend")]
import rig  # noqa: E402
import sign_bundle  # noqa: E402
import sink  # noqa: E402

POLICY = """apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimePolicy
metadata:
  name: base
spec:
  mode: {mode}
"""
EXCLUSION = """apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimeExclusion
metadata:
  name: {name}
spec:
  detectors: ["sig/*/x"]
  reason: planned work
"""
MISSING = 77
MEMORY_MAX = 256 << 20  # sanitizers need some; a flood is 10 GiB


class Site:
    """The folder that nginx serves, a key, and objects to sign."""

    def __init__(self, folder, port, sink_port):
        self.folder, self.port = os.path.join(folder, "site"), port
        os.makedirs(self.folder)
        self.key, self.public = os.path.join(folder, "key.pem"), os.path.join(folder, "key.pub")
        with open(self.public, "w", encoding="utf-8") as f:
            f.write(sign_bundle.new_key(self.key))
        self.other = os.path.join(folder, "other.pem")
        sign_bundle.new_key(self.other)
        with open(os.path.join(HERE, "..", "backend", "nginx.conf"), encoding="utf-8") as f:
            text = f.read().replace("127.0.0.1:8481", f"127.0.0.1:{port}").replace("127.0.0.1:8480",
                                                                                  f"127.0.0.1:{sink_port}")
        if os.geteuid() == 0:
            text = "user root;\n" + text
        self.conf = os.path.join(folder, "nginx.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)
        self.process = subprocess.Popen(["nginx", "-c", self.conf, "-p", self.folder + "/"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        rig.wait_until(lambda: rig.fetch(port, "/nothing")[0] == 404, 10, "nginx")

    def object(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def publish(self, serial, files, keys=None, before_manifest=None, **more):
        """To a folder beside it first, so that something can be done between blobs and manifest."""
        staged = os.path.join(self.folder, "staged")
        sign_bundle.publish(files, keys or [self.key], serial, staged, **more)
        for name in os.listdir(os.path.join(staged, "v1", "blobs", "sha256")):
            with open(os.path.join(staged, "v1", "blobs", "sha256", name), "rb") as f:
                sign_bundle.write(os.path.join(self.folder, "v1", "blobs", "sha256", name), f.read())
        if before_manifest:
            before_manifest()
        with open(os.path.join(staged, "v1", "manifest", "stable"), "rb") as f:
            sign_bundle.write(self.manifest(), f.read())
        shutil.rmtree(staged)

    def manifest(self):
        return os.path.join(self.folder, "v1", "manifest", "stable")

    def close(self):
        self.process.terminate()
        self.process.wait(10)


class Bad(http.server.BaseHTTPRequestHandler):
    """A backend that means no good; kind says how."""
    protocol_version = "HTTP/1.1"
    kind, requests, elsewhere = "garbage", 0, 0
    dripped = sent = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        cls = type(self)
        if self.path == "/elsewhere":
            cls.elsewhere += 1
        cls.requests += 1
        self.close_connection = True
        try:
            getattr(self, self.kind)()
        except OSError:
            pass

    def do_POST(self):
        self.close_connection = True
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def garbage(self):
        body = os.urandom(2000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self):
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def drip(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(60):
            self.wfile.write(b"{")
            self.wfile.flush()
            type(self).dripped += 1
            time.sleep(1)

    def flood(self):
        self.send_response(200)
        self.send_header("Content-Length", str(10 << 30))
        self.end_headers()
        chunk = b" " * (1 << 20)
        for _ in range(10 << 10):
            self.wfile.write(chunk)
            type(self).sent += 1


class Run:
    def __init__(self, arguments):
        self.folder = tempfile.mkdtemp(prefix="podward-bundle-")
        self.port = rig.free_port()
        self.sink = sink.serve(0)
        self.site = Site(self.folder, rig.free_port(), self.sink.server_address[1])
        self.policies = os.path.join(self.folder, "policies")
        os.mkdir(self.policies)
        self.program = os.path.join(arguments.bin, "podward-policysync")
        self.service = None
        self.start(f"http://127.0.0.1:{self.site.port}")

    def start(self, url):
        if self.service:
            self.service.end()
        self.service = rig.Service("policysync", [
            self.program, "--insecure", "--listen", f"unix:{self.folder}/s", "--state-dir", self.folder + "/state",
            "--stdout", "off", "--policies", self.policies, "--metrics-listen", f"127.0.0.1:{self.port}",
            "--backend-url", url, "--backend-keys", self.site.public, "--backend-poll", "1s", "--backend-wait", "1s",
            "--backend-timeout", "2s", "--cluster", "test"], self.folder)
        self.service.start()
        rig.wait_until(lambda: self.metrics().get("podward_policysync_bundle_serial") is not None, 20,
                       "policysync: " + self.service.last_words())

    def metrics(self):
        return rig.metrics_of(self.port)

    def serial(self):
        return int(self.metrics().get("podward_policysync_bundle_serial", -1))

    def objects(self):
        return int(self.metrics().get("podward_policysync_policy_objects", -1))

    def results(self, reason):
        return self.metrics().get(f'podward_policysync_bundle_results_total{{result="{reason}"}}', 0)

    def expect_refused(self, reason, what, serial):
        before = self.results(reason)
        what()
        rig.wait_until(lambda: self.results(reason) > before, 20, f"a refusal as {reason}")
        if self.serial() != serial:
            raise rig.RigError(f"{reason}: serial {self.serial()} is in force, not {serial}")

    def close(self):
        if self.service:
            self.service.end()
        self.site.close()
        self.sink.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


def good_bundles(run):
    """Applied, changed, layered over the defaults and below the policy folder; kept by a restart."""
    zero = run.objects()
    site = run.site
    policy = site.object("policy.yaml", POLICY.format(mode="Audit"))
    one = site.object("one.yaml", EXCLUSION.format(name="one"))
    two = site.object("two.yaml", EXCLUSION.format(name="two"))
    site.publish(1, [policy, one])
    rig.wait_until(lambda: run.serial() == 1 and run.objects() == zero + 2, 20, "serial 1 in force")
    site.publish(2, [policy, one, two])
    rig.wait_until(lambda: run.serial() == 2 and run.objects() == zero + 3, 20, "serial 2 in force")
    run.service.kill()
    run.start(f"http://127.0.0.1:{site.port}")
    rig.wait_until(lambda: run.serial() == 2 and run.objects() == zero + 3, 20, "serial 2 after a kill")
    rig.wait_until(lambda: run.sink.ledger.db.execute(
        "SELECT body FROM status WHERE cluster = 'test'").fetchone(), 20, "a status report")
    return policy, one, two


def bad_bundles(run, files):
    policy, one, two = files
    site = run.site
    blob = site.object("blob.yaml", POLICY.format(mode="Enforce"))

    def tamper():
        """Serial 2 as it is there, with one letter of its payload changed."""
        with open(site.manifest(), encoding="utf-8") as f:
            text = f.read()
        payload = re.search(r'"payload": "([^"]*)"', text).group(1)
        changed = payload[:40] + ("A" if payload[40] != "A" else "B") + payload[41:]
        sign_bundle.write(site.manifest(), text.replace(payload, changed).encode())

    def swap():
        """The blob is another one before the manifest that names it is there."""
        entry, data = sign_bundle.object_of(blob)
        path = os.path.join(site.folder, "v1", "blobs", "sha256", entry["sha256"])
        site.publish(3, [blob, one, two], before_manifest=lambda: sign_bundle.write(
            path, data.replace(b"base", b"BASE")))

    nonsense = site.object("nonsense.yaml", POLICY.format(mode="Sideways"))
    run.expect_refused("SignatureInvalid", tamper, 2)
    run.expect_refused("SignatureInvalid", lambda: site.publish(3, files, keys=[site.other]), 2)
    run.expect_refused("RollbackRefused", lambda: site.publish(1, files), 2)
    run.expect_refused("Expired", lambda: site.publish(3, files, days=-1), 2)
    run.expect_refused("AgentTooOld", lambda: site.publish(3, files, minAgent="99.0.0"), 2)
    run.expect_refused("SchemaUnsupported", lambda: site.publish(3, files, schema=2), 2)
    run.expect_refused("PruneRefused", lambda: site.publish(3, [policy]), 2)
    run.expect_refused("InvalidObject", lambda: site.publish(3, [nonsense, one, two]), 2)
    run.expect_refused("HashMismatch", swap, 2)
    site.publish(4, files)
    rig.wait_until(lambda: run.serial() == 4, 20, "the next good bundle")


def bad_backends(run):
    """Each kind for some requests; serial and objects stay, memory too, and it is all counted."""
    before = (run.serial(), run.objects())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bad)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for kind in ("garbage", "redirect", "drip", "flood"):
            Bad.kind, Bad.requests = kind, 0
            run.start(f"http://127.0.0.1:{server.server_address[1]}")  # anew, so that the back-off is short
            rig.wait_until(lambda: Bad.requests >= 2, 40, f"two requests to a backend of {kind}")
            if (run.serial(), run.objects()) != before:
                raise rig.RigError(f"{kind}: {run.serial()}, {run.objects()} instead of {before}")
        rig.wait_until(lambda: run.metrics().get("podward_policysync_backend_up") == 0, 20, "backend_up 0")
        memory = run.metrics()["podward_policysync_process_resident_memory_bytes"]
        if Bad.elsewhere:
            raise rig.RigError("a redirect was followed")
        if Bad.sent > 64:
            raise rig.RigError(f"{Bad.sent} MiB of a flood were taken")
        if memory > MEMORY_MAX:
            raise rig.RigError(f"{memory / (1 << 20):.0f} MiB of memory")
        if Bad.dripped > 12:
            raise rig.RigError(f"{Bad.dripped} bytes of a drip were waited for")
    finally:
        server.shutdown()
    run.start(f"http://127.0.0.1:{run.site.port}")
    rig.wait_until(lambda: run.metrics().get("podward_policysync_backend_up") == 1, 20, "backend_up 1")


def main():
    parser = argparse.ArgumentParser(description="signed bundles from the reference backend")
    parser.add_argument("--bin", required=True)
    arguments = parser.parse_args()
    for tool in ("nginx", "openssl"):
        if not shutil.which(tool):
            print(f"SKIP: {tool} is not installed (tools/install-packages.sh test)")
            return MISSING
    run = Run(arguments)
    try:
        files = good_bundles(run)
        print("good bundles: applied, layered, kept by a kill")
        bad_bundles(run, files)
        print("9 bad bundles: refused, serial 2 stayed, the next good one came in force")
        bad_backends(run)
        print("garbage, redirect, drip, flood: bounded, counted, nothing changed")
    except rig.RigError as error:
        print(f"FAILED: {error}")
        print(run.service.log_text()[-3000:])
        return 1
    finally:
        run.close()
    return 0


sys.exit(main())
