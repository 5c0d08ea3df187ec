# SPDX-License-Identifier: Apache-2.0
"""The chart with default values: every pod Ready, the collector with three capabilities and no more, no
program but policysync with an account; the chart's own test sees an attack."""
import install
from cases import check, check_equal
from stage import pid_of

# linux/capability.h: SYS_PTRACE, PERFMON, BPF
WANTED = 1 << 19 | 1 << 38 | 1 << 39


def run(stage):
    install.install(stage.node, tell=lambda *_, **__: None)
    check_capabilities(stage)
    check_pods(stage)
    install.run_helm(stage.node, "-n", install.NAMESPACE, "test", install.RELEASE)


def check_capabilities(stage):
    with open(f"/proc/{pid_of(stage, stage.pods('collector')[0])}/status", encoding="ascii") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines())
    for name in ("CapPrm", "CapEff", "CapBnd"):
        check_equal(int(status[name], 16), WANTED, f"collector's {name}")
    check_equal(int(status["CapInh"], 16) | int(status["CapAmb"], 16), 0, "collector's CapInh and CapAmb")
    check_equal(status["NoNewPrivs"].strip(), "1", "collector's NoNewPrivs")
    check_equal(status["Seccomp"].strip(), "2", "collector's own filter")


def check_pods(stage):
    for component in ("collector", "analyzer", "policysync"):
        for pod in stage.pods(component):
            name = pod["metadata"]["name"]
            for container in pod["spec"]["containers"]:
                context = container["securityContext"]
                check(not context.get("privileged"), f"{name} is privileged")
                check(context["readOnlyRootFilesystem"], f"{name} may write to its image")
                mounts = [m["mountPath"] for m in container["volumeMounts"]]
                token = any("serviceaccount" in path for path in mounts)
                check_equal(token, component == "policysync", f"{name} has a token among {mounts}")
