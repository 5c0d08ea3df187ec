# SPDX-License-Identifier: Apache-2.0
"""The root file system of the workloads: Debian packages in a tar file, made once and kept outside the tree."""
import os
import shutil
import subprocess

from containers import run
from rig import ROOT, RigError

PACKAGES = ("nginx-light redis-server postgresql python3-minimal libpython3-stdlib gunicorn cron logrotate gcc "
            "libc6-dev make rsync default-jre-headless apache2 sqlite3 procps ca-certificates").split()
CACHE = os.environ.get("PODWARD_CACHE", os.path.join(ROOT, "build", "cache"))


def why_not():
    """A reason why the image cannot be made here, or None."""
    if os.path.exists(archive()) or shutil.which("mmdebstrap"):
        return None
    return "mmdebstrap is not installed (tools/install-packages.sh bench)"


def archive():
    return os.path.join(CACHE, "workloads-bookworm.tar")


def make():
    """Path of the tar file; takes some minutes the first time."""
    path = archive()
    if os.path.exists(path):
        return path
    os.makedirs(CACHE, exist_ok=True)
    part = path + ".part"
    try:
        subprocess.run(["mmdebstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), "--format=tar",
                        "bookworm", part], check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RigError(f"the image of the workloads: {error}") from None
    os.rename(part, path)
    return path


def load(podman):
    """Imports it under the name of this podman."""
    run(podman.command("import", make(), podman.image), seconds=600)
    podman.has_image = True
    podman.find_flags()
