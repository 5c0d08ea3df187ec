# SPDX-License-Identifier: Apache-2.0
"""Debian's cloud kernels as files that QEMU can boot, kept in a cache outside of the build folder.

Downloads go through apt with a state of its own: the machine's sources and lists stay untouched. The
cache is ${PODWARD_KERNEL_CACHE}, else ${XDG_CACHE_HOME:-~/.cache}/podward/kernels.
"""
import fcntl
import glob
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import debian  # noqa: E402
from debian import Unavailable  # noqa: E402

# Modules without dependencies that the tests want. A kernel that has them built in has no such file.
MODULES = ["overlay"]


class Row:
    """One line of kernels.conf."""

    def __init__(self, line):
        self.name, self.suite, self.series, *arguments = line.split()
        self.arguments = " ".join(arguments)


def rows():
    with open(os.path.join(HERE, "kernels.conf"), encoding="utf-8") as f:
        lines = [line.split("#")[0].strip() for line in f]
    return [Row(line) for line in lines if line]


def cache_folder():
    return os.environ.get("PODWARD_KERNEL_CACHE") or debian.cache_folder("kernels")


def apt(suite, *command):
    """One apt command with a private state for the suite; returns its output."""
    return debian.apt(os.path.join(cache_folder(), "apt", suite), suite, "amd64", *command)


def update(suite):
    debian.update(os.path.join(cache_folder(), "apt", suite), suite, "amd64")


def version_key(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def newest_release(row):
    """"6.12.94+deb13-cloud-amd64": what uname -r will say."""
    series = "" if row.series == "newest" else re.escape(row.series) + r"\."
    shape = re.compile(rf"^linux-image-({series}\d\S*-cloud-amd64)$")
    names = apt(row.suite, "apt-cache", "pkgnames", "linux-image-").split()
    releases = [m.group(1) for m in map(shape.match, names) if m]
    if not releases:
        raise Unavailable(f"{row.suite} has no cloud kernel {row.series}")
    return max(releases, key=version_key)


def packages_of(suite, release):
    """Newer suites split an image into binary and modules."""
    names = set(apt(suite, "apt-cache", "pkgnames", "linux-").split())
    split = [f"linux-{part}-{release}" for part in ("binary", "modules")]
    return split if split[0] in names else [f"linux-image-{release}"]


# --- from a package to a file that boots ---

def decompress(payload):
    """What the boot loader's stub would do; the emulator would take many seconds for it."""
    if payload[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(payload)
    if payload[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(payload)
    for magic, tool in ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\x02\x21\x4c\x18", "lz4")):
        if payload[:4] == magic:
            # Both complain about what follows the stream and give its content all the same.
            return subprocess.run([tool, "-dcq"], input=payload, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL).stdout
    raise Unavailable(f"unknown compression {payload[:6].hex()} of a kernel image")


def vmlinux_of(image):
    """The ELF file inside a bzImage. Source: Documentation/arch/x86/boot.rst, payload_offset."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    data = decompress(image[start:start + length])
    if b"\x7fELF" not in data[:64]:
        raise Unavailable("no ELF file inside the kernel image")
    return data[data.index(b"\x7fELF"):]


def module_bytes(path):
    with open(path, "rb") as f:
        data = f.read()
    return lzma.decompress(data) if path.endswith(".xz") else data


def unpack(suite, release, folder):
    """folder/{vmlinux,release,modules/*.ko}"""
    work = folder + ".work"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(os.path.join(work, "modules"))
    state = os.path.join(cache_folder(), "apt", suite)
    for package in packages_of(suite, release):
        apt(suite, "apt-get", "download", package)
        deb = max(glob.glob(os.path.join(state, package + "_*.deb")), key=os.path.getmtime)
        subprocess.run(["dpkg-deb", "-x", deb, os.path.join(work, "tree")], check=True)
        os.unlink(deb)
    image = glob.glob(os.path.join(work, "tree", "boot", "vmlinuz*")) + glob.glob(
        os.path.join(work, "tree", "**", "vmlinuz*"), recursive=True)
    with open(image[0], "rb") as f:
        vmlinux = vmlinux_of(f.read())
    with open(os.path.join(work, "vmlinux"), "wb") as f:
        f.write(vmlinux)
    for name in MODULES:
        for path in glob.glob(os.path.join(work, "tree", "**", name + ".ko*"), recursive=True):
            with open(os.path.join(work, "modules", name + ".ko"), "wb") as f:
                f.write(module_bytes(path))
    with open(os.path.join(work, "release"), "w", encoding="utf-8") as f:
        f.write(release)
    shutil.rmtree(os.path.join(work, "tree"))
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(work, folder)


def prepare(row):
    """The folder with the row's kernel; downloads what is not there. Several may call at once."""
    os.makedirs(cache_folder(), exist_ok=True)
    with open(os.path.join(cache_folder(), "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = os.path.join(cache_folder(), f"{row.suite}-{row.series}")
        current = os.path.join(folder, "release")
        if os.path.exists(current) and time.time() - os.path.getmtime(current) < debian.LISTS_KEPT_S:
            return folder
        try:
            update(row.suite)
            release = newest_release(row)
            if not (os.path.exists(current) and open(current, encoding="utf-8").read() == release):
                unpack(row.suite, release, folder)
            os.utime(current)
        except Unavailable:
            if not os.path.exists(current):  # an older one of the series is better than none
                raise
        return folder
