#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a recording of the noise corpus small enough to keep: thin.py FROM.pwrec TO.pwrec.xz

A process that did nothing in its container that another one had not done there before is left out with all
its records, unless one of its descendants stays; of a process that stays, what it repeats is left out. What is
left are the same behaviours of the same containers at the same times, seen less often.
"""
import lzma
import re
import struct
import sys

HEADER = struct.Struct("<IHHQQQIIIIII")  # struct abi_header
FILE_HEADER, FRAME = 64, 8  # struct pwrec_header, struct pwrec_frame
FORK, EXEC, EXIT = 2, 1, 3
FIRST_CALL, STDIO = 8, 27  # a standard stream that became a pipe or a file is no behaviour
TEXT = re.compile(rb"[\x20-\x7e]{3,}")


def records(data, at):
    while at + FRAME + HEADER.size <= len(data):
        size = struct.unpack_from("<I", data, at)[0]
        if size < HEADER.size:
            raise SystemExit(f"thin: bad record at {at}")
        yield at + FRAME, size
        at += FRAME + size


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    done, parents, where = {}, {}, []
    for at, size in records(data, FILE_HEADER):
        _, kind, _, _, cgroup, born, tgid = HEADER.unpack_from(data, at)[:7]
        if kind == STDIO:
            continue
        who = (tgid, born)
        if kind == FORK:
            parent_born, parent = struct.unpack_from("<QI", data, at + HEADER.size)
            parents[who] = (parent, parent_born)
        rest = data[at + HEADER.size:at + size]
        # struct abi_call: its three numbers, and the number of the system call.
        what = (kind, rest[:24] + rest[48:50] if kind >= FIRST_CALL else b"") + tuple(sorted(set(TEXT.findall(rest))))
        done.setdefault(who, set()).add((cgroup, what if kind not in (FORK, EXIT) else kind))
        where.append((at, size, kind, who, (cgroup, what)))
    known, keep = set(), set()
    for who, deeds in done.items():
        new = deeds - known
        if new or who not in parents:
            known |= new
            while who in done and who not in keep:
                keep.add(who)
                who = parents.get(who)
    out, said = bytearray(data[:FILE_HEADER]), {}
    for at, size, kind, who, what in where:
        if who not in keep:
            continue
        said[who, what] = said.get((who, what), 0) + 1
        if kind in (FORK, EXEC, EXIT) or said[who, what] <= 1:
            out += data[at - FRAME:at + size]
    with lzma.open(sys.argv[2], "wb", preset=6) as f:
        f.write(out)
    print(f"{len(data)} bytes, {len(out)} of them kept")


if __name__ == "__main__":
    main()
