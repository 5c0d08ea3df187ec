# SPDX-License-Identifier: Apache-2.0
"""Reads alerts out of policysync's spool: rows of SQLite, bodies in the protobuf wire form."""
import os
import sqlite3
import urllib.parse

# field numbers of protos/podward/v1/alert.proto
TEXT_FIELDS = {6: "detector", 7: "title", 8: "reason", 9: "pod_group", 10: "node", 11: "container_id",
               12: "container_name", 15: "image", 19: "object", 26: "mode"}
NUMBER_FIELDS = {2: "first_wall_ns", 3: "window_wall_ns", 4: "severity", 5: "engine", 18: "event_kind", 20: "aux"}
LINEAGE, EXE = 17, 2
CONNECT = 3  # EVENT_KIND_CONNECT


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """(number, value) of each field of a message; value is an int or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = varint(data, at)
        elif wire_type == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        else:
            size = {1: 8, 5: 4}[wire_type]
            value, at = data[at:at + size], at + size
        yield number, value


def alert_of(body):
    alert = {"lineage": []}
    for number, value in fields(body):
        if number in TEXT_FIELDS:
            alert[TEXT_FIELDS[number]] = value.decode("utf-8", "replace")
        elif number in NUMBER_FIELDS:
            alert[NUMBER_FIELDS[number]] = value
        elif number == LINEAGE:
            exe = dict(fields(value)).get(EXE, b"")
            alert["lineage"].append(exe.decode("utf-8", "replace"))
    alert["target"] = target_of(alert)
    return alert


def target_of(alert):
    """The object; for connections as protocol/address/port."""
    target, aux = alert.get("object", ""), alert.get("aux", 0)
    if alert.get("event_kind") != CONNECT or not aux & 0xffff:
        return target
    protocol = {6: "tcp", 17: "udp"}.get(aux >> 16 & 0xff, "?")
    return f"{protocol}/{target}/{aux & 0xffff}"


def read(state_dir):
    """Every alert row: dicts with id (hex), count, and the fields above. Opened read-only."""
    path = os.path.join(state_dir, "podward.db")
    if not os.path.exists(path):
        return []
    uri = "file:" + urllib.parse.quote(path) + "?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=10)
    try:
        rows = db.execute("SELECT id, body, count FROM alerts ORDER BY n").fetchall()
    finally:
        db.close()
    return [{"id": bytes(i).hex(), "count": c, **alert_of(bytes(b))} for i, b, c in rows]
