# SPDX-License-Identifier: Apache-2.0
"""Real containers by podman from a small image of busybox, made locally, no download."""
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import uuid

from rig import RigError, wait_until

APPLETS = ("busybox", "sh", "httpd", "wget", "nc", "cat", "cp", "rm", "mkdir", "sleep", "echo", "true")
# What hosts without CAP_SYS_RESOURCE, with hybrid cgroups, or without systemd need.
FALLBACK_GLOBAL = ["--runtime", "runc", "--cgroup-manager=cgroupfs"]
FALLBACK_RUN = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=30000:30000"]


def run(argv, seconds=60, check=True, **more):
    try:
        done = subprocess.run(argv, capture_output=True, timeout=seconds, check=False, **more)
    except subprocess.TimeoutExpired:
        raise RigError(f"{' '.join(argv[:4])} … took longer than {seconds} s") from None
    if check and done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RigError(f"{' '.join(argv[:6])} …: exit {done.returncode}: {words[-1] if words else ''}")
    return done


def image_archive(files, add=None):
    """A root file system as tar bytes: busybox once, its applets as hard links, and the files given.

    add(tar) puts in what else the image is to have.
    """
    busybox = shutil.which("busybox")
    if not busybox:
        raise RigError("busybox is not installed (tools/install-packages.sh runtime)")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "www", "proc", "sys", "dev", "var", "var/tmp", "root"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder.endswith("tmp") else 0o755
            tar.addfile(entry)
        with open(busybox, "rb") as f:
            add_file(tar, "bin/busybox", f.read(), 0o755)
        for applet in APPLETS[1:]:
            entry = tarfile.TarInfo("bin/" + applet)
            entry.type, entry.linkname, entry.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
            tar.addfile(entry)
        for name, text in files.items():
            add_file(tar, name, text.encode(), 0o600 if name == "etc/shadow" else 0o644)
        if add:
            add(tar)
    return raw.getvalue()


def add_file(tar, name, data, mode):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


BASE_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\n",
    "www/index.html": "hello\n",
}


class Podman:
    """The runtime: finds out which flags this machine needs, makes and removes what it made."""

    def __init__(self):
        self.name = "podward-" + uuid.uuid4().hex[:8]
        self.image = f"localhost/{self.name}:1"
        self.global_flags, self.run_flags = [], []
        self.containers, self.has_image = [], False
        self.api, self.folder = None, None

    def command(self, *argv):
        return ["podman"] + self.global_flags + list(argv)

    def make_image(self, files=None, add=None):
        archive = image_archive({**BASE_FILES, **(files or {})}, add)
        run(self.command("import", "-", self.image), input=archive)
        self.has_image = True
        self.find_flags()

    def find_flags(self):
        failures = []
        for flags, run_flags in (([], []), (["--runtime", "runc"], []), (FALLBACK_GLOBAL, []),
                                 (FALLBACK_GLOBAL, FALLBACK_RUN)):
            self.global_flags, self.run_flags = flags, run_flags
            done = run(self.command("run", "--rm", "--network=host", *run_flags, self.image,
                                    "/bin/true"), check=False)
            if done.returncode == 0:
                return
            failures.append(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:])
        raise RigError(f"podman cannot run a container here: {failures[-1]}")

    def start(self, name, *argv, flags=(), network="host"):
        """Starts a container in the background; returns its full id."""
        full = f"{self.name}-{name}"
        self.containers.append(full)
        done = run(self.command("run", "-d", "--name", full, f"--network={network}", *self.run_flags, *flags,
                                self.image, *argv))
        return done.stdout.decode().strip()

    def run_once(self, *argv, flags=()):
        """A container that lives as long as its command; returns its output."""
        done = run(self.command("run", "--rm", "--network=host", *self.run_flags, *flags, self.image,
                                *argv), check=False)
        return done.stdout.decode("utf-8", "replace")

    def exec(self, name, *argv, check=False):
        return run(self.command("exec", f"{self.name}-{name}", *argv), check=check)

    def remove(self, name):
        full = f"{self.name}-{name}"
        run(self.command("rm", "-f", "-t", "0", full), check=False)
        if full in self.containers:
            self.containers.remove(full)

    def start_api(self):
        """podman's Docker-compatible API on a private unix socket; returns its path."""
        self.folder = tempfile.mkdtemp(prefix="podward-api-")
        path = os.path.join(self.folder, "podman.sock")
        self.api = subprocess.Popen(self.command("system", "service", "--time=0", "unix://" + path),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: os.path.exists(path), 20, "podman's API socket")
        return path

    def close(self, keep_image=False):
        for full in list(self.containers):
            run(self.command("rm", "-f", "-t", "0", full), check=False)
        self.containers.clear()
        if self.api is not None:
            self.api.terminate()
            try:
                self.api.wait(10)
            except subprocess.TimeoutExpired:
                self.api.kill()
                self.api.wait()
            self.api = None
        if self.has_image and not keep_image:
            run(self.command("rmi", "-f", self.image), check=False)
            self.has_image = False
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def web_server(port, pause=1):
    """argv of a container that serves /www and asks itself for a page now and then, for ever."""
    loop = (f"httpd -p 127.0.0.1:{port} -h /www; "
            f"while true; do wget -q -O /tmp/page http://127.0.0.1:{port}/; sleep {pause}; done")
    return ["/bin/sh", "-c", loop]


def settle(seconds):
    """Lets time pass where a clock of the product is what is waited for."""
    time.sleep(seconds)
