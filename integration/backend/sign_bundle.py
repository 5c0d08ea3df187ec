#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signs objects as a bundle for the read half of the reference backend: a folder that nginx serves.

sign_bundle.py --key KEY.pem [--key …] --serial N --out FOLDER FILE.yaml…
  -> FOLDER/v1/manifest/CHANNEL, FOLDER/v1/blobs/sha256/HEX
sign_bundle.py --new-key KEY.pem     makes an Ed25519 key and prints the public half

Each FILE holds one object. Keys are Ed25519 in PEM; openssl makes the signatures. The manifest is put
in place last and by rename, so a client never sees it before its blobs.
"""
import argparse
import base64
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

PAYLOAD_TYPE = "application/vnd.podward.manifest+json"


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


def public_of(key):
    return openssl("pkey", "-in", key, "-pubout")


def new_key(path):
    private = openssl("genpkey", "-algorithm", "ED25519")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(private)
    return public_of(path).decode()


def keyid_of(key):
    """SHA-256 of the raw public key: the last 32 bytes of its DER form."""
    der = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    return hashlib.sha256(der[-32:]).hexdigest()


def pae(payload):
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def sign(key, payload):
    with tempfile.NamedTemporaryFile() as f:  # openssl wants a file for one-shot algorithms
        f.write(pae(payload))
        f.flush()
        signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", f.name)
    return {"keyid": keyid_of(key), "sig": base64.b64encode(signature).decode()}


def object_of(path):
    """Kind, name and namespace as the file says in block or flow style; everything else is the client's to check."""
    with open(path, "rb") as f:
        data = f.read()
    text = data.decode("utf-8")
    kind = re.search(r"^kind:\s*([A-Za-z]+)\s*$", text, re.M)
    metadata = re.search(r"^metadata:(.*(?:\n[ \t].*)*)", text, re.M)
    name = metadata and re.search(r"\bname:\s*[\"']?([a-z0-9.-]+)", metadata.group(1))
    namespace = metadata and re.search(r"\bnamespace:\s*[\"']?([a-z0-9-]+)", metadata.group(1))
    if not kind or not name:
        raise SystemExit(f"{path}: no kind or no metadata.name")
    entry = {"kind": kind.group(1), "name": name.group(1), "sha256": hashlib.sha256(data).hexdigest(),
             "size": len(data)}
    if namespace:
        entry["namespace"] = namespace.group(1)
    return entry, data


def write(path, data):
    """By rename, with a time that no version had before: web servers make the ETag from it, in seconds."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "wb") as f:
        f.write(data)
    if os.path.exists(path):
        moment = max(time.time(), os.stat(path).st_mtime + 1)
        os.utime(path + ".part", (moment, moment))
    os.rename(path + ".part", path)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def publish(files, keys, serial, out, channel="stable", days=30.0, next_keys=None, **more):
    """Writes blobs and manifest; returns the payload. more goes into the payload as it is."""
    objects = []
    for path in files:
        entry, data = object_of(path)
        write(os.path.join(out, "v1", "blobs", "sha256", entry["sha256"]), data)
        objects.append(entry)
    now = datetime.datetime.now(datetime.timezone.utc)
    payload = {"schema": 1, "channel": channel, "serial": serial, "revision": f"{serial}", "prune": True,
               "issuedAt": stamp(now), "expiresAt": stamp(now + datetime.timedelta(days=days)), "objects": objects,
               **more}
    if next_keys:
        payload["keys"] = next_keys
    data = json.dumps(payload).encode()
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(data).decode(),
                "signatures": [sign(key, data) for key in keys]}
    write(os.path.join(out, "v1", "manifest", channel), json.dumps(envelope).encode())
    return payload


def rotation(files, threshold=1):
    """What a payload says of the keys that count after it."""
    texts = []
    for path in files:
        with open(path, encoding="ascii") as f:
            texts.append(f.read())
    return {"next": "".join(texts), "threshold": threshold} if texts else None


def main():
    parser = argparse.ArgumentParser(description="sign objects as a bundle")
    parser.add_argument("--new-key", metavar="KEY.pem")
    parser.add_argument("--key", action="append", default=[], metavar="KEY.pem")
    parser.add_argument("--next-key", action="append", default=[], metavar="KEY.pub",
                        help="public key that later bundles must be signed with")
    parser.add_argument("--next-threshold", type=int, default=1, help="how many of those must sign")
    parser.add_argument("--serial", type=int)
    parser.add_argument("--channel", default="stable")
    parser.add_argument("--days", type=float, default=30.0, help="until it expires")
    parser.add_argument("--out", metavar="FOLDER")
    parser.add_argument("files", nargs="*", metavar="FILE.yaml")
    arguments = parser.parse_args()
    if arguments.new_key:
        print(new_key(arguments.new_key), end="")
        return 0
    if not (arguments.key and arguments.serial and arguments.out and arguments.files):
        parser.error("--key, --serial, --out and files are needed")
    payload = publish(arguments.files, arguments.key, arguments.serial, arguments.out, arguments.channel,
                      arguments.days, next_keys=rotation(arguments.next_key, arguments.next_threshold))
    print(f"serial {payload['serial']}, {len(payload['objects'])} objects, until {payload['expiresAt']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
