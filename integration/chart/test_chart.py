#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The chart with a real Helm: renders every set of values the same twice, and what it renders is what it promises."""
import glob
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "integration", "lib"))
from cases import check, check_equal, main  # noqa: E402
from helm import CHART, helm, needs, objects, render  # noqa: E402

GOOD = sorted(glob.glob(os.path.join(HERE, "values", "*.yaml")))
# arguments of --set, what the message must name
BAD = [
    ("colector.image=x", "colector"),
    ("collector.privileged=true", "privileged"),
    ("analyzer.replicas=0", "analyzer.replicas"),
    ("analyzer.replicas=many", "analyzer.replicas"),
    ("policysync.replicas=3", "policysync.replicas"),
    ("analyzer.replicas=2", "policysync.replicas"),
    ("analyzer.autoscaling.enabled=true", "policysync.replicas"),
    ("tls.method=none", "tls.method"),
    ("tls.method=existing", "tls.existing."),
    ("tls.method=certManager", "tls.certManager.issuerRef.name"),
    ("global.logLevel=loud", "global.logLevel"),
    ("policysync.spool.size=huge", "policysync.spool.size"),
    ("policysync.outputs[0].type=webhook", "name is required"),
    ("networkPolicy.egressCIDRs[0]=everywhere", "networkPolicy.egressCIDRs"),
]


def lint_is_clean(_options):
    for path in GOOD:
        done = helm("lint", "--strict", CHART, "-f", path)
        check_equal(done.returncode, 0, f"helm lint {os.path.basename(path)}: {done.stdout}{done.stderr}")


def two_renders_are_the_same(_options):
    check(len(GOOD) >= 8, f"only {len(GOOD)} sets of values")
    for path in GOOD:
        # Certificates made by helm differ by nature; everything else must not.
        first, second = (re.sub(r"(ca\.crt|tls\.crt|tls\.key): .*", r"\1:", render("-f", path)) for _ in range(2))
        check_equal(first, second, os.path.basename(path))
        check(len(objects(first)) >= 10, f"{path}: renders only {len(objects(first))} objects")


def bad_values_are_refused_by_name(_options):
    for setting, word in BAD:
        done = helm("template", "podward", CHART, "--set", setting)
        check(done.returncode != 0, f"{setting}: accepted")
        check(word in done.stderr, f"{setting}: {done.stderr.strip()[-300:]} does not name {word}")


def container_of(workload):
    containers = workload["spec"]["template"]["spec"]["containers"]
    check_equal(len(containers), 1, f"containers of {workload['metadata']['name']}")
    return containers[0]


def nothing_is_privileged(_options):
    for path in GOOD:
        for thing in objects(render("-f", path)):
            if thing["kind"] not in ("DaemonSet", "StatefulSet", "Deployment"):
                continue
            name = thing["metadata"]["name"]
            context = container_of(thing)["securityContext"]
            check(not context.get("privileged"), f"{name} is privileged")
            check_equal(context["allowPrivilegeEscalation"], False, f"{name} escalation")
            check_equal(context["readOnlyRootFilesystem"], True, f"{name} root")
            check_equal(context["capabilities"]["drop"], ["ALL"], f"{name} drop")
            spec = thing["spec"]["template"]["spec"]
            check(not spec.get("hostNetwork"), f"{name} uses the node's network")
            if "collector" in name:
                wanted = ["BPF", "PERFMON", "SYS_PTRACE"]
                added = [c for c in context["capabilities"]["add"] if c != "SYS_RESOURCE"]
                check_equal(added, wanted, f"{name} capabilities")
            else:
                check_equal(context["runAsNonRoot"], True, f"{name} user")
                check("add" not in context["capabilities"], f"{name} adds capabilities")
                check("hostPID" not in spec, f"{name} shares the node's processes")


