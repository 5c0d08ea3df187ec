# SPDX-License-Identifier: Apache-2.0
"""Generated parts of docs pages, between `<!-- generated: WHAT NAME -->` and `<!-- /generated -->`.

settings PROGRAM   what `PROGRAM --print-settings-doc` prints
metrics SERVICE    the table SERVICE/metrics.def
events FILE        the enums of a .proto file
fields FILE        the field table of the signature engine
detections FOLDER  the rules of the default signature set, with the ways around them that are tested
evasions FOLDER    the table of evasions that the detections' test runs
kernels DIR        the tables of the kernel matrix
"""
import importlib
import os
import re
import subprocess
import sys

OPEN = re.compile(r"^<!-- generated: (\w+) (\S+) -->$", re.M)
CLOSE = "<!-- /generated -->"


class Problem(Exception):
    """What is wrong, for a person."""


def parts(text):
    """[(what, name, start, end)] of the bodies."""
    found = []
    for match in OPEN.finditer(text):
        end = text.find(CLOSE, match.end())
        following = OPEN.search(text, match.end())
        if end < 0 or (following and following.start() < end):
            raise Problem(f"generated part '{match.group(1)} {match.group(2)}' is not closed")
        found.append((match.group(1), match.group(2), match.end() + 1, end))
    return found


def settings(root, bin_dir, name):
    program = os.path.join(bin_dir, name)
    try:
        done = subprocess.run([program, "--print-settings-doc"], capture_output=True, text=True,
                              timeout=20, check=False)
    except OSError as error:
        raise Problem(f"cannot run {name}: {error.strerror}") from error
    if done.returncode != 0 or not done.stdout:
        raise Problem(f"{name} --print-settings-doc: exit {done.returncode} {done.stderr.strip()}")
    return done.stdout


STRING = r'"((?:[^"\\]|\\.)*)"'


def metrics(root, bin_dir, name):
    path = os.path.join(root, name, "metrics.def")
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except OSError as error:
        raise Problem(f"cannot read {name}/metrics.def: {error.strerror}") from error
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for body in calls(text):
        rows.append(metric_row(body, name))
    if len(rows) == 2:
        raise Problem(f"{name}/metrics.def has no rows that tools/gendocs.py can read")
    return "\n".join(rows) + "\n"


def calls(text):
    """Bodies of the outermost NAME( … ) calls of an X-macro table; strings are respected."""
    i, bodies = 0, []
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", text, flags=re.M)
    for match in re.finditer(r"\b[A-Z][A-Z_0-9]*\s*\(", text):
        if match.start() < i:
            continue
        depth, i = 1, match.end()
        while i < len(text) and depth:
            string = re.compile(STRING).match(text, i)
            if string:
                i = string.end()
                continue
            depth += {"(": 1, ")": -1}.get(text[i], 0)
            i += 1
        bodies.append(text[match.end():i - 1])
    return bodies


