# SPDX-License-Identifier: Apache-2.0
"""Plays a recording of the noise corpus through the three services: no containers, no root, the same judgement.

A recording is NAME.pwrec (what the kernel programs sent) and NAME.json beside it (what the container runtime said
of the containers, and when the phases began). policysync asks a stand-in for the runtime that answers from the file.
"""
import http.server
import json
import os
import socketserver
import threading

from rig import Rig, wait_until


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A service that stopped waiting for its answer is no error."""


class Runtime:
    """The three questions that policysync asks a container runtime, answered from a listing."""

    def __init__(self, path, containers):
        answers = {"version": {"Platform": {"Name": ""}, "Components": [{"Name": "Podman Engine"}]},
                   "json": containers, "events": None}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = answers.get(self.path.split("?")[0].rsplit("/", 1)[-1])
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

            def address_string(self):
                return "local"

        self.server = Server(path, Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


def play(bin_dir, path, told_path, seconds=120):
    """(alerts of the spool, pages of the groups, what the file says beside the records)"""
    with open(told_path, encoding="utf-8") as f:
        told = json.load(f)
    with Rig(bin_dir, node="noise") as rig:
        socket = os.path.join(rig.folder, "runtime.sock")
        runtime = Runtime(socket, told["containers"])
        try:
            rig.services["policysync"].argv += ["--runtime-socket", socket]
            rig.write_policy("policy.yaml", told["policy"])
            collector = rig.services["collector"]
            collector.argv += ["--replay", path]
            rig.start("policysync", "analyzer")
            collector.start()
            wait_until(lambda: finished(rig, collector), seconds, "the end of the replay", pause=0.5)
            groups = (rig.page("analyzer", "/v1/groups") or {"groups": []})["groups"]
            return rig.spooled(), groups, told
        finally:
            runtime.close()


def finished(rig, collector, seen={}):
    """Nothing new was judged for three seconds."""
    now = rig.metric_sum("analyzer", "podward_analyzer_events_total")
    old, times = seen.get(id(rig), (-1, 0))
    times = times + 1 if now == old and now > 0 else 0
    seen[id(rig)] = (now, times)
    return times >= 6 or (not collector.is_running() and times >= 2)
