#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/proto-compat.py against planted changes: each row says what must be refused and how."""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools", "proto-compat.py")
BASE = """syntax = "proto3";
package t.v1;
enum Kind { KIND_NONE = 0; KIND_A = 1; KIND_B = -2; }
message Item { uint32 ref = 1; bytes text = 2; repeated fixed32 column = 3; Kind kind = 4; }
message Envelope { reserved 7, 9 to 11; reserved "gone"; oneof body { Item item = 1; bytes raw = 2; }
  message Inner { int64 at = 1; } Inner inner = 3; }
service Talk { rpc Say(Item) returns (stream Envelope); rpc Ask(Item) returns (Item); }
"""
# name, old text, new text, what the tool must say ("" = compatible)
ROWS = [
    ("unchanged", "", "", ""),
    ("field added", "Kind kind = 4;", "Kind kind = 4; bytes more = 5;", ""),
    ("enum value added", "KIND_A = 1;", "KIND_A = 1; KIND_C = 3;", ""),
    ("message and method added", "service Talk {",
     "message More {} service Talk { rpc New(More) returns (More);", ""),
    ("reserved instead of removed", "bytes text = 2;", 'reserved 2; reserved "text";',
     "t.v1.Item.text = 2: removed"),
    ("field removed", "bytes text = 2;", "", "t.v1.Item.text = 2: removed and not reserved"),
    ("field renumbered", "bytes text = 2;", "bytes text = 5;", "t.v1.Item.text = 2: renumbered to 5"),
    ("field retyped", "uint32 ref = 1;", "uint64 ref = 1;", "t.v1.Item.ref = 1: was uint32, is uint64"),
    ("field renamed", "bytes text = 2;", "bytes words = 2;", "the number now belongs to words"),
    ("made repeated", "bytes text = 2;", "repeated bytes text = 2;", "is repeated bytes"),
    ("unpacked", "column = 3;", "column = 3 [packed = false];", "packed=0"),
    ("made optional", "uint32 ref = 1;", "optional uint32 ref = 1;", "is optional uint32"),
    ("out of the oneof", "oneof body { Item item = 1; bytes raw = 2; }",
     "Item item = 1; oneof body { bytes raw = 2; }", "in oneof body, is .t.v1.Item"),
    ("nested field removed", "int64 at = 1;", "", "t.v1.Envelope.Inner.at = 1: removed"),
    ("enum value removed", "KIND_A = 1;", "", "value KIND_A = 1 removed"),
    ("enum value renumbered", "KIND_B = -2;", "KIND_B = -3;", "KIND_B = -2 renumbered to -3"),
    ("method removed", "rpc Ask(Item) returns (Item);", "", "method t.v1.Talk/Ask: removed"),
    ("method's stream dropped", "(stream Envelope)", "(Envelope)", "method t.v1.Talk/Say: was"),
    ("method's input changed", "rpc Ask(Item)", "rpc Ask(Envelope)", "method t.v1.Talk/Ask: was"),
    ("reservation lifted", "reserved 7, 9 to 11;", "reserved 7, 9 to 10;",
     "number 11 is no longer reserved"),
    ("reserved name lifted", ' reserved "gone";', "", "name gone is no longer reserved"),
    ("package renamed", "package t.v1;", "package t.v2;", "message t.v1.Item: removed"),
]


def run(*args):
    done = subprocess.run([sys.executable, TOOL, *args], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def write(directory, content):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "t.proto"), "w") as f:
        f.write(content)


def check_row(name, old, new, says):
    assert old in BASE, name
    with tempfile.TemporaryDirectory() as d:
        a, b = os.path.join(d, "a"), os.path.join(d, "b")
        write(a, BASE)
        write(b, BASE.replace(old, new) if old else BASE)
        code, output = run("--dirs", a, b)
    if code != (1 if says else 0) or says not in output:
        return "%s: exit %d, said: %s" % (name, code, output.strip())
    return ""


def git(repo, *args):
    subprocess.run(["git", "-C", repo, "-c", "user.name=t", "-c", "user.email=t@example.org",
                    "-c", "commit.gpgsign=false", *args], check=True, capture_output=True)


def check_git():
    """Against a revision: no parent, protos absent in it, a fault in the working tree."""
    with tempfile.TemporaryDirectory() as repo:
        git(repo, "init", "-q")
        git(repo, "commit", "-q", "--allow-empty", "-m", "one")
        write(os.path.join(repo, "protos", "t"), BASE)
        seen = [run("--repo", repo)]
        git(repo, "add", "protos")
        git(repo, "commit", "-q", "-m", "two")
        seen.append(run("--repo", repo))
        git(repo, "commit", "-q", "--allow-empty", "-m", "three")
        seen.append(run("--repo", repo))
        write(os.path.join(repo, "protos", "t"), BASE.replace("KIND_A = 1;", ""))
        seen.append(run("--repo", repo))
        seen.append(run("--repo", repo, "nosuch"))
        write(os.path.join(repo, "protos", "t"), "no proto")
        seen.append(run("--repo", repo))
    wanted = [(0, "there is no HEAD~1"), (0, "HEAD~1 has no protos/"), (0, "compatible with HEAD~1"),
              (1, "KIND_A"), (2, "nosuch"), (2, "protoc:")]
    return ["git: wanted %s, got %s" % (w, s) for w, s in zip(wanted, seen)
            if w[0] != s[0] or w[1] not in s[1]]


def main():
    try:
        subprocess.run(["protoc", "--version"], check=True, capture_output=True)
    except FileNotFoundError:
        print("SKIP: protoc is not installed")
        return 77
    failures = [f for f in (check_row(*row) for row in ROWS) if f] + check_git()
    for failure in failures:
        print(failure)
    print("%d rows, %d failures" % (len(ROWS) + 6, len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
