# SPDX-License-Identifier: Apache-2.0
"""helm uninstall: everything of the release goes but the definitions, and with them policies and profiles stay."""
import install
from cases import check, check_equal
from rig import wait_until

KINDS = "daemonsets,statefulsets,deployments,services,configmaps,serviceaccounts,roles,rolebindings,networkpolicies"


def names_of_profiles(stage):
    """In a namespace that stays, unlike those of the scenarios."""
    return stage.kubectl("-n", install.NAMESPACE, "get", "rtpf", "-o", "name")


def run(stage):
    profiles = names_of_profiles(stage)
    check(profiles, "no profile to keep")
    install.uninstall(stage.node)
    wait_until(lambda: not stage.pods("collector"), 60, "the pods to go")
    left = stage.kubectl("-n", install.NAMESPACE, "get", KINDS, "-l", "app.kubernetes.io/part-of=podward", "-o", "name")
    check_equal(left, "", "objects that are left")
    cluster_wide = stage.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    check("podward" not in cluster_wide, "cluster roles are left")
    check_equal(names_of_profiles(stage), profiles, "profiles")
