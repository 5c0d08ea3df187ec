# SPDX-License-Identifier: Apache-2.0
"""An API server that fails on demand. It exists for faults only: everything else is tested on a real one.

Objects live in memory under a path such as /apis/podward.dev/v1alpha1/namespaces/n/runtimepolicies. Faults
are lists that a test fills; each request or connection takes the first that fits.
"""
import http.server
import json
import os
import re
import shutil
import ssl
import tempfile
import threading
import time
import urllib.parse
import uuid

from kube import Certificates, write_kubeconfig
from rig import free_port

COLLECTION = re.compile(r"^(/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+)(/status)?)?$")


def merge(old, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    out = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


class Store:
    """Objects and what happened to them. One lock; watchers wait on it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.version = 100
        self.oldest = 100
        self.objects = {}  # (prefix, plural, namespace, name) -> object
        self.log = []      # (version, prefix, plural, type, object)
        self.continues = {}

    def put(self, key, body, kind="MODIFIED"):
        with self.changed:
            old = self.objects.get(key)
            self.version += 1
            meta = {**body.get("metadata", {}), "name": key[3], "resourceVersion": str(self.version)}
            meta["uid"] = old["metadata"]["uid"] if old else str(uuid.uuid4())
            if key[2]:
                meta["namespace"] = key[2]
            self.objects[key] = {**body, "metadata": meta}
            self.log.append((self.version, key[0], key[1], kind if old else "ADDED", self.objects[key]))
            self.changed.notify_all()
            return self.objects[key]

    def remove(self, key):
        with self.changed:
            old = self.objects.pop(key)
            self.version += 1
            gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
            self.log.append((self.version, key[0], key[1], "DELETED", gone))
            self.changed.notify_all()
            return gone

    def compact(self):
        with self.changed:
            self.oldest = self.version
            self.log = []
            self.continues = {}
            self.changed.notify_all()

    def all_of(self, prefix, plural, namespace):
        with self.changed:
            return self.version, [o for k, o in sorted(self.objects.items())
                                  if k[:2] == (prefix, plural) and namespace in (None, k[2])]


class Faults:
    """What goes wrong next."""

    def __init__(self):
        self.statuses = []       # (part of the path, status, headers): answered once each
        self.cuts = 0            # so many watches break off in the middle of an object
        self.cut_after = 1       # events
        self.stall = 0.0         # seconds of silence in the middle of the next watch event
        self.errors = []         # Status objects sent in the stream of the next watches
        self.initial = "no"      # lists in form of a watch: no (422), yes, silent (never ended)
        self.short = 0           # so many watches end at once without an event
        self.piece = 0           # bytes of one write; 0 = whole
        self.tokens = None       # accepted tokens; None = any client
        self.slow_tls = 0.0      # seconds before the handshake
        self.expire_continue = 0 # so many continue tokens are too old


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "fake"

    def log_message(self, *_):
        pass

    @property
    def owner(self):
        return self.server.owner

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode() if not isinstance(body, str) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.write(data)

    def refuse(self, status, message, headers=()):
        self.answer(status, {"kind": "Status", "code": status, "message": message}, headers)

    def write(self, data):
        piece = self.owner.faults.piece or len(data) or 1
        for at in range(0, len(data), piece):
            self.wfile.write(data[at:at + piece])
            self.wfile.flush()

    def chunk(self, data):
        self.write(b"%x\r\n" % len(data) + data + b"\r\n")

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        return json.loads(self.rfile.read(length) or b"null")

    def handle_one(self, method):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.body() if method in ("POST", "PUT", "PATCH") else None
        faults = self.owner.faults
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.owner.seen.append((method, self.path))
        for fault in list(faults.statuses):
            if fault[0] in self.path:
                faults.statuses.remove(fault)
                return self.refuse(fault[1], "as asked", fault[2])
        if faults.tokens is not None and token not in faults.tokens:
            return self.refuse(401, "Unauthorized")
        match = COLLECTION.match(url.path)
        if not match:
            return self.refuse(404, "no such page")
        prefix, namespace, plural, name, _status = match.groups()
        key = (prefix, plural, namespace, name)
        if method == "GET" and query.get("watch"):
            return self.watch(key, query)
        if method == "GET" and not name:
            return self.list(key, query)
        return self.one(method, key, body)

    def one(self, method, key, body):
        store = self.owner.store
        if method == "POST":
            key = key[:3] + (body["metadata"]["name"],)
            if key in store.objects:
                return self.refuse(409, "already exists")
            return self.answer(201, store.put(key, body))
        old = store.objects.get(key)
        if not old and method != "PATCH":
            return self.refuse(404, f"{key[3]} not found")
        if method == "GET":
            return self.answer(200, old)
        if method == "DELETE":
            return self.answer(200, store.remove(key))
        version = (body.get("metadata") or {}).get("resourceVersion")
        if version and (not old or version != old["metadata"]["resourceVersion"]):
            return self.refuse(409, "the object has been modified")
        if len(json.dumps(body)) > 1500000:
            return self.refuse(500, "etcdserver: request is too large")
        if method == "PATCH":
            body = merge(old or {}, body)
        return self.answer(200, store.put(key, body))

    def list(self, key, query):
        store, faults = self.owner.store, self.owner.faults
        wanted = query.get("resourceVersion", "")
        if query.get("continue"):
            if faults.expire_continue > 0 or query["continue"] not in store.continues:
                faults.expire_continue -= 1
                return self.refuse(410, "The provided continue parameter is too old")
            version, items = store.continues.pop(query["continue"])
        else:
            version, items = store.all_of(*key[:3])
            if wanted not in ("", "0") and int(wanted) > version:
                return self.refuse(504, "Timeout: Too large resource version: 1, current: 0")
        meta = {"resourceVersion": str(version)}
        limit = int(query.get("limit") or 0)
        if limit and len(items) > limit and wanted != "0":
            token = f"{uuid.uuid4()}+/="
            store.continues[token] = (version, items[limit:])
            meta["continue"] = token
            items = items[:limit]
        return self.answer(200, {"kind": "List", "apiVersion": "v1", "metadata": meta, "items": items})

    def event(self, kind, obj):
        self.chunk(json.dumps({"type": kind, "object": obj}, ensure_ascii=False).encode() + b"\n")

    def bookmark(self, version, end=False):
        meta = {"resourceVersion": str(version)}
        if end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        self.event("BOOKMARK", {"kind": "X", "metadata": meta})

    def watch(self, key, query):
        store, faults = self.owner.store, self.owner.faults
        initial = query.get("sendInitialEvents") == "true"
        if initial and faults.initial == "no":
            return self.refuse(422, "sendInitialEvents is forbidden")
        at = int(query.get("resourceVersion") or store.version)
        if not initial and at < store.oldest:
            return self.refuse(410, "too old resource version")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if initial:
            at, items = store.all_of(*key[:3])
            for item in items:
                self.event("ADDED", item)
            if faults.initial == "silent":
                return self.chunk(b"")
            self.bookmark(at, True)
        if faults.short > 0:
            faults.short -= 1
            return self.chunk(b"")
        return self.follow(key, at, float(query.get("timeoutSeconds") or 300))

    def follow(self, key, at, seconds):
        store, faults = self.owner.store, self.owner.faults
        deadline, sent = time.monotonic() + seconds, 0
        while time.monotonic() < deadline and not self.owner.closing:
            if faults.errors:
                return self.end_with_error(faults.errors.pop(0))
            with store.changed:
                if at < store.oldest:
                    status = {"kind": "Status", "code": 410, "message": "too old resource version"}
                    news = None
                else:
                    news = [e for e in store.log if e[0] > at and e[1:3] == key[:2]]
                    if not news:
                        at = max(at, store.version)
                        store.changed.wait(0.05)
            if news is None:
                return self.end_with_error(status)
            for version, _, _, kind, obj in news:
                if key[2] in (None, obj["metadata"].get("namespace")):
                    if faults.cuts > 0 and sent >= faults.cut_after - 1:
                        faults.cuts -= 1
                        return self.cut(kind, obj)
                    self.event(kind, obj)
                    sent += 1
                at = version
        return self.chunk(b"")

    def end_with_error(self, status):
        self.event("ERROR", status)
        return self.chunk(b"")

    def cut(self, kind, obj):
        """Half of an event, perhaps half of a character, then nothing."""
        data = json.dumps({"type": kind, "object": obj}, ensure_ascii=False).encode()
        half = data[:max(1, (self.owner.cut_at() % len(data)))]
        self.write(b"%x\r\n" % len(data) + half)
        if self.owner.faults.stall:
            time.sleep(self.owner.faults.stall)
        self.close_connection = True
        self.connection.close()

    def guard(self, method):
        try:
            self.handle_one(method)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError, OSError):
            self.close_connection = True

    def do_GET(self):
        self.guard("GET")

    def do_POST(self):
        self.guard("POST")

    def do_PUT(self):
        self.guard("PUT")

    def do_PATCH(self):
        self.guard("PATCH")

    def do_DELETE(self):
        self.guard("DELETE")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def finish_request(self, request, client_address):
        """The handshake belongs to the connection's thread: a slow one must not hold others."""
        time.sleep(self.owner.faults.slow_tls)
        try:
            secured = self.owner.context.wrap_socket(request, server_side=True)
        except OSError:
            return
        self.RequestHandlerClass(secured, client_address, self)

    def handle_error(self, request, client_address):
        pass


class ApiServer:
    """The same face as kube.ApiServer, as far as the client suite needs it."""

    name = "fake"

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="podward-fake-")
        self.certificates = Certificates(self.folder)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.kubeconfig = write_kubeconfig(os.path.join(self.folder, "kubeconfig"), self.url, self.certificates,
                                           "token: good")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificates.path("server.crt"), self.certificates.path("server.key"))
        self.store, self.faults, self.seen = Store(), Faults(), []
        self.closing, self.server, self.cut_number = False, None, 0

    def cut_at(self):
        """Another place each time, the same ones in each run."""
        self.cut_number += 1
        return self.cut_number * 7919

    def start(self):
        self.closing = False
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.owner = self
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self):
        self.closing = True
        self.server.shutdown()
        self.server.server_close()

    def restart(self):
        self.kill()
        time.sleep(0.2)
        self.start()

    def compact(self):
        self.store.compact()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()
