# SPDX-License-Identifier: Apache-2.0
"""Podward in the one-node cluster: images from programs that were built, the chart by a real Helm."""
import os
import subprocess
import tempfile
import time

import helm
from archives import rename, write_archive
from rig import ROOT, RigError

RELEASE = NAMESPACE = "podward"
IMAGES = os.path.join(ROOT, "build", "images")
PROGRAMS = os.path.join(ROOT, "build", "release", "bin")
SERVICES = ("collector", "analyzer", "policysync")
WORKLOADS = ("daemonset/podward-collector", "statefulset/podward-analyzer", "deployment/podward-policysync")
# What the pods of the tests run, and where the chart's own test finds its image.
TEST_IMAGES = {"localhost/podward-test:1": "1", "localhost/podward-test:2": "2",
               "docker.io/library/busybox:1.36": "1"}
with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as version_file:
    VERSION = version_file.read().strip()


def load_test_images(node):
    with tempfile.TemporaryDirectory() as folder:
        for name, version in TEST_IMAGES.items():
            archive = write_archive(os.path.join(folder, "image.tar"), name, {"etc/version": version + "\n"})
            node.load(archive)


def build_images(tell=print):
    """From build/release, so that they are what was tested; with their real names."""
    done = subprocess.run([os.path.join(ROOT, "docker", "build.sh"), IMAGES], text=True, capture_output=True,
                          env={**os.environ, "PROGRAMS": PROGRAMS}, check=False, timeout=600)
    if done.returncode != 0:
        raise RigError(f"docker/build.sh: {done.stdout[-300:]}{done.stderr[-800:]}")
    tell(done.stdout, end="", flush=True)


def load_images(node):
    with tempfile.TemporaryDirectory() as folder:
        for service in SERVICES:
            archive = rename(os.path.join(IMAGES, f"podward-{service}.tar"), os.path.join(folder, "image.tar"),
                             f"docker.io/library/podward-{service}:{VERSION}")
            node.load(archive)


def run_helm(node, *words, seconds=180, check=True):
    """Helm inside the node's network, as its administrator."""
    reason = helm.bring()
    if reason:
        raise RigError(reason)
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(node.inside("env", f"HOME={home}", f"KUBECONFIG={node.admin}", helm.HELM, *words),
                              text=True, capture_output=True, timeout=seconds, check=False)
    if check and done.returncode != 0:
        raise RigError(f"helm {' '.join(words[:3])}: {done.stdout[-500:]}{done.stderr[-800:]}")
    return done.stdout if check else (done.returncode, done.stdout + done.stderr)


def wait_ready(node, seconds=120):
    for what in WORKLOADS:
        node.kubectl("-n", NAMESPACE, "rollout", "status", what, f"--timeout={seconds}s", seconds=seconds + 20)


def install(node, words=(), tell=print):
    started = time.monotonic()

    def step(what):
        tell(f"  {time.monotonic() - started:5.1f} s  {what}", flush=True)

    build_images(tell)
    step("images built")
    load_images(node)
    step("images loaded")
    was_there = bool(node.kubectl("-n", NAMESPACE, "get", "daemonset/podward-collector", "-o", "name", check=False))
    run_helm(node, "upgrade", "--install", RELEASE, helm.CHART, "--namespace", NAMESPACE, "--create-namespace", *words)
    step("chart installed")
    if was_there:  # the images have the names that they had, so nothing changed for Kubernetes
        node.kubectl("-n", NAMESPACE, "rollout", "restart", *WORKLOADS)
    wait_ready(node)
    step("all Ready")


def uninstall(node):
    run_helm(node, "uninstall", RELEASE, "--namespace", NAMESPACE)
