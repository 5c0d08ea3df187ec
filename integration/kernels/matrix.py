#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests with label kernel, and --probe, on other kernels inside QEMU.

matrix.py --build DIR [--junit FILE] [--logs DIR] [--renew] [KERNEL[@LEVEL]…]     default: all of kernels.conf

With a level, a or b, the tests that run at both run at that one only.

Says what differs from the expected tables (results.py). Exit code: 0, 1 = something differs or gave
no result, 77 = QEMU or a kernel cannot be had here, with the reason.
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debian_kernel  # noqa: E402
import guest  # noqa: E402
import results  # noqa: E402

# Needs podman and its images, which the guest has not.
HOST_ONLY = {"test_kernel_container"}
# Run twice: with tracepoints alone, and with security hooks (docs/kernels.md).
BOTH_LEVELS = {f"test_kernel_{name}" for name in ("exec", "file", "hooks", "net", "path", "process", "socket", "uring")}
SLOWER = 5  # than this machine is the emulated one allowed to be
AT_ONCE = 2
GUEST_LIMIT_S = 1800
TOOLS = ("qemu-system-x86_64", "cpio", "busybox", "zstd", "lz4", "ctest")


def kernel_tests(build):
    """[(name, program, seconds it may take)] from ctest; name@a is the same with security hooks."""
    said = subprocess.run(["ctest", "--test-dir", build, "-L", "^kernel$", "--show-only=json-v1"],
                          check=True, capture_output=True, text=True).stdout
    found = []
    for test in json.loads(said)["tests"]:
        limits = [p["value"] for p in test.get("properties", []) if p["name"] == "TIMEOUT"]
        if test["name"] in HOST_ONLY or not test["name"].startswith("test_kernel_"):
            continue
        if len(test.get("command", [])) != 1 or not os.path.exists(test["command"][0]):
            sys.exit(f"kernels: {test['name']}: not built, or takes arguments: {test.get('command')}")
        row = test["command"][0], int(limits[0] if limits else 120)
        found += [(test["name"] + level, *row) for level in (("", "@a") if test["name"] in BOTH_LEVELS else ("",))]
    if not found:
        sys.exit("kernels: no test with label kernel")
    return found


def script_for(tests):
    lines = ["export PODWARD_COLLECTOR=/job.d/podward-collector",
             "echo '::begin probe'; timeout 300 ./podward-collector --probe=json; echo \"::end probe $?\""]
    for name, _, limit in tests:
        program, _, level = name.partition("@")
        lines += [f"echo '::begin {name}'", "began=$(cut -d. -f1 /proc/uptime)",
                  f"PODWARD_TEST_LEVEL={level or 'b'} timeout {limit * SLOWER} ./{program}; code=$?",
                  "echo \"::took $(( $(cut -d. -f1 /proc/uptime) - began ))\"", f"echo \"::end {name} $code\""]
    return "\n".join(lines) + "\n"


def tests_at(tests, level):
    """Without those that run at the other level too."""
    if not level:
        return tests
    return [t for t in tests if t[0].partition("@")[0] not in BOTH_LEVELS or t[0].endswith("@a") == (level == "a")]


class Run:
    """One kernel: what came out, or why it could not be tried."""

    def __init__(self, row, tests, unavailable=None, result=None):
        self.row, self.tests, self.unavailable, self.result = row, tests, unavailable, result
        self.observed = results.Observed(row.name, result.output) if result else None
        self.problems = []


