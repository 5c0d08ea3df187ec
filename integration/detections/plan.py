# SPDX-License-Identifier: Apache-2.0
"""Words for the rows of the detections' test: a step is what one process of an attacker does.

A step becomes lines of the plan that the program `detection_steps` reads inside the container; the
programs that it starts are names of that same program in the image, and do nothing.
"""
import re

PROGRAMS = set()  # paths that the image must have, without the leading slash


def path_of(program):
    """Full path of a stand-in program; a bare name lies in /usr/bin."""
    path = program if program.startswith("/") else "/usr/bin/" + program
    if not path.startswith(("/tmp/", "/var/tmp/", "/dev/shm/", "/run/")):
        PROGRAMS.add(path[1:])
    return path


def run(program, *args):
    """Starts a stand-in program with arguments."""
    return ("exec", path_of(program), program.rsplit("/", 1)[-1], *args)


def run_as(program, argv0, *args):
    """Starts it under another first argument."""
    return ("exec", path_of(program), argv0, *args)


def under(parent, program, *args):
    """Starts parent, which starts program."""
    return run(parent, "--run", path_of(program), *args)


def real(path, *args):
    """Starts a real program of the image (busybox)."""
    return ("exec", path, path.rsplit("/", 1)[-1], *args)


def reads(path, by="open"):
    return (by, path, "r")


def writes(path, by="open"):
    """Opens for writing and writes nothing. What does not exist is made."""
    return (by, path, "wc")


class Step:
    """ops in order. also: detections of other rows that rightly fire, because the step is that too."""

    def __init__(self, name, *ops, also=()):
        self.name, self.ops, self.also = name, ops, set(also)
        assert re.fullmatch(r"[a-z0-9-]{3,40}", name), name

    def lines(self):
        return ["\t".join((self.name, *op)) for op in self.ops]


class Row:
    """One detection: steps that must raise exactly it, steps that must raise nothing, a way around it."""

    def __init__(self, detection, fires, quiet, evasion):
        self.detection, self.fires, self.quiet, self.evasion = detection, fires, quiet, evasion
        assert fires and quiet and evasion, detection


class Evasion:
    """One trick of evasions.md. seen: detections that must be raised, empty = known to be missed."""

    def __init__(self, trick, seen, text, *ops):
        self.trick, self.seen, self.text, self.ops = trick, set(seen), text, ops


def image_programs():
    """Paths of the stand-ins; complete after the rows were made."""
    return sorted(PROGRAMS)
