#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Functions and forms that we do not use, each with what to use instead."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checklib  # noqa: E402

# function -> what to use
BANNED = {
    "strcpy": "pw_buf or snprintf", "strcat": "pw_buf", "strncpy": "pw_slice", "strncat": "pw_buf",
    "stpcpy": "pw_buf", "sprintf": "snprintf", "vsprintf": "vsnprintf", "strtok": "pw_slice",
    "strtok_r": "pw_slice", "gets": "getline", "atoi": "common/base/num.h",
    "atol": "common/base/num.h", "atoll": "common/base/num.h", "atof": "common/base/num.h",
    "gmtime": "gmtime_r in common/base/clock.c", "localtime": "common/base/clock.h",
    "ctime": "common/base/clock.h", "asctime": "common/base/clock.h", "rand": "common/base/random.h",
    "srand": "common/base/random.h", "random": "common/base/random.h", "alloca": "the heap or an arena",
    "system": "posix_spawn", "popen": "posix_spawn", "fork": "posix_spawn", "vfork": "posix_spawn",
    "signal": "pw_loop_on_signal or sigaction", "assert": "pw_assert", "tmpnam": "mkstemp",
    "mktemp": "mkstemp", "usleep": "a timer or the fake clock",
}
# (function, file glob prefix): here it is allowed, and why
EXCEPTIONS = {
    ("fork", "tests"): "a test starts processes to watch them",
    ("vfork", "tests"): "a test starts processes to watch them",
    ("usleep", "tests"): "waits for a kernel event with a deadline",
    ("popen", "tests"): "asks a second implementation, such as protoc",
    ("system", "tests"): "asks a second implementation, such as protoc",
    ("fork", "bench"): "a benchmark is the workload",
    ("vfork", "bench"): "a benchmark is the workload",
    ("fork", "detections"): "a step of an attack is a process of its own",
}
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(sorted(BANNED)))
TYPEDEF = re.compile(r"\btypedef\s+(?:struct|union)\b")
SPDX = "SPDX-License-Identifier:"


def is_excepted(function, name):
    return any((function, part) in EXCEPTIONS for part in name.split("/")[:-1])


def check_file(report, root, name):
    text = checklib.read(root, name)
    if checklib.is_generated(text) or os.path.basename(name).startswith("vmlinux"):
        return
    if SPDX not in text[:200]:
        report.add(f"{name}:1", "no SPDX line at the top")
    if name.endswith(".h") and "#pragma once" not in text:
        report.add(f"{name}:1", "no #pragma once")
    code = checklib.without_comments_and_strings(text)
    for match in CALL.finditer(code):
        function = match.group(1)
        if not is_excepted(function, name):
            line = code.count("\n", 0, match.start()) + 1
            report.add(f"{name}:{line}", f"{function}() is not used here; use {BANNED[function]}")
    for match in TYPEDEF.finditer(code):
        line = code.count("\n", 0, match.start()) + 1
        report.add(f"{name}:{line}", "typedef of a struct; write the struct")


def main():
    root = checklib.root_argument()
    report = checklib.Report("check-banned")
    names = checklib.tracked(root, ".c", ".h")
    for name in names:
        check_file(report, root, name)
    return report.finish(f"{len(names)} files read")


if __name__ == "__main__":
    sys.exit(main())
