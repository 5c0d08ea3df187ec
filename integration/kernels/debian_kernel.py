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
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_KEPT_S = 7 * 24 * 3600
# Modules without dependencies that the tests want. A kernel that has them built in has no such file.
MODULES = ["overlay"]


class Unavailable(Exception):
    """A kernel or tool cannot be had here: a reason to skip, not a failure."""


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
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("PODWARD_KERNEL_CACHE") or os.path.join(home, "podward", "kernels")


# --- apt ---

def mirror_of_this_machine():
    """Where this machine gets Debian from: the part before "/debian" of its first such source."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*")) + ["/etc/apt/sources.list"]:
        try:
            with open(path, encoding="utf-8") as f:
                found = re.search(r"(https?://\S+?)/debian/?\s", f.read())
        except OSError:
            continue
        if found:
            return found.group(1)
    raise Unavailable("no Debian archive among this machine's apt sources")


def apt(suite, *command):
    """Runs one apt command with a private state for the suite; returns its output."""
    state = os.path.join(cache_folder(), "apt", suite)
    os.makedirs(os.path.join(state, "lists", "partial"), exist_ok=True)
    archive = "debian-security" if suite.endswith("-security") else "debian"
    with open(os.path.join(state, "sources.list"), "w", encoding="utf-8") as f:
        f.write(f"deb [arch=amd64 signed-by={KEYRING}] {mirror_of_this_machine()}/{archive} {suite} main\n")
    options = {
        "Dir::Etc::SourceList": os.path.join(state, "sources.list"),
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": os.path.join(state, "lists"),
        "Dir::State::status": "/dev/null",
        "Dir::Cache": state,
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    done = subprocess.run([command[0], "-q", *words, *command[1:]], capture_output=True, text=True,
                          cwd=state, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)} ({suite}): {done.stderr.strip()[-200:]}")
    return done.stdout


def update(suite):
    stamp = os.path.join(cache_folder(), "apt", suite, "updated")
    if os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < LISTS_KEPT_S:
        return
    apt(suite, "apt-get", "update")
    with open(stamp, "w", encoding="utf-8"):
        pass


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
        if os.path.exists(current) and time.time() - os.path.getmtime(current) < LISTS_KEPT_S:
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
