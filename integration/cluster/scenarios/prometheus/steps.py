# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes the pods that say so in their annotations: all three jobs are up, and the chart's alert rules fire for
the faults they name (without the time that they wait): a collector and an analyzer that hang, an output that
refuses, a policy that makes no sense. Nothing fires before."""
import json
import os
import re
import signal
import urllib.parse

import helm
from cases import check_equal
from node import STATE
from rig import wait_until
from stage import ATTACK, pid_of

URL = "http://127.0.0.1:9090"
FOLDER = os.path.join(STATE, "prometheus")
JOBS = {"podward-collector", "podward-analyzer", "podward-policysync"}


def write_files(stage):
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(helm.CHART, "files", "alerts.yaml"), encoding="utf-8") as f:
        rules = re.sub(r"\n\s+for: \w+", "", f.read())
    with open(os.path.join(FOLDER, "alerts.yaml"), "w", encoding="utf-8") as f:
        f.write(rules)
    with open(os.path.join(stage.here, "prometheus.yaml"), encoding="utf-8") as f:
        text = f.read().replace("{{folder}}", FOLDER)
    with open(os.path.join(FOLDER, "prometheus.yaml"), "w", encoding="utf-8") as f:
        f.write(text)


def write_targets(stage):
    rows = []
    for pod in stage.get("-A", "pods")["items"]:
        notes = pod["metadata"].get("annotations", {})
        if notes.get("prometheus.io/scrape") == "true" and pod["status"].get("podIP"):
            component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            rows.append({"targets": [f"{pod['status']['podIP']}:{notes['prometheus.io/port']}"],
                         "labels": {"job": "podward-" + component}})
    with open(os.path.join(FOLDER, "targets.json"), "w", encoding="utf-8") as f:
        json.dump(rows, f)


def ask(stage, query):
    words = urllib.parse.urlencode({"query": query})
    answer = stage.node.run("curl", "--silent", "--max-time", "5", f"{URL}/api/v1/query?{words}", check=False)
    return json.loads(answer)["data"]["result"] if answer else []


def up(stage):
    return {row["metric"]["job"] for row in ask(stage, "up == 1")} - {
        row["metric"]["job"] for row in ask(stage, "up == 0")}


def firing(stage):
    return {row["metric"]["alertname"] for row in ask(stage, 'ALERTS{alertstate="firing"}')}


def wait_firing(stage, name):
    wait_until(lambda: name in firing(stage), 40, f"{name} to fire", 0.5)


def hung(stage, component):
    pid = pid_of(stage, stage.pods(component)[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_firing(stage, f"Podward{component.capitalize()}Down")
    finally:
        os.kill(pid, signal.SIGCONT)


def run(stage):
    write_files(stage)
    write_targets(stage)
    stage.node.start("prometheus", "prometheus", f"--config.file={FOLDER}/prometheus.yaml",
                     f"--storage.tsdb.path={FOLDER}/data", "--web.listen-address=127.0.0.1:9090")
    try:
        wait_until(lambda: up(stage) == JOBS, 40, "all three jobs to be up", 0.5)
        check_equal(firing(stage), set(), "alerts without a fault")
        faults(stage)
    finally:
        stage.node.daemons.stop("prometheus")


def faults(stage):
    ns = stage.namespace("prometheus")
    stage.apply("refused.yaml", ns)
    wait_firing(stage, "PodwardPolicyRefused")
    stage.apply("shop.yaml", ns)
    stage.wait_rollout(ns, "deployment/shop")
    stage.node.daemons.stop("sink")
    try:
        stage.sh(ns, "deployment/shop", ATTACK)
        wait_firing(stage, "PodwardOutputFailing")
    finally:
        stage.start_sink(keep=True)
    hung(stage, "collector")
    hung(stage, "analyzer")
    wait_until(lambda: up(stage) == JOBS, 40, "all three jobs to be up again", 0.5)