def run_one(row, build, tests, logs):
    try:
        kernel = debian_kernel.prepare(row)
    except debian_kernel.Unavailable as reason:
        return Run(row, tests, unavailable=str(reason))
    files = [(program, f"/job.d/{name.partition('@')[0]}") for name, program, _ in tests]
    files.append((os.path.join(build, "bin", "podward-collector"), "/job.d/podward-collector"))
    result = guest.run(kernel, row.arguments, files, script_for(tests), GUEST_LIMIT_S)
    with open(os.path.join(logs, f"kernel-{row.name}.log"), "w", encoding="utf-8") as f:
        f.write(f"{result.output}\n--- console ---\n{result.console}")
    run = Run(row, tests, result=result)
    if result.code is None:
        run.problems.append(("boot", f"no result after {result.seconds:.0f} s"))
    run.problems += [("boot", f"the kernel complained: {line}") for line in result.splats[:3]]
    return run


def judge(run):
    names = [name for name, _, _ in run.tests]
    run.problems += results.test_problems(run.observed, names, results.read_table("skips.tsv"))
    run.problems += results.program_problems(run.observed, results.read_table("programs.tsv"))


def say(run, logs):
    if run.unavailable:
        print(f"{run.row.name:<12} SKIP: {run.unavailable}")
        return
    o = run.observed
    working = sum(works == "yes" for _, works, _, _ in o.programs.values())
    print(f"{run.row.name:<12} {o.release:<28} {o.passed()} tests of {len(o.codes)} programs passed, "
          f"{working} of {len(o.programs)} kernel programs work, {run.result.seconds:.0f} s "
          f"(longest: {', '.join(f'{name} {seconds}' for seconds, name in o.slowest(3))})")
    for name, what in run.problems:
        print(f"  {name}: {what}")
    if run.problems:
        print(f"  see {os.path.join(logs, f'kernel-{run.row.name}.log')}")


def write_junit(path, runs):
    suite = xml.Element("testsuite", name="kernels")
    for run in runs:
        for name in ["boot"] + [name for name, _, _ in run.tests] + ["programs"]:
            case = xml.SubElement(suite, "testcase", classname="kernels", name=f"{run.row.name} {name}")
            if run.unavailable:
                xml.SubElement(case, "skipped", message=run.unavailable)
                continue
            mine = [f"{n}: {what}" for n, what in run.problems
                    if n == name or (name == "programs" and not n.startswith(("test_", "boot")))]
            if mine:
                xml.SubElement(case, "failure", message="; ".join(mine))
    xml.ElementTree(suite).write(path, encoding="unicode")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--junit")
    parser.add_argument("--logs")
    parser.add_argument("--renew", action="store_true", help="take what was seen as what is expected")
    parser.add_argument("kernels", nargs="*", metavar="KERNEL[@LEVEL]")
    return parser.parse_args()


def main():
    args = arguments()
    rows = debian_kernel.rows()
    levels = dict(kernel.partition("@")[::2] for kernel in args.kernels)
    unknown = set(levels) - {row.name for row in rows} | {at for at in levels.values() if at not in ("", "a", "b")}
    if unknown:
        sys.exit(f"kernels: unknown {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in rows)}")
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print(f"SKIP: not installed: {', '.join(missing)} (tools/install-packages.sh test)")
        return results.SKIPPED
    chosen = [row for row in rows if not levels or row.name in levels]
    build, logs = os.path.abspath(args.build), args.logs or os.path.join(args.build, "kernels")
    os.makedirs(logs, exist_ok=True)
    tests = kernel_tests(build)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = list(pool.map(lambda row: run_one(row, build, tests_at(tests, levels.get(row.name)), logs), chosen))
    tried = [run for run in runs if not run.unavailable]
    if args.renew:
        results.renew([run.observed for run in tried if run.result.code is not None], rows)
    for run in tried:
        judge(run)
    for run in runs:
        say(run, logs)
    if args.junit:
        write_junit(args.junit, runs)
    failed = sum(bool(run.problems) for run in runs)
    print(f"kernels: {len(tried) - failed} of {len(runs)} as expected, {failed} not, "
          f"{len(runs) - len(tried)} skipped, {time.monotonic() - started:.0f} s")
    return 1 if failed else results.SKIPPED if not tried else 0


if __name__ == "__main__":
    sys.exit(main())