def metric_row(body, service):
    whole = [re.sub(r'"\s*"', "", s) for s in re.findall(r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*', body)]
    strings = [s[1:-1].replace('\\"', '"') for s in whole]
    kind = re.search(r"\b(?:PW_)?(COUNTER|GAUGE|HISTOGRAM)\b", body)
    if not strings or not kind:
        raise Problem(f"{service}/metrics.def: cannot read the row '{body.strip()[:60]}'")
    name = strings[0] if strings[0].startswith("podward_") else f"podward_{service}_{strings[0]}"
    meaning = strings[1] if len(strings) > 1 else ""
    return f"| `{name}` | {kind.group(1).lower()} | {', '.join(strings[2:])} | {meaning} |"


ENUM = re.compile(r"((?://[^\n]*\n)*)enum (\w+) \{(.*?)\n\}", re.S)


def events(root, bin_dir, name):
    with open(os.path.join(root, name), encoding="utf-8") as f:
        text = f.read()
    out = []
    for match in ENUM.finditer(text):
        comment = " ".join(line.lstrip("/ ") for line in match.group(1).splitlines())
        out += [f"### {match.group(2)}", ""] + ([comment, ""] if comment else [])
        out += ["| name | value | meaning |", "|---|---|---|"]
        for row in re.finditer(r"(\w+) = (\d+);[ \t]*(?://[ \t]*(.*))?", match.group(3)):
            out.append(enum_row(row))
        out.append("")
    return "\n".join(out).rstrip("\n") + "\n"


def enum_row(row):
    meaning = (row.group(3) or "").replace("|", "/")
    return f"| {row.group(1)} | {row.group(2)} | {meaning} |"


FIELD = re.compile(r'\bF\(\s*"(?P<name>[\w.]+)",\s*(?P<type>\w+),\s*(?P<scope>\w+),\s*(?P<arg>\w+),\s*\w+,'
                   r'(?P<kinds>[^"]*?),\s*"(?P<help>[^"]*)"\s*\)')
NO_FIELD = re.compile(r'\bNOT\(\s*"(?P<name>[\w.]+)",\s*"(?P<help>[^"]*)"\s*\)')
FIELD_SETS = re.compile(r"^#define ([A-Z]+)\s+((?:.*\\\n)*.*)$", re.M)


def field_kinds(text, expression):
    """Names of the event kinds in an expression such as OPENS | K(STDIO)."""
    sets = dict(FIELD_SETS.findall(text))
    while True:
        wider = re.sub(r"\b([A-Z]+)\b(?!\))", lambda m: sets.get(m.group(1), m.group(1)), expression)
        if wider == expression:
            break
        expression = wider
    return "all" if "FIELD_ALL_KINDS" in expression else \
        " ".join(sorted(set(k.lower() for k in re.findall(r"K\((\w+)\)", expression))))


def fields(root, bin_dir, name):
    with open(os.path.join(root, name), encoding="utf-8") as f:
        text = f.read().replace('"\n\t\t"', "")
    table = text[text.find("field_table[]"):]
    args = {"ANCESTOR": "[n]", "KEY": "[name]"}
    rows = ["| field | type | of | events | meaning |", "|---|---|---|---|---|"]
    for m in FIELD.finditer(table):
        rows.append(f"| `{m['name']}{args.get(m['arg'], '')}` | {m['type'].lower()} | {m['scope'].lower()} | "
                    f"{field_kinds(text, m['kinds'])} | {m['help']} |")
    if len(rows) == 2:
        raise Problem(f"{name}: no rows that tools/gendocs.py can read")
    rows += ["", "These are known by name and refused:", "", "| field | why |", "|---|---|"]
    rows += [f"| `{m['name']}` | {m['help']} |" for m in NO_FIELD.finditer(table)]
    return "\n".join(rows) + "\n"


def folded(text):
    """A scalar as it is in our files: plain on its line, or folded below it."""
    text = text.strip()
    return " ".join(text[2:].split()) if text.startswith(">-") else text


def rules(text):
    """[{key: value}] of the rules in the text of a SignatureSet in the form of policysync/defaults."""
    found = []
    for body in re.split(r"^  - id: ", text, flags=re.M)[1:]:
        keys = re.findall(r"^    (\w+):(.*\n(?:      .*\n)*)", body, re.M)
        found.append({"id": body.split()[0], **{k: folded(v) for k, v in keys}})
    return found


def rows_of(root, module, name="integration/detections"):
    """ROWS of a Python file beside the detections' test."""
    folder = os.path.join(root, name)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(module).ROWS
    except ImportError as error:
        raise Problem(f"{name}/{module}.py: {error}") from error
    finally:
        sys.path.remove(folder)


def detections(root, bin_dir, name):
    ways = {r.detection: r.evasion for m in ("rows_exec", "rows_file", "rows_kernel", "rows_tool") for r in rows_of(root, m)}
    out, folder = [], os.path.join(root, name)
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), encoding="utf-8") as f:
            found = rules(f.read())
        if not found:
            continue
        out += [f"### {'mining' if file == 'signatures.yaml' else file[:-5]}", ""]
        out += ["| detection | severity | ATT&CK | what it means, what to do, *the way around that is tested or known* |",
                "|---|---|---|---|"] + [detection_row(r, ways) for r in found] + [""]
    if not out:
        raise Problem(f"{name}: no rules that tools/gendocs.py can read")
    return "\n".join(out).rstrip("\n") + "\n"


def detection_row(rule, ways):
    learned = " (P)" if rule.get("profile") == "suppress-if-learned" else ""
    text = f"**{rule.get('title', '')}.** {rule.get('description', '')} *{ways.get(rule['id'], '')}*"
    return f"| `{rule['id']}` | {rule.get('severity', '')}{learned} | {rule.get('mitre', '').strip('[]')} | " \
           f"{text.replace('|', '&#124;')} |"


def evasions(root, bin_dir, name):
    out = ["| trick | seen as | why |", "|---|---|---|"]
    for row in rows_of(root, "evasions", name):
        seen = ", ".join(f"`{d}`" for d in sorted(row.seen)) or "**not seen**"
        out.append(f"| {row.trick} | {seen} | {row.text} |")
    return "\n".join(out) + "\n"


def tsv(root, folder, name):
    with open(os.path.join(root, folder, name), encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]


def kernels(root, bin_dir, name):
    runs, programs = tsv(root, name, "kernels.tsv"), tsv(root, name, "programs.tsv")
    skips = tsv(root, name, "skips.tsv")
    rows = ["| kernel | release | test programs | tests passed | skipped |", "|---|---|---|---|---|"]
    for kernel, release, _, count, passed in runs:
        rows.append(f"| {kernel} | {release} | {count} | {passed} | {sum(s[0] == kernel for s in skips)} |")
    names = [run[0] for run in runs]
    rows += ["", "Instructions that the verifier goes through, by kernel program; no = it does not work there.", "",
             f"| program | hook | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    found = {(kernel, program): verified if works == "yes" else "no"
             for kernel, program, _, works, verified in programs}
    for program, hook in sorted({(p[1], p[2]) for p in programs}, key=lambda p: (p[1], p[0])):
        cells = " | ".join(found.get((kernel, program), "") for kernel in names)
        rows.append(f"| `{program}` | `{hook}` | {cells} |")
    for kernel, program, reason in skips:
        rows.append(f"{'' if rows[-1].startswith('- ') else chr(10)}- {kernel}, `{program}`, skipped: {reason}")
    return "\n".join(rows) + "\n"


MAKERS = {"settings": settings, "metrics": metrics, "events": events, "fields": fields, "detections": detections, "evasions": evasions,
          "kernels": kernels}


def refresh(text, root, bin_dir):
    """The page with every generated part made anew."""
    for what, name, start, end in reversed(parts(text)):
        if what not in MAKERS:
            raise Problem(f"unknown generated part '{what}': knows {', '.join(sorted(MAKERS))}")
        text = text[:start] + "\n" + MAKERS[what](root, bin_dir, name) + "\n" + text[end:]
    return text
