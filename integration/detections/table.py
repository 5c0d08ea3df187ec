# SPDX-License-Identifier: Apache-2.0
"""All rows together: the batches that are run and what each step must raise."""
import os
import re

import evasions
import plan
import rows_exec
import rows_file
import rows_kernel
import rows_tool

ROWS = rows_exec.ROWS + rows_file.ROWS + rows_kernel.ROWS + rows_tool.ROWS


def rules_of(folder):
    """Ids of the rules in the files of a folder such as policysync/defaults."""
    ids = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            ids += re.findall(r"^  - id: (\S+)$", f.read(), re.M)
    return ids


def batches():
    """{batch: steps}. Evasions that are seen count as firing, those that are missed as quiet."""
    quiet = [s for row in ROWS for s in row.quiet]
    fires = [s for row in ROWS for s in row.fires]
    for number, e in enumerate(evasions.ROWS):
        (fires if e.seen else quiet).append(plan.Step(f"evasion-{number}", *e.ops))
    quiet.append(plan.Step("end-quiet", plan.run("end-of-quiet")))
    fires.append(plan.Step("end-fires", plan.run("end-of-fires")))
    return {"quiet": quiet, "end": [plan.Step("end-end", plan.run("end-of-end"))], "fires": fires}


def expected_of_steps():
    """{step: detections}, of the steps that raise any."""
    wanted = {s.name: {row.detection} | s.also for row in ROWS for s in row.fires}
    wanted.update(expected_of_quiet_steps())
    for number, e in enumerate(evasions.ROWS):
        if e.seen:
            wanted[f"evasion-{number}"] = e.seen
    return wanted


def expected_of_quiet_steps():
    return {s.name: s.also for row in ROWS for s in row.quiet if s.also}


def plan_text():
    lines = []
    for batch, steps in batches().items():
        for step in steps:
            lines += [f"={batch}\t{step.name}"] + step.lines()
    return "\n".join(lines) + "\n"


def problems(folder):
    """What is wrong with the rows, for the rules of a folder: one line each."""
    rows, rules = [r.detection for r in ROWS], rules_of(folder)
    names = [s.name for steps in batches().values() for s in steps]
    known = set(rules)
    found = [f"{r} has no row" for r in sorted(known - set(rows))]
    found += [f"the row {r} is of no rule" for r in sorted(set(rows) - known)]
    found += [f"{r} has two rows" for r in sorted({r for r in rows if rows.count(r) > 1})]
    found += [f"{r} is there twice" for r in sorted({r for r in rules if rules.count(r) > 1})]
    found += [f"the step {n} is there twice" for n in sorted({n for n in names if names.count(n) > 1})]
    raised = set().union(*expected_of_steps().values())
    return found + [f"a step raises {r}, which is no rule" for r in sorted(raised - known)]
