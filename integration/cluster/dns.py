#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names of services for the one-node cluster, because Debian has no CoreDNS: dns.py ADDRESS CERTIFICATES.

Answers A questions about NAME.NAMESPACE.svc.cluster.local and POD.NAME.NAMESPACE.svc.cluster.local from
the API server's Services and Endpoints; everything else does not exist. Nothing is forwarded.
"""
import http.client
import os
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from kube import CertificateFolder, Refused, Requests  # noqa: E402

ZONE = ".svc.cluster.local"
FRESH_S = 0.5
TTL_S = 2
NO_SUCH_NAME = 3


class Names:
    """{name: [addresses]} as the API server knows them now, asked at most twice a second."""

    def __init__(self, requests):
        self.requests, self.known, self.asked = requests, {}, 0.0

    def refresh(self):
        if time.monotonic() - self.asked < FRESH_S:
            return
        self.asked = time.monotonic()
        try:
            services = self.requests.get("/api/v1/services")["items"]
            endpoints = self.requests.get("/api/v1/endpoints")["items"]
        except (OSError, Refused, http.client.HTTPException):
            return  # what was known stays
        known = {}
        for each in services:
            address = each["spec"].get("clusterIP")
            known[self.name_of(each)] = [] if address in (None, "None") else [address]
        for each in endpoints:
            name = self.name_of(each)
            rows = [a for subset in each.get("subsets") or [] for a in subset.get("addresses") or []]
            for row in rows:
                if row.get("hostname"):
                    known[f"{row['hostname']}.{name}"] = [row["ip"]]
            if known.get(name) == []:
                known[name] = [row["ip"] for row in rows]
        self.known = known

    @staticmethod
    def name_of(thing):
        return f"{thing['metadata']['name']}.{thing['metadata']['namespace']}{ZONE}"

    def find(self, name):
        """Addresses, [] for a name without any, None when there is no such name."""
        self.refresh()
        if name in self.known:
            return self.known[name]
        inside = any(known.endswith("." + name) for known in self.known)
        return [] if inside else None


def question_of(data):
    """(name in small letters, type, end of the question)."""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]])
        at += 1 + data[at]
    kind, _ = struct.unpack_from("!HH", data, at + 1)
    return b".".join(labels).decode("ascii").lower(), kind, at + 5


def answer(data, names):
    name, kind, end = question_of(data)
    addresses = names.find(name)
    code = NO_SUCH_NAME if addresses is None else 0
    rows = (addresses or []) if kind == 1 else []
    flags = 0x8580 | code  # answer, authoritative, recursion asked for and "available"
    packet = struct.pack("!HHHHHH", struct.unpack_from("!H", data)[0], flags, 1, len(rows), 0, 0) + data[12:end]
    for address in rows:
        packet += struct.pack("!HHHIH", 0xC00C, 1, 1, TTL_S, 4) + socket.inet_aton(address)
    return packet


def main():
    address, folder = sys.argv[1:3]
    names = Names(Requests(6443, CertificateFolder(folder)))
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        data, peer = server.recvfrom(4096)
        try:
            server.sendto(answer(data, names), peer)
        except (IndexError, struct.error, UnicodeDecodeError, OSError) as error:
            print(f"question from {peer[0]}: {error}", flush=True)


if __name__ == "__main__":
    main()
