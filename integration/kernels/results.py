# SPDX-License-Identifier: Apache-2.0
"""What a kernel of the matrix did, what was expected of it, and how the two differ.

Expected are three tables beside this file, renewed by `./dev kernels --renew`:
programs.tsv   kernel, program, hook, works (yes|no), verified instructions
skips.tsv      kernel, test program, reason: what may be skipped there, and why
kernels.tsv    kernel, release, arguments, test programs, tests: what the docs page says of the last run
"""
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
RISE_ALLOWED = 1.10  # of the verifier's instructions, before the table must be changed
SKIPPED = 77


def read_table(name, folder=HERE):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if line.strip() and not line.startswith("#")]


def write_table(name, head, rows, folder=HERE):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(f"# {head}; renewed by ./dev kernels --renew\n")
        for row in rows:
            f.write("\t".join(str(cell) for cell in row) + "\n")


class Observed:
    """One kernel's run, out of what the guest printed."""

    def __init__(self, kernel, output):
        self.kernel = kernel
        self.codes = {}     # test program -> exit code
        self.bodies = {}    # test program -> what it printed
        self.programs = {}  # kernel program -> (hook, works, verified, why)
        self.release = "?"
        for name, body, code in re.findall(r"^::begin (\S+)\n(.*?)^::end \1 (\d+)$", output, re.S | re.M):
            self.codes[name], self.bodies[name] = int(code), body
        self.read_probe(self.bodies.pop("probe", ""))
        self.codes.pop("probe", None)

    def read_probe(self, text):
        found = re.search(r"^\{.*\}$", text, re.M)
        if not found:
            return
        report = json.loads(found.group(0))
        self.release = report["kernel"]
        for p in report["programs"]:
            self.programs[p["program"]] = (p["hook"], "yes" if p["works"] else "no", p["verified"], p["why"])

    def skips(self):
        """{(test program, reason)}: whole programs and single tests."""
        found = set()
        for name, body in self.bodies.items():
            if self.codes[name] == SKIPPED:
                reason = re.search(r"SKIP: (.+)", body)
                found.add((name, reason.group(1).strip() if reason else "gave no reason"))
            found |= {(name, test) for test in re.findall(r"^\[  SKIPPED \] (\w+)$", body, re.M)}
        return found

    def slowest(self, count):
        """[(seconds, test program)]"""
        took = [(int(m.group(1)), name) for name, body in self.bodies.items()
                if (m := re.search(r"^::took (\d+)$", body, re.M))]
        return sorted(took, reverse=True)[:count]

    def passed(self):
        return sum(len(re.findall(r"^\[       OK \] ", body, re.M)) for body in self.bodies.values())


def test_problems(observed, wanted_tests, expected_skips):
    """[(test program, what is wrong)]"""
    problems = []
    for name in wanted_tests:
        code = observed.codes.get(name)
        if code is None:
            problems.append((name, "no result"))
        elif code not in (0, SKIPPED):
            failed = re.findall(r"^\[  FAILED  \] (\w+)$", observed.bodies[name], re.M)
            problems.append((name, f"exit {code}: {', '.join(dict.fromkeys(failed)) or 'ended early'}"))
    allowed = {(name, reason) for kernel, name, reason in expected_skips if kernel == observed.kernel}
    for name, reason in sorted(observed.skips() - allowed):
        problems.append((name, f"skipped, which is not expected here: {reason}"))
    return problems


def program_problems(observed, expected_programs):
    """[(kernel program, what is wrong)]; a smaller number of instructions is no problem."""
    expected = {row[1]: row[2:] for row in expected_programs if row[0] == observed.kernel}
    problems = []
    if not observed.programs:
        return [("probe", "no result")]
    for name in sorted(expected.keys() | observed.programs.keys()):
        if name not in observed.programs:
            problems.append((name, "is in programs.tsv and not in the collector"))
            continue
        hook, works, verified, why = observed.programs[name]
        if name not in expected:
            problems.append((name, "is not in programs.tsv: ./dev kernels --renew"))
            continue
        wanted_hook, wanted_works, wanted_verified = expected[name]
        if works != wanted_works:
            problems.append((name, f"works: {works}, expected {wanted_works}: {why or 'no reason given'}"))
        elif hook != wanted_hook:
            problems.append((name, f"hook {hook}, expected {wanted_hook}"))
        elif verified > int(wanted_verified) * RISE_ALLOWED:
            problems.append((name, f"{verified} instructions verified, more than 10 % above "
                                   f"{wanted_verified}: make it cheaper or ./dev kernels --renew"))
    return problems


def renew(observations, rows):
    """Rewrites the tables; kernels that did not run keep their lines."""
    ran = {o.kernel for o in observations}
    order = {row.name: n for n, row in enumerate(rows)}
    keep = {name: [r for r in read_table(name) if r[0] not in ran and r[0] in order]
            for name in ("programs.tsv", "skips.tsv", "kernels.tsv")}
    arguments = {row.name: row.arguments or "-" for row in rows}
    for o in observations:
        keep["programs.tsv"] += [[o.kernel, name, hook, works, verified]
                                 for name, (hook, works, verified, _) in o.programs.items()]
        keep["skips.tsv"] += [[o.kernel, name, reason] for name, reason in o.skips()]
        keep["kernels.tsv"].append([o.kernel, o.release, arguments[o.kernel], len(o.codes), o.passed()])
    heads = {"programs.tsv": "kernel, program, hook, works, verified instructions",
             "skips.tsv": "kernel, test program, reason or test",
             "kernels.tsv": "kernel, release, arguments, test programs, tests passed"}
    for name, table in keep.items():
        write_table(name, heads[name], sorted(table, key=lambda r: (order[r[0]], r[1:])))
