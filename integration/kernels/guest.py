# SPDX-License-Identifier: Apache-2.0
"""One QEMU guest: a kernel, a root of a few files, a shell script that runs in it.

Emulated in software (TCG): nested virtualisation is often slower than that, and rarely there.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = ["/bin/true", "/bin/sh"]  # real programs that tests start, with their libraries
# What the kernel says when it has found a fault in itself.
SPLAT = re.compile(r"BUG:|Oops|WARNING: |Kernel panic|soft lockup|general protection|rcu: INFO: .*stall")
BOOT = ("console=ttyS0 8250.nr_uarts=4 reboot=t panic=-1 oops=panic quiet loglevel=4 printk.devkmsg=on "
        "nokaslr mitigations=off random.trust_cpu=on notsc clocksource=hpet watchdog_thresh=60")


class Result:
    """code is None when the guest never said one."""

    def __init__(self, code, output, console, seconds):
        self.code, self.output, self.console, self.seconds = code, output, console, seconds
        self.splats = [line.strip() for line in console.splitlines() if SPLAT.search(line)]


def libraries_of(program):
    found = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(/[^ ()]+\.so[^ ()]*)", found)))


def put(root, source, target):
    """Copies one file with the libraries that it needs; links are followed."""
    place = root + target
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if not os.path.lexists(place):
        shutil.copy2(source, place)
    for library in libraries_of(source):
        if not os.path.lexists(root + library):
            os.makedirs(os.path.dirname(root + library), exist_ok=True)
            shutil.copy2(library, root + library)


def make_root(root, kernel, files, script):
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "run", "root", "var", "job.d", "modules",
                   "usr/bin", "usr/lib"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    put(root, shutil.which("busybox") or "/bin/busybox", "/bin/busybox")
    for tool in TOOLS:
        put(root, tool, tool)
    for name in os.listdir(os.path.join(kernel, "modules")):
        shutil.copy2(os.path.join(kernel, "modules", name), os.path.join(root, "modules", name))
    for source, target in files:
        put(root, source, target)
    shutil.copy2(os.path.join(HERE, "init.sh"), os.path.join(root, "init"))
    os.chmod(os.path.join(root, "init"), 0o755)
    for name, text in (("etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
                       ("etc/hostname", "guest\n"), ("job", script)):
        with open(os.path.join(root, name), "w", encoding="utf-8") as f:
            f.write(text)


def pack(root, archive):
    with open(archive, "wb") as out:
        names = subprocess.run(["find", ".", "-print0"], cwd=root, check=True, capture_output=True).stdout
        subprocess.run(["cpio", "--null", "--create", "--format=newc", "--quiet", "--owner=0:0"],
                       cwd=root, input=names, stdout=out, check=True)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().replace("\r", "")
    except FileNotFoundError:
        return ""


def run(kernel, arguments, files, script, timeout_s, memory_mb=1024):
    """kernel: a folder of debian_kernel.prepare; files: [(source, target)]; script: for sh."""
    with tempfile.TemporaryDirectory(prefix="podward-guest.") as work:
        root = os.path.join(work, "root")
        make_root(root, kernel, files, script)
        pack(root, os.path.join(work, "initrd"))
        shutil.rmtree(root)
        ports = [os.path.join(work, name) for name in ("console", "output", "result")]
        command = [
            "qemu-system-x86_64", "-M", "pc", "-accel", "tcg,thread=multi,tb-size=256",
            "-cpu", "max,la57=off", "-smp", "1", "-m", str(memory_mb), "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-kernel", os.path.join(kernel, "vmlinux"),
            "-initrd", os.path.join(work, "initrd"), "-append", f"{BOOT} {arguments}",
            "-device", "virtio-rng-pci",
        ]
        for port in ports:
            command += ["-serial", f"file:{port}"]
        started = time.monotonic()
        try:
            subprocess.run(command, timeout=timeout_s, stdin=subprocess.DEVNULL, capture_output=True)
        except subprocess.TimeoutExpired:
            pass  # killed by subprocess; the result file stays empty
        said = re.search(r"^code=(\d+)$", read(ports[2]), re.M)
        return Result(int(said.group(1)) if said else None, read(ports[1]), read(ports[0]),
                      time.monotonic() - started)
