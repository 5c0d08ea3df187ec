#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real one-node Kubernetes with Podward in it: ./dev cluster up|install|test|down|kubectl|status."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
from install import install, load_test_images, uninstall  # noqa: E402
from node import Node, why_not  # noqa: E402
from rig import SKIP, RigError  # noqa: E402


def up(node, _words):
    print("a Kubernetes of one node:")
    node.up()
    load_test_images(node)
    print("next: ./dev cluster install, ./dev cluster kubectl get pods -A")


def install_command(node, words):
    """The rest of the command line goes to helm."""
    install(node, words)
    print(node.kubectl("-n", "podward", "get", "pods", "-o", "wide"), end="")


def uninstall_command(node, _words):
    uninstall(node)


def down(node, _words):
    node.down()
    print("the cluster is gone; logs stay in build/cluster/log")


def status(node, _words):
    if not node.is_up():
        raise RigError("the cluster is not up: ./dev cluster up")
    print(node.kubectl("get", "nodes,pods", "-A", "-o", "wide"), end="")


def kubectl(node, words):
    argv = node.inside("kubectl", "--kubeconfig", node.admin, *words)
    sys.exit(subprocess.run(argv, check=False).returncode)


def test(_node, words):
    os.execv(os.path.join(HERE, "test_cluster.py"), ["test_cluster.py", *words])


COMMANDS = {"test": test, "up": up, "install": install_command, "uninstall": uninstall_command, "down": down, "status": status, "kubectl": kubectl}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: ./dev cluster {'|'.join(COMMANDS)}")
    reason = why_not() if sys.argv[1] == "up" else None
    if reason:
        print(f"SKIP: {reason}")
        sys.exit(SKIP)
    try:
        COMMANDS[sys.argv[1]](Node(), sys.argv[2:])
    except RigError as error:
        sys.exit(f"cluster: {error}")


if __name__ == "__main__":
    main()
