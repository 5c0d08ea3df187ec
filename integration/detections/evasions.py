# SPDX-License-Identifier: Apache-2.0
"""Rows of docs/evasions.md; each is a step of the detections' test.

A row that names no detection is a miss that is known: its step must raise nothing, so that the page
cannot stay behind when the engine learns to see it.
"""
from plan import Evasion, path_of, reads, run, run_as, under

SHADOW, TOOL, MINER = "/etc/shadow", path_of("tool"), path_of("xmrig")
ROWS = [
    # --- another way to the same file
    Evasion("symbolic link to the file", ["creds.shadow", "link.sensitive"], "the path is that of the opened file; the link is one more alert",
            ("symlink", SHADOW, "/tmp/link-to"), reads("/tmp/link-to")),
    Evasion("relative path, folder descriptor", ["creds.shadow"], "the path is that of the opened file",
            ("openat", "/etc", "../etc/./shadow", "r")),
    Evasion("`openat2`", ["creds.shadow"], "one event for every call that opens", reads(SHADOW, "openat2")),
    Evasion("through `/proc/self/root`", ["creds.shadow"], "the path is that of the opened file",
            reads("/proc/self/root/etc/shadow")),
    Evasion("`O_PATH` first, then reopened through `/proc/self/fd`", ["creds.shadow"],
            "opening for no access is no alert, the second open is", ("reopen", SHADOW)),
    Evasion("link swapped while it is opened", ["creds.shadow", "link.sensitive"],
            "nothing is read from the caller's memory, there is no second look-up to race with",
            ("swap-open", SHADOW, "/etc/passwd")),
    Evasion("32-bit call, `int 0x80`", ["creds.shadow"], "the call is known by the table that it came through",
            ("int80-open", SHADOW, "r")),
    Evasion("x32 call", [], "kernels without that ABI (this one, Debian's by default) refuse the call: nothing is opened",
            ("x32-open", SHADOW, "r")),
    Evasion("`io_uring`", ["kernel.io-uring"], "that a ring is made is seen, what is opened by it is not yet", ("uring-open", SHADOW, "r")),
    Evasion("hard link under another name", ["link.sensitive"], "the new name is the file's name, so the link is "
            "what is seen, not the reading", ("link", SHADOW, "/etc/harmless"), reads("/etc/harmless")),
    Evasion("bind mount over another file", ["escape.mount"], "the path is the one in the container's mounts, so the "
            "mount is what is seen",
            ("write", "/tmp/bound", "x"), ("mount", SHADOW, "/tmp/bound", "none", "4096"), reads("/tmp/bound")),
    Evasion("`chroot` into the folder", ["escape.chroot"], "paths are told below the root of the process, so the "
            "change of the root is what is seen",
            ("chroot", "/etc"), reads("/shadow")),
    Evasion("written elsewhere, then renamed into place", ["persist.cron"], "renames and links into place count as writes",
            ("write", "/etc/new-job", "x"), ("rename", "/etc/new-job", "/etc/cron.d/renamed")),
    # --- another name for the same program
    Evasion("renamed program of the image", [], "without arguments that tell, a name is all there is; its connections "
            "are a matter of the profile", run("nginx-worker", "--quiet")),
    Evasion("renamed copy", ["drift.exec"], "the mark belongs to the file",
            ("copy", TOOL, "/var/lib/nginx-worker"), ("exec", "/var/lib/nginx-worker", "nginx")),
    Evasion("`argv[0]` of another program", ["miner.process"], "the path of the program is the kernel's", run_as("xmrig", "bash")),
    Evasion("name changed by `prctl`", ["creds.shadow"], "who may read is decided by the program's path",
            ("prctl-name", "sshd"), reads(SHADOW)),
    Evasion("a path that is trusted, by bind mount", ["escape.mount"], "a program mounted over `/usr/sbin/sshd` is "
            "taken for it; the mount is what is seen", ("mount", path_of("evil"), path_of("/usr/sbin/sshd"), "none", "4096"),
            ("exec", "/usr/sbin/sshd", "sshd", "--do", "open", "/etc/gshadow", "r")),
    Evasion("`execveat` with a descriptor and no path", ["miner.process"], "the path is that of the executed file",
            ("execveat", MINER, "x")),
    Evasion("memory file", ["exec.memfd"], "known by its kind of file, whatever its name", ("memfd", TOOL, "bash")),
    Evasion("name that is no UTF-8", ["drift.exec", "miner.process"], "names are bytes",
            ("copy", TOOL, r"/var/lib/xmrig\xff\xfe"), ("exec", r"/var/lib/xmrig\xff\xfe", "x")),
    Evasion("very long command line: 12,000 bytes before the switch", ["miner.cmdline"], "arguments are kept up to 16 KiB",
            ("long-exec", path_of("long-one"), "12000", "--donate-level=1", "long-one")),
    Evasion("very long command line: 40,000 bytes before the switch", [], "what is behind 16 KiB is cut off, and marked so",
            ("long-exec", path_of("longer-one"), "40000", "--donate-level=1", "longer-one")),
    Evasion("process made by `clone3` instead of `fork`", ["miner.process"], "processes are followed by the scheduler's events",
            ("clone3", "0", MINER, "xmrig")),
    # --- without a program of its own
    Evasion("shell built-in instead of a program", ["persist.cron"], "files are judged, whoever opens them",
            ("exec", "/bin/sh", "sh", "-c", "echo x >/etc/cron.d/built-in")),
    Evasion("streams by `fcntl(F_DUPFD)` instead of `dup2`", ["revshell.stdio-socket"], "all calls that can put a "
            "descriptor there are looked at", ("stdio", "fcntl", path_of("own-shell"), "own-shell")),
    Evasion("streams that are connections from the start, nothing copied", ["revshell.stdio-socket"], "the streams of a "
            "shell are looked at again at exec", ("stdio-new", path_of("fish"), "fish")),
    Evasion("bash reads and writes `/dev/tcp` itself and runs built-ins only", [], "scripts wait for servers in just this "
            "way, so bash's own copies are left out; its arguments are revshell.cmdline",
            ("exec", path_of("/usr/bin/bash"), "bash", "--do", "stdio", "dup2")),
    Evasion("streams that are connections from the start, under no known shell's name", [], "the profile knows whether the program belongs there: exec",
            ("stdio-new", path_of("my-own-shell"), "my-own-shell")),
    Evasion("user namespace by `clone3` instead of `unshare`", ["escape.user-namespace"], "the flags are read from the "
            "structure that the call is given", ("clone3", "0x30000000")),
    Evasion("name written to `/proc/self/comm` instead of `prctl`", [], "writes are not captured, opening one's own file is "
            "nothing special", ("write", "/proc/self/comm", "kworker/1:1")),
    Evasion("memory of a process by `process_vm_writev` instead of `/proc/PID/mem`", ["inject.process-vm"], "each way has its detection",
            ("process-vm", "write")),
    Evasion("interpreter instead of a download tool", [], "a matter of the profile: net.egress", ("connect", "192.0.2.9", "443")),
    Evasion("server renamed before it starts a shell", [], "without a name on the list only the profile knows it: exec",
            under("my-own-server", "dash", "-c", "id")),
    Evasion("written through the node's path of the same file", ["persist.ld-preload"], "the end of the path counts",
            ("write", "/host/etc/ld.so.preload", "x")),
]
