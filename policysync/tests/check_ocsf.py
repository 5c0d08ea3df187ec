#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_ocsf.py PROGRAM SCHEMA: what PROGRAM prints for "ocsf" is valid, and a broken finding is not."""
import copy
import json
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("SKIP: python3-jsonschema is not installed (tools/install-packages.sh test)")
    sys.exit(77)

# What must be refused: a path into the finding, and the value put there (None = taken away).
FAULTS = [(("finding_info", "uid"), None), (("class_uid",), 2001), (("severity_id",), 7), (("time",), "now"),
          (("metadata", "product"), None), (("evidences", 0, "file", "type_id"), 50),
          (("evidences", 0, "actor", "process", "pid"), "1"), (("colour",), "red"), (("count",), 0)]


def plant(finding, path, value):
    broken = copy.deepcopy(finding)
    at = broken
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return broken


def main():
    program, schema_path = sys.argv[1:]
    with open(schema_path, encoding="utf-8") as f:
        schema = json.load(f)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema)
    lines = subprocess.run([program, "ocsf"], check=True, capture_output=True, timeout=60).stdout.splitlines()
    findings = [json.loads(line) for line in lines]
    problems = [f"sample {i}: {'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
                for i, finding in enumerate(findings) for e in validator.iter_errors(finding)]
    problems += [f"fault not seen: {path}" for path, value in FAULTS
                 if validator.is_valid(plant(findings[0], path, value))]
    if len(findings) < 6:
        problems.append(f"only {len(findings)} samples")
    print("\n".join(problems) or f"{len(findings)} findings are valid, {len(FAULTS)} planted faults are refused")
    return 1 if problems else 0


sys.exit(main())
