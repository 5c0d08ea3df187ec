#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Podward on a real one-node Kubernetes: the scenarios of scenarios/, in the order of scenarios/order.

Each is a folder with steps.py (its first words are what is expected) and the manifests that it applies.
test_cluster.py [--keep] [--programs FOLDER] [NAME…]; --keep leaves the cluster up for the next run.
"""
import argparse
import importlib.util
import os
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]
import helm  # noqa: E402
import install  # noqa: E402
from cases import run_one  # noqa: E402
from node import Node, why_not  # noqa: E402
from rig import SKIP, RigError  # noqa: E402
from stage import Stage  # noqa: E402

SCENARIOS = os.path.join(HERE, "scenarios")


def load(name):
    path = os.path.join(SCENARIOS, name, "steps.py")
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case_of(name):
    """A case of cases.run_one from a folder."""
    module = load(name)

    def case(stage):
        stage.here = os.path.join(SCENARIOS, name)
        try:
            module.run(stage)
        finally:
            stage.clean()

    case.__name__ = name
    return case


def order():
    with open(os.path.join(SCENARIOS, "order"), encoding="utf-8") as f:
        names = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    there = sorted(n for n in os.listdir(SCENARIOS) if os.path.isdir(os.path.join(SCENARIOS, n)))
    if sorted(names) != there:
        sys.exit(f"scenarios/order and the folders differ: {sorted(set(names) ^ set(there))}")
    return names


def tell_what_was(node):
    """After a failure: what a person would look at first."""
    for words in (("get", "pods", "-A", "-o", "wide"),
                  ("-n", install.NAMESPACE, "get", "events", "--sort-by=.lastTimestamp"),
                  *(("-n", install.NAMESPACE, "logs", what, "--tail=15") for what in (
                      "daemonset/podward-collector", "statefulset/podward-analyzer", "deployment/podward-policysync"))):
        print(f"--- kubectl {' '.join(words)}\n{node.kubectl(*words, check=False)[-4000:]}", flush=True)


def run_scenarios(node, names):
    stage = Stage(node)
    stage.start_sink()
    results = [run_one(case_of(name), stage) for name in names]
    if "failed" in results:
        tell_what_was(node)
    print(f"{results.count('passed')} passed, {results.count('failed')} failed, {results.count('skipped')} skipped")
    return 1 if "failed" in results or not results else 0


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--keep", action="store_true", help="leave the cluster up, and use one that is up")
    options.add_argument("--programs", default=install.PROGRAMS, help="folder of the programs for the images")
    options.add_argument("name", nargs="*", help="scenarios, default all")
    options = options.parse_args()
    install.PROGRAMS = os.path.abspath(options.programs)
    unknown = set(options.name) - set(order())
    if unknown:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(order())}")
    reason = why_not() or helm.bring()
    if reason:
        print(f"SKIP: {reason}")
        return SKIP
    node = Node()
    started = time.monotonic()
    try:
        if not node.is_up():
            node.up()
            install.load_test_images(node)
        return run_scenarios(node, options.name or order())
    except RigError as error:
        print(f"FAIL  {error}")
        return 1
    finally:
        if not options.keep:
            node.down()
        print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
