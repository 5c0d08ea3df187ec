#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses changes of protos/ that old peers would misread (rules: protos/README.md).

usage: tools/proto-compat.py [--repo DIR] [REVISION]      default revision: HEAD~1
       tools/proto-compat.py --dirs OLD NEW               compares two directories of .proto files
exit:  0 compatible (or nothing to compare with, which is said), 1 incompatible, 2 cannot tell
"""
import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile

# Numbers of google/protobuf/descriptor.proto (stable since 2008): message -> field number -> name.
SET_FILE = 1
FILE = {1: "name", 2: "package", 4: "message", 5: "enum", 6: "service", 12: "syntax"}
MESSAGE = {1: "name", 2: "field", 3: "nested", 4: "enum", 8: "oneof", 9: "reserved_range",
           10: "reserved_name"}
FIELD = {1: "name", 3: "number", 4: "label", 5: "type", 6: "type_name", 8: "options", 9: "oneof",
         17: "proto3_optional"}
ENUM = {1: "name", 2: "value", 4: "reserved_range", 5: "reserved_name"}
VALUE = {1: "name", 2: "number"}
RANGE = {1: "start", 2: "end"}
SERVICE = {1: "name", 2: "method"}
METHOD = {1: "name", 2: "input", 3: "output", 5: "client_streaming", 6: "server_streaming"}
FIELD_OPTIONS = {2: "packed"}
TYPES = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32",
         8: "bool", 9: "string", 11: "message", 12: "bytes", 13: "uint32", 14: "enum",
         15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64"}


class Bad(Exception):
    pass


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Bad("descriptor set is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def entries(data):
    """The fields of one message on the wire: (number, int or bytes)."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = data[at:at + size], at + size
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            if len(value) != size:
                raise Bad("descriptor set is cut off")
        else:
            raise Bad("unknown wire type %d in the descriptor set" % kind)
        yield number, value


def read(data, names):
    """name -> list of raw values."""
    found = {name: [] for name in names.values()}
    for number, value in entries(data):
        if number in names:
            found[names[number]].append(value)
    return found


def text(message, name):
    return message[name][0].decode() if message[name] else ""


def number(message, name, default=0):
    return message[name][0] if message[name] else default


def signed(value):
    """Enum numbers are int32, written as 64-bit two's complement when negative."""
    return value - (1 << 64) if value >> 63 else value


def read_ranges(message, inclusive):
    ranges = []
    for raw in message["reserved_range"]:
        r = read(raw, RANGE)
        start, end = signed(number(r, "start")), signed(number(r, "end"))
        ranges.append((start, end if inclusive else end - 1))
    return ranges


class Schema:
    """Everything a peer depends on, by full name."""

    def __init__(self, descriptor_set):
        self.messages, self.enums, self.methods = {}, {}, {}
        for n, raw in entries(descriptor_set):
            if n == SET_FILE:
                self.add_file(read(raw, FILE))

    def add_file(self, f):
        package = text(f, "package")
        scope = "." + package if package else ""
        for raw in f["message"]:
            self.add_message(scope, raw)
        for raw in f["enum"]:
            self.add_enum(scope, raw)
        for raw in f["service"]:
            s = read(raw, SERVICE)
            for method in s["method"]:
                m = read(method, METHOD)
                name = "%s.%s/%s" % (scope, text(s, "name"), text(m, "name"))
                self.methods[name] = "%s%s -> %s%s" % (
                    "stream " if number(m, "client_streaming") else "", text(m, "input"),
                    "stream " if number(m, "server_streaming") else "", text(m, "output"))

    def add_message(self, scope, raw):
        m = read(raw, MESSAGE)
        name = "%s.%s" % (scope, text(m, "name"))
        oneofs = [text(read(o, {1: "name"}), "name") for o in m["oneof"]]
        fields = {}
        for raw_field in m["field"]:
            f = read(raw_field, FIELD)
            fields[number(f, "number")] = (text(f, "name"), self.shape(f, oneofs))
        self.messages[name] = (fields, read_ranges(m, inclusive=False),
                               {n.decode() for n in m["reserved_name"]})
        for nested in m["nested"]:
            self.add_message(name, nested)
        for enum in m["enum"]:
            self.add_enum(name, enum)

    @staticmethod
    def shape(f, oneofs):
        """What decides how bytes are read: type, repeated, packed, oneof."""
        kind = number(f, "type")
        shape = text(f, "type_name") or TYPES.get(kind, "type %d" % kind)
        if number(f, "label") == 3:
            shape = "repeated " + shape
        options = read(f["options"][0], FIELD_OPTIONS) if f["options"] else {"packed": []}
        if options["packed"]:
            shape += " packed=%d" % options["packed"][0]
        if f["oneof"] and not number(f, "proto3_optional"):
            shape += " in oneof " + oneofs[f["oneof"][0]]
        if number(f, "proto3_optional"):
            shape = "optional " + shape
        return shape

    def add_enum(self, scope, raw):
        e = read(raw, ENUM)
        values = {}
        for raw_value in e["value"]:
            v = read(raw_value, VALUE)
            values[text(v, "name")] = signed(number(v, "number"))
        self.enums["%s.%s" % (scope, text(e, "name"))] = (
            values, read_ranges(e, inclusive=True), {n.decode() for n in e["reserved_name"]})