def only_policysync_has_a_token(_options):
    for thing in objects(render()):
        if thing["kind"] in ("DaemonSet", "StatefulSet", "Deployment"):
            spec = thing["spec"]["template"]["spec"]
            has_token = spec.get("automountServiceAccountToken", True)
            check_equal(has_token, "policysync" in thing["metadata"]["name"], thing["metadata"]["name"])
        if thing["kind"] in ("ClusterRoleBinding", "RoleBinding"):
            for subject in thing["subjects"]:
                check("policysync" in subject["name"], f"{subject['name']} has rights")
        if thing["kind"] in ("ClusterRole", "Role"):
            for rule in thing["rules"]:
                check("*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], f"wildcard: {rule}")
                check("secrets" not in rule["resources"], "secrets can be read")


def several_analyzers_tell_where_they_are(_options):
    for replicas, shares in ((1, False), (3, True)):
        arguments = {o["metadata"]["name"]: container_of(o)["args"] for o in objects(
            render("--set", f"analyzer.replicas={replicas}", "--set", "policysync.replicas=1"))
                     if o["kind"] in ("StatefulSet", "Deployment")}
        told = [a for a in arguments["podward-analyzer"] if a.startswith("--advertise=$(POD_NAME).podward-analyzer.")]
        given = [a for a in arguments["podward-policysync"] if a.startswith("--analyzers=podward-analyzer-0=")]
        check_equal((len(told), len(given)), (1, 0) if shares else (0, 1), f"{replicas} analyzers")


def versions_follow_the_cluster(_options):
    rows = [("1.20.2", "policy/v1beta1", "autoscaling/v2beta2"),
            ("1.22.0", "policy/v1", "autoscaling/v2beta2"),
            ("1.36.0", "policy/v1", "autoscaling/v2")]
    for version, budget, scaler in rows:
        arguments = ["--kube-version", version, "--set", "analyzer.autoscaling.enabled=true",
                     "--set", "policysync.replicas=1"]
        kinds = {o["kind"]: o["apiVersion"] for o in objects(render(*arguments))}
        check_equal(kinds["PodDisruptionBudget"], budget, version)
        check_equal(kinds["HorizontalPodAutoscaler"], scaler, version)


def definitions_can_be_kept_or_left_out(_options):
    for values, count, keeps in (([], 7, True), (["--set", "crds.keep=false"], 7, False),
                                 (["--set", "crds.install=false"], 0, None)):
        crds = [o for o in objects(render(*values)) if o["kind"] == "CustomResourceDefinition"]
        check_equal(len(crds), count, f"definitions with {values}")
        for crd in crds:
            kept = crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
            check_equal(kept, keeps, f"{crd['metadata']['name']} kept")


def rules_and_dashboard_are_sound(_options):
    path = os.path.join(CHART, "files", "alerts.yaml")
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    check_equal(done.returncode, 0, done.stdout + done.stderr)
    check(int(re.search(r"(\d+) rules found", done.stdout).group(1)) >= 14, done.stdout)
    tests = os.path.join(HERE, "alerts_test.yaml")
    done = subprocess.run(["promtool", "test", "rules", tests], capture_output=True, text=True, check=False)
    check_equal(done.returncode, 0, done.stdout + done.stderr)
    with open(os.path.join(CHART, "files", "dashboard.json"), encoding="utf-8") as f:
        panels = json.load(f)["panels"]
    check(len(panels) >= 12, "too few panels")
    with open(path, encoding="utf-8") as f:
        expressions = [f.read()] + [t["expr"] for p in panels for t in p["targets"]]
    known = known_metrics()
    for name in set(re.findall(r"podward_[a-z_]+", " ".join(expressions))):
        if name in ("podward_", "podward_."):
            continue
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        check(base in known, f"{name} is no metric of ours")


def known_metrics():
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as f:
        return set(re.findall(r"`(podward_[a-z_]+)`", f.read()))


def every_alert_has_a_test(_options):
    with open(os.path.join(CHART, "files", "alerts.yaml"), encoding="utf-8") as f:
        alerts = set(re.findall(r"- alert: (\w+)", f.read()))
    with open(os.path.join(HERE, "alerts_test.yaml"), encoding="utf-8") as f:
        tested = set(re.findall(r'alertname="(\w+)"', f.read()))
    check_equal(sorted(alerts - tested), [], "alerts without a test")


if __name__ == "__main__":
    main(__doc__, [lint_is_clean, two_renders_are_the_same, bad_values_are_refused_by_name, nothing_is_privileged,
                   only_policysync_has_a_token,
                   several_analyzers_tell_where_they_are, versions_follow_the_cluster, definitions_can_be_kept_or_left_out,
                   rules_and_dashboard_are_sound, every_alert_has_a_test], needs)
