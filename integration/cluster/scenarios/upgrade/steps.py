# SPDX-License-Identifier: Apache-2.0
"""helm upgrade with changed values: the pods that changed are replaced, certificates and definitions stay."""
import os

import helm
import install
from cases import check, check_equal

VALUES = os.path.join(os.path.dirname(install.__file__), "values.yaml")


def certificates(stage):
    secrets = stage.get("-n", install.NAMESPACE, "secrets", "--field-selector=type=kubernetes.io/tls")["items"]
    return {s["metadata"]["name"]: s["data"] for s in secrets}


def run(stage):
    before = certificates(stage)
    check_equal(len(before), 3, "certificates before the upgrade")
    old = {p["metadata"]["uid"] for p in stage.pods("policysync")}
    uid = stage.get("crd", "runtimeprofiles.podward.dev")["metadata"]["uid"]
    install.run_helm(stage.node, "upgrade", install.RELEASE, helm.CHART, "-n", install.NAMESPACE, "-f", VALUES)
    install.wait_ready(stage.node)
    check(certificates(stage) == before, "certificates changed by the upgrade")
    check_equal(stage.get("crd", "runtimeprofiles.podward.dev")["metadata"]["uid"], uid, "uid of the definition")
    check(not old & {p["metadata"]["uid"] for p in stage.pods("policysync")}, "policysync still has its old pods")
