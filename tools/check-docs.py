#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Docs: links resolve, generated parts are closed and fresh, and words that do not belong are absent.

check-docs.py [--bin DIR] [ROOT]. With --bin the generated parts are compared with what the programs
in DIR and the tables in the sources give (tools/gen-docs.py makes them); without it only their form.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checklib  # noqa: E402
import gendocs  # noqa: E402

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^()\s]+)\)|!\[[^\]\n]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)
# Words that only make sense on one machine, or tie the build to one package mirror.
UNWANTED = [
    (re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/(?=\w)"), "absolute path of somebody's machine"),
    (re.compile(r"registry\.npmjs|\bnpmjs\.(?:org|com)|pypi\.org|crates\.io|deb\.debian\.org|"
                r"security\.debian\.org|archive\.ubuntu|proxy\.golang|rubygems\.org"),
     "host name of a package registry"),
]
# File names in which such words are data: what attackers read, what a corpus holds.
PATHS_ARE_DATA = (".c", ".h", ".yaml", ".yml", ".def", ".js")
SKIPPED = ("/corpus/", "LICENSE", ".pwrec")


def slug(heading):
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


def without_code(text):
    """Fenced blocks and inline code blanked, lines kept."""
    text = re.sub(r"^(```|~~~).*?^\1", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def check_link(report, root, where, name, target):
    if re.match(r"[a-z]+:", target):
        return
    path, _, anchor = target.partition("#")
    full = os.path.normpath(os.path.join(root, os.path.dirname(name), path)) if path \
        else os.path.join(root, name)
    if not os.path.exists(full):
        report.add(where, f"link: {path} does not exist")
        return
    if not anchor or not full.endswith(".md"):
        return
    with open(full, encoding="utf-8") as f:
        headings = HEADING.findall(re.sub(r"^```.*?^```", "", f.read(), flags=re.M | re.S))
    if anchor not in [slug(h) for h in headings]:
        report.add(where, f"link: {path or name} has no heading '{anchor}'")


def check_links(report, root, name):
    text = without_code(checklib.read(root, name))
    count = 0
    for match in LINK.finditer(text):
        count += 1
        line = text.count("\n", 0, match.start()) + 1
        check_link(report, root, f"{name}:{line}", name, match.group(1) or match.group(2))
    return count


def check_words(report, root, name):
    if any(s in "/" + name for s in SKIPPED):
        return
    text = checklib.read(root, name)
    if "\0" in text:
        return
    for pattern, what in UNWANTED:
        if "absolute path" in what and name.endswith(PATHS_ARE_DATA):
            continue
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            report.add(f"{name}:{line}", f"{what}: '{match.group(0)}'")


def check_generated(report, root, name, bin_dir):
    text = checklib.read(root, name)
    try:
        fresh = gendocs.refresh(text, root, bin_dir) if bin_dir else text
        gendocs.parts(text)
    except gendocs.Problem as problem:
        report.add(name, str(problem))
        return
    if fresh != text:
        report.add(name, "generated part is stale; run tools/gen-docs.sh")


def main():
    bin_dir = None
    if "--bin" in sys.argv:
        at = sys.argv.index("--bin")
        bin_dir = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    root = checklib.root_argument()
    report = checklib.Report("check-docs")
    pages = checklib.tracked(root, ".md")
    links = sum(check_links(report, root, page) for page in pages)
    for page in pages:
        check_generated(report, root, page, bin_dir)
    names = checklib.tracked(root)
    for name in names:
        check_words(report, root, name)
    return report.finish(f"{len(pages)} pages, {links} links, {len(names)} files read"
                         + ("" if bin_dir else "; generated parts not compared"))


if __name__ == "__main__":
    sys.exit(main())
