#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A receiver of alerts inside the cluster's network: sink.py ADDRESS PORT FILE. One line of JSON per alert,
{"arrived": seconds, "alert": …}; alerts come as an array in our own form (docs/outputs.md)."""
import http.server
import json
import sys
import time

LIMIT = 16 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file = None

    def log_message(self, *_):
        pass

    def do_POST(self):
        arrived = time.time()
        length = int(self.headers.get("Content-Length", "0"))
        alerts = json.loads(self.rfile.read(min(length, LIMIT)))
        self.file.write("".join(json.dumps({"arrived": arrived, "alert": a}) + "\n" for a in alerts))
        self.file.flush()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main():
    address, port, path = sys.argv[1:4]
    with open(path, "a", encoding="utf-8") as Handler.file:
        http.server.HTTPServer((address, int(port)), Handler).serve_forever()


main()
