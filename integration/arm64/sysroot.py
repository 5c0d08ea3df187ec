#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The libraries of the group "build" in tools/packages.txt for arm64, unpacked into a folder.

sysroot.py [--print]      makes it when it is not there or the list has changed, and prints where it is

Nothing is installed: a cross compiler takes the folder as its root. Exit code 77 when the packages
cannot be had here, with the reason.
"""
import glob
import hashlib
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import debian  # noqa: E402

PACKAGES = os.path.join(HERE, "..", "..", "tools", "packages.txt")
SUITE, ARCH = "bookworm", "arm64"


def libraries():
    """What is linked; compilers and tools stay those of this machine."""
    with open(PACKAGES, encoding="utf-8") as f:
        names = [line.split()[1] for line in f if line.startswith("build ")]
    return [n for n in names if n.endswith("-dev") and not n.startswith("libclang")]


def unpack(archives, root):
    os.makedirs(os.path.join(root, "usr", "lib"))
    os.symlink("usr/lib", os.path.join(root, "lib"))
    for deb in archives:
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], input=data, check=True)


def make(folder, names):
    state = os.path.join(folder, "apt")
    debian.update(state, SUITE, ARCH)
    os.makedirs(os.path.join(state, "archives", "partial"), exist_ok=True)
    debian.apt(state, SUITE, ARCH, "apt-get", "-y", "install", "--download-only",
               "--no-install-recommends", *names)
    work = os.path.join(folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    unpack(sorted(glob.glob(os.path.join(state, "archives", "*.deb"))), work)
    shutil.rmtree(os.path.join(folder, "root"), ignore_errors=True)
    os.rename(work, os.path.join(folder, "root"))
    shutil.rmtree(os.path.join(state, "archives"))


def main():
    folder, names = debian.cache_folder("arm64"), libraries()
    stamp = os.path.join(folder, "root.of")
    wanted = hashlib.sha256(" ".join(names).encode()).hexdigest()
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != wanted:
        try:
            make(folder, names)
        except debian.Unavailable as reason:
            print(f"SKIP: {reason}")
            return 77
        with open(stamp, "w", encoding="utf-8") as f:
            f.write(wanted)
    print(os.path.join(folder, "root"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