def is_reserved(ranges, n):
    return any(start <= n <= end for start, end in ranges)


def compare_message(name, old, new):
    fields, _, _ = old
    new_fields, ranges, names = new
    numbers = {field: n for n, (field, _) in new_fields.items()}
    for n, (field, shape) in sorted(fields.items()):
        where = "%s.%s = %d" % (name, field, n)
        if field in numbers and numbers[field] != n:
            yield "%s: renumbered to %d" % (where, numbers[field])
        elif n not in new_fields:
            hint = "" if is_reserved(ranges, n) and field in names else " and not reserved"
            yield "%s: removed%s" % (where, hint)
        elif new_fields[n][0] != field:
            yield "%s: the number now belongs to %s" % (where, new_fields[n][0])
        elif new_fields[n][1] != shape:
            yield "%s: was %s, is %s" % (where, shape, new_fields[n][1])


def compare_enum(name, old, new):
    for value, n in sorted(old[0].items(), key=lambda v: v[1]):
        if value not in new[0]:
            yield "%s: value %s = %d removed" % (name, value, n)
        elif new[0][value] != n:
            yield "%s: value %s = %d renumbered to %d" % (name, value, n, new[0][value])


def compare_reserved(name, old, new):
    for start, end in old[1]:
        for n in range(start, min(end, start + 1000) + 1):
            if not is_reserved(new[1], n):
                yield "%s: number %d is no longer reserved" % (name, n)
                break
    for reserved in sorted(old[2] - new[2]):
        yield "%s: name %s is no longer reserved" % (name, reserved)


def compare(old, new):
    for kind, a, b, parts in (("message", old.messages, new.messages, compare_message),
                              ("enum", old.enums, new.enums, compare_enum)):
        for name in sorted(a):
            if name not in b:
                yield "%s %s: removed" % (kind, name[1:])
                continue
            yield from parts(name[1:], a[name], b[name])
            yield from compare_reserved(name[1:], a[name], b[name])
    for name in sorted(old.methods):
        if name not in new.methods:
            yield "method %s: removed" % name[1:]
        elif new.methods[name] != old.methods[name]:
            yield "method %s: was (%s), is (%s)" % (name[1:], old.methods[name], new.methods[name])


def schema_of(directory):
    files = []
    for base, _, names in os.walk(directory):
        files += [os.path.relpath(os.path.join(base, n), directory) for n in names
                  if n.endswith(".proto")]
    if not files:
        raise Bad("%s: no .proto file" % directory)
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(["protoc", "--descriptor_set_out=" + out.name, "-I", directory]
                              + sorted(files), capture_output=True, text=True)
        if done.returncode != 0:
            raise Bad("protoc: " + done.stderr.strip())
        return Schema(out.read())


def git(repo, *args):
    return subprocess.run(["git", "-C", repo, *args], capture_output=True)


def schema_at(repo, revision):
    """None when the revision has no protos/."""
    archive = git(repo, "archive", "--format=tar", revision, "protos")
    if archive.returncode != 0:
        return None
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            for member in tar:
                if not member.isfile() or not member.name.endswith(".proto"):
                    continue
                path = os.path.join(directory, member.name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as f:
                    f.write(tar.extractfile(member).read())
        return schema_of(os.path.join(directory, "protos"))


def both(args):
    if args.dirs:
        return schema_of(args.dirs[0]), schema_of(args.dirs[1]), args.dirs[0]
    revision = args.revision or "HEAD~1"
    known = git(args.repo, "rev-parse", "--verify", "--quiet", revision + "^{commit}")
    if known.returncode != 0:
        if args.revision:
            raise Bad("revision %s: not in this repository" % revision)
        return None, None, "there is no " + revision
    old = schema_at(args.repo, revision)
    if old is None:
        return None, None, "%s has no protos/" % revision
    return old, schema_of(os.path.join(args.repo, "protos")), revision


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repo", default=here)
    parser.add_argument("--dirs", nargs=2, metavar=("OLD", "NEW"))
    parser.add_argument("revision", nargs="?")
    try:
        old, new, base = both(parser.parse_args())
    except FileNotFoundError as e:
        print("proto-compat: %s is not installed" % e.filename, file=sys.stderr)
        return 2
    except Bad as e:
        print("proto-compat: %s" % e, file=sys.stderr)
        return 2
    if old is None:
        print("proto-compat: nothing to compare with: %s" % base)
        return 0
    problems = list(compare(old, new))
    for problem in problems:
        print("proto-compat: " + problem)
    if not problems:
        print("proto-compat: %d messages, %d enums, %d methods: compatible with %s"
              % (len(new.messages), len(new.enums), len(new.methods), base))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
