# SPDX-License-Identifier: Apache-2.0
"""Certificates for a Rig, made by tools/make-certs.sh; why_not() says what is missing for that."""
import os
import shutil
import subprocess

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "make-certs.sh")


def why_not():
    """A reason why there can be no certificates, or None."""
    return None if shutil.which("openssl") else "openssl is not installed"


class Certs:
    """One authority in a folder of its own, and what it issues."""

    def __init__(self, folder):
        self.folder = folder

    def issue(self, *identities):
        """Makes certificates; those that are there are replaced, as a renewal would."""
        subprocess.run([SCRIPT, self.folder, *identities], check=True, stdout=subprocess.DEVNULL)

    def path(self, identity, ending):
        return os.path.join(self.folder, identity.replace("/", "-", 1) + ending)

    def flags(self, identity):
        return ["--tls-ca", os.path.join(self.folder, "ca.pem"), "--tls-cert", self.path(identity, ".pem"),
                "--tls-key", self.path(identity, ".key")]
