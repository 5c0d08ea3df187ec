# SPDX-License-Identifier: Apache-2.0
"""Attacks of which no two are the same: each opens a file of its own, and a signature fires on every one."""

FOLDER = "/etc/attacks/"
DETECTOR = "sig/attacks/touched"
SIGNATURES = """\
apiVersion: podward.dev/v1alpha1
kind: SignatureSet
metadata: {name: attacks}
spec:
  rules:
  - id: touched
    title: An attack of the test
    severity: High
    condition: "evt.type in (open, openat, openat2) and fd.name startswith /etc/attacks/"
    output: "%fd.name was opened"
"""


def number_of(alert):
    """Which attack an alert of the spool is about, or None."""
    path = alert["object"]
    return int(path[len(FOLDER):]) if path.startswith(FOLDER) else None
