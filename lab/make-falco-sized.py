#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A rule set of the size and shape of Falco's three public files, with texts of our own.

lab/make-falco-sized.py > set.yaml      always the same bytes

Shape: 93 rules (39 on exec, 26 on open, 10 on connect, 6 on accept and listen, 12 on others), 118
lists, 250 macros, some 1,450 checks of which about 850 differ, most on fd.name, proc.name and
command lines; every field that the public rules use is named at least once.
"""
import random
import sys

rng = random.Random(93)
WORDS = """alpha bravo cedar delta ember fjord gamma helix iris juno karma lotus mango nylon onyx pixel quartz
raven sable tulip umber velvet willow xenon yarrow zephyr amber basil cobalt dune""".split()
FOLDERS = ["/etc", "/usr/bin", "/usr/sbin", "/var/lib", "/var/log", "/root", "/opt", "/run", "/home", "/srv", "/tmp",
           "/dev", "/proc/sys", "/usr/lib", "/boot"]


def word():
    return rng.choice(WORDS) + rng.choice(["", "d", "ctl", "-agent", "2", "_x"])


def path():
    return "/".join([rng.choice(FOLDERS)] + [word() for _ in range(rng.randint(1, 3))])


def print_list(name, items):
    print(f"- list: {name}\n  items: [{', '.join(items)}]")


def lists():
    names, paths, images = [], [], []
    for i in range(70):
        names.append(f"programs_{i}")
        print_list(names[-1], sorted({word() for _ in range(rng.randint(2, 16))}))
    for i in range(30):
        paths.append(f"paths_{i}")
        print_list(paths[-1], [path() for _ in range(rng.randint(2, 9))])
    for i in range(18):
        images.append(f"images_{i}")
        print_list(images[-1], [f"registry.example/{word()}/{word()}" for _ in range(rng.randint(2, 6))])
    return names, paths, images


NAMES, PATHS, IMAGES = lists()


def check_process():
    return rng.choice([
        lambda: f"proc.name in ({rng.choice(NAMES)})",
        lambda: f"proc.name = {word()}",
        lambda: f"proc.pname in ({rng.choice(NAMES)})",
        lambda: f"proc.aname[{rng.randint(2, 5)}] = {word()}",
        lambda: f"proc.aname in ({rng.choice(NAMES)})",
        lambda: f"proc.name startswith {word()}",
    ])()


def check_cmdline():
    field = rng.choice(["proc.cmdline", "proc.cmdline", "proc.args", "proc.pcmdline"])
    op = rng.choice(["contains", "contains", "startswith", "endswith", "icontains"])
    return f'{field} {op} "{rng.choice(["", "-", "--", " "])}{word()}{rng.choice(["", " ", "="])}"'


def check_path():
    return rng.choice([
        lambda: f"fd.name startswith {path()}",
        lambda: f"fd.name startswith {path()}",
        lambda: f"fd.name startswith {path()}/",
        lambda: f"fd.name = {path()}",
        lambda: f"fd.name in ({rng.choice(PATHS)})",
        lambda: f"fd.directory = {path()}",
        lambda: f"fd.name endswith .{word()}",
        lambda: f"fd.name contains {word()}",
        lambda: f"fd.name pmatch ({rng.choice(PATHS)})",
    ])()


def macros():
    kinds = {"process": check_process, "cmdline": check_cmdline, "path": check_path}
    made = {kind: [] for kind in kinds}
    for kind, check in kinds.items():
        for i in range({"process": 110, "cmdline": 60, "path": 70}[kind]):
            name = f"{kind}_{i}"
            parts = [check() for _ in range(rng.randint(1, 6))]
            if i > 10 and rng.random() < 0.3:
                parts.append(rng.choice(made[kind]))
            print(f"- macro: {name}\n  condition: ({' or '.join(parts)})")
            made[kind].append(name)
    return made


def fixed_macros():
    for name, condition in [
            ("never_true", "(evt.num=0)"),
            ("always_true", "(evt.num>=0)"),
            ("container", "(container.id != host)"),
            ("spawned", "(evt.type in (execve, execveat) and evt.res = SUCCESS)"),
            ("reads", "(evt.type in (open, openat, openat2) and evt.is_open_read=true and fd.typechar='f' and fd.num>=0)"),
            ("writes", "(evt.type in (open, openat, openat2) and evt.is_open_write=true and fd.typechar='f' and fd.num>=0)"),
            ("outbound", "(evt.type = connect and evt.rawres >= 0 and fd.typechar in (4, 6) and "
                         "not fd.net in (127.0.0.0/8) and fd.l4proto != udp)"),
            ("inbound", "(evt.type in (accept, accept4, listen) and evt.rawres >= 0 and fd.typechar in (4, 6))")]:
        print(f"- macro: {name}\n  condition: {condition}")


MACROS = macros()
fixed_macros()


def excepted(kind, low, high):
    return " ".join(f"and not {rng.choice(MACROS[kind])}" for _ in range(rng.randint(low, high)))


def rule(index, condition):
    fields = "proc.name proc.cmdline proc.pname proc.exepath user.name container.id k8s.ns.name evt.type".split()
    output = " ".join(f"{f.split('.')[-1]}=%{f}" for f in rng.sample(fields, 5))
    print(f"- rule: Made rule {index}\n  desc: shaped like a public one\n  condition: >\n    {condition}\n"
          f"  output: {word()} ({output} %container.info)\n"
          f"  priority: {rng.choice(['CRITICAL', 'ERROR', 'WARNING', 'NOTICE', 'INFO'])}\n"
          f"  tags: [container, T10{rng.randint(10, 99)}]")


OTHERS = [
    "evt.type = ptrace and evt.arg.request contains PTRACE_ATTACH and evt.rawres = 0",
    "evt.type in (chmod, fchmod, fchmodat) and (evt.arg.mode contains S_ISUID or evt.arg.mode contains S_ISGID) and "
    "not evt.failed = true and evt.arg.filename exists",
    "evt.type in (symlink, symlinkat) and evt.arg.target in (paths_1) and evt.arg.linkpath exists",
    "evt.type in (link, linkat) and evt.arg.oldpath in (paths_2)",
    "evt.type in (rename, renameat, renameat2, unlink, unlinkat, rmdir) and (evt.arg.path startswith /etc/ or "
    "evt.arg.name startswith /etc/ or evt.arg.oldpath startswith /usr/ or evt.arg.newpath startswith /usr/)",
    "evt.type in (mkdir, mkdirat) and evt.arg.path startswith /dev/",
    "evt.type = setns and evt.arg.nstype exists and not thread.cap_effective contains CAP_SYS_ADMIN",
    "evt.type = unshare and evt.arg.flags contains CLONE_NEWUSER and not thread.cap_permitted contains CAP_SYS_ADMIN",
    "evt.type = setuid and evt.arg.uid = 0 and user.name != root and user.uid > 0",
    "evt.type = bpf and evt.arg.cmd = BPF_PROG_LOAD and thread.cap_inheritable exists",
    "evt.type in (dup, dup2, dup3) and evt.rawres in (0, 1, 2) and fd.type in (ipv4, ipv6) and fd.num in (0, 1, 2)",
    "evt.type = socket and evt.arg.domain contains AF_PACKET and evt.dir = < and evt.source = syscall",
]
EXTRA_EXEC = ["proc.is_exe_upper_layer=true", "proc.is_exe_from_memfd=true", "proc.tty != 0", "proc.exepath startswith /dev/shm",
              "proc.cwd startswith /tmp/", "proc.env[LD_PRELOAD] exists", "proc.vpid = 1", "proc.sname in (programs_3)",
              "proc.is_sid_leader = true and proc.sid > 0", "proc.exe endswith x", "proc.pexe contains y",
              "proc.ppid.duration > 1000", "proc.exe_ino exists and proc.pid > 1 and proc.ppid > 0",
              "proc.aexepath[2] startswith /usr", "proc.acmdline[2] contains z", "proc.pexepath endswith sh",
              "group.gid = 0 and group.name = root", "proc.pvpid exists", "container.image.tag = latest",
              "container.image.digest exists and container.name exists and container.type exists"]
EXTRA_NET = ["fd.sport in (22, 3333, ssh)", "fd.sip.name = pool.example", "fd.snet in (10.0.0.0/8, 172.16.0.0/12)",
             "fd.rip in (1.2.3.4)", "fd.port in (4444, 5555)", "fd.connected = true and fd.name_changed = true",
             "fd.sip in (169.254.169.254)", "fd.lport > 1024 or fd.rport = 443", "fd.sockfamily = ip", "fd.ip exists"]

for i in range(93):
    if i < 39:
        condition = f"spawned and container and {rng.choice(MACROS['process'])} and ({rng.choice(MACROS['cmdline'])} or " \
                    f"{EXTRA_EXEC[i % len(EXTRA_EXEC)]}) {excepted('process', 1, 4)} and " \
                    f"not container.image.repository in ({rng.choice(IMAGES)})"
    elif i < 65:
        many = " or ".join(check_path() for _ in range(24 if i == 39 else rng.randint(2, 8)))
        condition = f"{rng.choice(['reads', 'writes'])} and container and ({many} or {rng.choice(MACROS['path'])}) " \
                    f"{excepted('process', 2, 9)} {excepted('cmdline', 0, 2)} {excepted('path', 1, 4)}"
    elif i < 75:
        condition = f"outbound and container and ({EXTRA_NET[i - 65]}) {excepted('process', 1, 3)} and " \
                    f"not k8s.ns.name in (kube-system) and not k8s.pod.name startswith {word()}"
    elif i < 81:
        condition = f"inbound and container and fd.lport exists {excepted('process', 1, 3)}"
    else:
        condition = f"{OTHERS[i - 81]} and container {excepted('process', 1, 3)}"
    rule(i, condition)
sys.stdout.flush()
