#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The write half of the reference backend: takes alerts and status reports over HTTP, keeps each once.
With --site it is the read half too, and holds the answer for a manifest back until there is a newer one.

POST /v1/alerts   OCSF findings, one per line, gzip or plain -> {"accepted": n, "rejected": [...]}
POST /v1/status   JSON, the newest is kept for each cluster
GET  /v1/figures  what was taken, for tests
GET  /v1/manifest/CHANNEL, /v1/blobs/sha256/HEX   files of the site; If-None-Match with Prefer: wait=N
                  is answered when the manifest changes, or with 304 after N seconds

An Idempotency-Key that was answered with 2xx before is answered again without looking at the body; an
alert whose finding_info.uid is known is accepted and not kept again. With --faults a share of requests
fails as real backends do: 500, 429, an answer that never comes, or one that comes after the alerts
were kept.
"""
import argparse
import hashlib
import http.server
import json
import os
import random
import re
import sqlite3
import sys
import threading
import time
import zlib

BODY_BYTES = 8 << 20
WAIT_MAX_S = 300
SITE_PATHS = re.compile(r"/v1/(manifest/[a-z0-9-]{1,63}|blobs/sha256/[0-9a-f]{64})")
FAULTS = ("500", "429", "silent", "late")


class Refused(Exception):
    """(status, message)"""


class Ledger:
    """Alerts by id and keys that were answered, in one SQLite file or in memory."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self.db.executescript("""
            PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
            CREATE TABLE IF NOT EXISTS alerts(id TEXT PRIMARY KEY, finding TEXT NOT NULL, times INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS keys(key TEXT PRIMARY KEY, answer TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS status(cluster TEXT PRIMARY KEY, body TEXT NOT NULL);""")
        self.figures = {"requests": 0, "served": 0, "unchanged": 0, "repeated_keys": 0, "repeated_alerts": 0, "rejected": 0,
                        **{"fault_" + f: 0 for f in FAULTS}}

    def answered(self, key):
        row = self.db.execute("SELECT answer FROM keys WHERE key = ?", (key,)).fetchone() if key else None
        return row[0] if row else None

    def take(self, key, lines):
        """One transaction: the alerts and the answer to their key."""
        with self.lock:
            before = self.answered(key)
            if before:
                self.figures["repeated_keys"] += 1
                return before
            rejected, accepted = [], 0
            self.db.execute("BEGIN")
            for line in lines:
                problem = self.add(line)
                accepted += problem is None
                rejected += [problem] if problem else []
            answer = json.dumps({"accepted": accepted, "rejected": rejected})
            if key and not rejected:
                self.db.execute("INSERT INTO keys VALUES(?, ?)", (key, answer))
            self.db.execute("COMMIT")
            self.figures["rejected"] += len(rejected)
            return answer

    def add(self, line):
        try:
            finding = json.loads(line)
            uid = finding["finding_info"]["uid"]
            if finding["class_uid"] != 2004 or not isinstance(uid, str):
                raise ValueError("not a Detection Finding")
        except (ValueError, KeyError, TypeError) as error:
            return {"id": "", "code": "schema", "message": str(error)[:200]}
        change = self.db.execute("UPDATE alerts SET times = times + 1 WHERE id = ?", (uid,))
        if change.rowcount:
            self.figures["repeated_alerts"] += 1
        else:
            self.db.execute("INSERT INTO alerts VALUES(?, ?, 1)", (uid, line.decode("utf-8")))
        return None

    def summary(self):
        with self.lock:
            alerts = self.db.execute("SELECT count(*) FROM alerts").fetchone()[0]
            return {**self.figures, "alerts": alerts}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "podward-reference-backend"
    ledger, faults, token, silence, site = None, 0.0, None, 5.0, None

    def log_message(self, *_):
        pass

    def answer(self, status, text, **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        length = int(self.headers.get("Content-Length", "-1"))
        if not 0 <= length <= BODY_BYTES:
            raise Refused(413, "body too large or without a length")
        data = self.rfile.read(length)
        if self.headers.get("Content-Encoding") != "gzip":
            return data
        unpack = zlib.decompressobj(31)
        try:
            data = unpack.decompress(data, BODY_BYTES)
        except zlib.error as error:
            raise Refused(400, f"gzip: {error}") from None
        if unpack.unconsumed_tail:
            raise Refused(413, "unpacked body too large")
        return data

    def fault(self):
        """The kind of failure for this request, or None."""
        if self.path != "/v1/alerts" or random.random() >= self.faults:
            return None
        kind = random.choice(FAULTS)
        self.ledger.figures["fault_" + kind] += 1
        return kind

    def take_alerts(self, data, fault):
        if fault == "500":
            return self.answer(500, '{"message": "planted"}')
        if fault == "429":
            return self.answer(429, '{"message": "planted"}', Retry_After="1")
        if fault == "silent":
            time.sleep(self.silence)
            self.close_connection = True
            return None
        answer = self.ledger.take(self.headers.get("Idempotency-Key"), data.splitlines())
        if fault == "late":
            time.sleep(self.silence)
            self.close_connection = True
            return None
        return self.answer(200, answer)

    def do_POST(self):
        self.ledger.figures["requests"] += 1
        try:
            data = self.body()
            if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
                raise Refused(401, "wrong token")
            if self.path == "/v1/alerts":
                self.take_alerts(data, self.fault())
            elif self.path == "/v1/status":
                cluster = self.headers.get("X-Cluster-Id", "")[:200]
                self.ledger.db.execute("INSERT OR REPLACE INTO status VALUES(?, ?)",
                                       (cluster, data.decode("utf-8", "replace")))
                self.answer(200, "{}")
            else:
                raise Refused(404, "no such endpoint")
        except Refused as refused:
            self.close_connection = True
            self.answer(refused.args[0], json.dumps({"message": refused.args[1]}))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def site_file(self):
        """(ETag, bytes) of the file that the path names, or None."""
        try:
            with open(os.path.join(self.site, self.path.lstrip("/")), "rb") as f:
                data = f.read()
        except OSError:
            return None
        return f'"{hashlib.sha256(data).hexdigest()[:32]}"', data

    def wait_s(self):
        wish = re.search(r"\bwait=(\d{1,6})", self.headers.get("Prefer", ""))
        return min(int(wish.group(1)), WAIT_MAX_S) if wish and self.path.startswith("/v1/manifest/") else 0

    def serve_site(self):
        known = self.headers.get("If-None-Match")
        end = time.monotonic() + self.wait_s()
        found = self.site_file()
        while (found is None or found[0] == known) and time.monotonic() < end:
            time.sleep(0.05)
            found = self.site_file()
        if found is None:
            return self.answer(404, '{"message": "no such file"}')
        self.ledger.figures["unchanged" if found[0] == known else "served"] += 1
        self.send_response(304 if found[0] == known else 200)
        self.send_header("ETag", found[0])
        if found[0] != known:
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(found[1])))
        self.end_headers()
        if found[0] != known:
            self.wfile.write(found[1])
        return None

    def do_GET(self):
        if self.site and SITE_PATHS.fullmatch(self.path):
            self.serve_site()
            return
        if self.path == "/v1/figures":
            self.answer(200, json.dumps(self.ledger.summary()))
        else:
            self.answer(404, '{"message": "no such endpoint"}')


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that goes away is no news; everything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(port, ledger_path=None, faults=0.0, silence=5.0, token=None, site=None):
    """A running server; .ledger has what was taken. End it with shutdown()."""
    handler = type("Handler", (Handler,), {"ledger": Ledger(ledger_path), "faults": faults, "silence": silence,
                                           "token": token, "site": site})
    server = Server(("127.0.0.1", port), handler)
    server.daemon_threads = True
    server.ledger = handler.ledger
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--ledger", help="SQLite file; in memory without it")
    parser.add_argument("--token-file", help="file with the bearer token that clients must send")
    parser.add_argument("--site", help="folder made by sign_bundle.py, served too")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that fail, 0 to 1")
    arguments = parser.parse_args()
    token = None
    if arguments.token_file:
        with open(arguments.token_file, encoding="utf-8") as f:
            token = f.read().strip()
    server = serve(arguments.port, arguments.ledger, arguments.faults, token=token, site=arguments.site)
    print(f"sink on http://127.0.0.1:{server.server_address[1]} (pid {os.getpid()})", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
