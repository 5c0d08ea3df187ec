#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear line that names the thing, exit code not 0, or the old state kept."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cases import Skip, check, check_equal, main  # noqa: E402
from rig import Rig, RigError, free_port, wait_until  # noqa: E402

PROGRAMS = ("policysync", "analyzer", "collector")
GOOD = """\
apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimePolicy
metadata: {name: mine}
spec: {mode: Audit}
"""


def run_program(options, name, *arguments, seconds=20):
    """(exit code, standard error) of a program that is expected to end by itself."""
    argv = [os.path.join(options.bin, "podward-" + name), *arguments]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=seconds, check=False, text=True)
    except subprocess.TimeoutExpired:
        return None, "does not end"
    return done.returncode, done.stderr


def refused(options, name, arguments, words):
    """Exit code not 0, no signal, and every word in one line of the error."""
    if not any(a.startswith("--metrics-listen") for a in arguments):
        arguments = arguments + ["--metrics-listen", "127.0.0.1:0"]
    code, text = run_program(options, name, *arguments)
    label = f"podward-{name} {' '.join(arguments)}"
    check(code is not None and code > 0, f"{label}: exit {code}: {text[-300:]}")
    lines = [line for line in text.splitlines() if all(re.search(w, line) for w in words)]
    check(lines, f"{label}: no line with {words} in: {text[-400:]}")


def settings_that_make_no_sense_are_named(options):
    here = tempfile.mkdtemp(prefix="podward-")
    own = {"policysync": ["--state-dir", here, "--listen", f"unix:{here}/s"],
           "analyzer": ["--listen", f"unix:{here}/a"], "collector": ["--node", "n", "--policysync", f"unix:{here}/s"]}
    for name in PROGRAMS:
        rows = [
            (["--no-such-flag"], ["--no-such-flag"]),
            (["stray"], ["stray"]),
            (["--log-level", "loud"], ["log-level"]),
            (["--log-level=loud"], ["log-level"]),
            (["--insecure", "--metrics-listen=not an address"], ["metrics-listen|not an address"]),
        ]
        for arguments, words in rows:
            refused(options, name, own[name] + arguments, words)
    shutil.rmtree(here)


def help_and_version_end_well(options):
    for name in PROGRAMS:
        for flag in ("--help", "--version", "--print-settings-doc"):
            argv = [os.path.join(options.bin, "podward-" + name), flag]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
            check_equal(done.returncode, 0, f"{name} {flag}")
            check(done.stdout.strip(), f"{name} {flag} prints nothing")


def environment_is_checked_like_the_command_line(options):
    for name in PROGRAMS:
        argv = [os.path.join(options.bin, "podward-" + name)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False,
                              env={**os.environ, "PODWARD_LOG_LEVEL": "loud"})
        check(done.returncode > 0 and "PODWARD_LOG_LEVEL" in done.stderr,
              f"{name}: exit {done.returncode}: {done.stderr[-300:]}")


def plain_text_needs_to_be_asked_for(options):
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            "policysync": ["--listen", "127.0.0.1:0", "--state-dir", folder],
            "analyzer": ["--name", "a", "--listen", "127.0.0.1:0", "--policysync", "127.0.0.1:1"],
        }
        for name, arguments in rows.items():
            refused(options, name, arguments, ["insecure", "tls-cert"])


def folders_that_cannot_be_used_are_named(options):
    with tempfile.TemporaryDirectory() as folder:
        missing = os.path.join(folder, "missing")
        plain = os.path.join(folder, "plain")
        with open(plain, "w", encoding="utf-8") as f:
            f.write("x")
        listen = ["--listen", "unix:" + os.path.join(folder, "s"), "--insecure"]
        refused(options, "policysync", listen + ["--state-dir", plain], [re.escape(plain)])
        refused(options, "policysync", listen + ["--state-dir", folder, "--policies", missing],
                [re.escape(missing)])


def a_spool_that_is_no_spool_is_refused_and_kept(options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "podward.db")
        with open(path, "wb") as f:
            f.write(b"this is not a database" * 100)
        refused(options, "policysync", ["--listen", "unix:" + os.path.join(folder, "s"), "--insecure",
                                        "--state-dir", folder], [r"podward\.db"])
        with open(path, "rb") as f:
            check(f.read().startswith(b"this is not"), "the foreign file was overwritten")


def what_the_kernel_side_needs_is_named(options):
    if os.geteuid() != 0:
        raise Skip("needs root to take rights and BTF away")
    program = os.path.abspath(os.path.join(options.bin, "podward-collector"))
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "podward-collector")
        shutil.copy(program, copy)
        os.chmod(folder, 0o755)
        rows = [
            (["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "--print"], r"CAP_BPF|root"),
            (["unshare", "-m", "sh", "-c", f"mount -t tmpfs none /sys/kernel/btf && exec {copy} --print"],
             "BTF|btf"),
        ]
        for argv, word in rows:
            try:
                done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
            except subprocess.TimeoutExpired:
                raise RigError(f"{argv}: runs on") from None
            check(done.returncode > 0 and re.search(word, done.stderr),
                  f"{' '.join(argv)}: exit {done.returncode}: {done.stderr[-300:]}")
            check(len(done.stderr.strip().splitlines()) <= 3, f"more than one clear line: {done.stderr[-600:]}")


def a_port_in_use_is_named(options):
    with socket.socket() as taken, tempfile.TemporaryDirectory() as folder:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for flag, other in (("--metrics-listen", "unix:" + os.path.join(folder, "s")),
                            ("--listen", None)):
            arguments = ["--state-dir", folder, "--insecure", flag, address]
            if other:
                arguments += ["--listen", other]
            refused(options, "policysync", arguments, [re.escape(address)])


def recordings_that_are_none_are_refused(options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bad.pwrec")
        for text in (b"", b"not a recording at all, but long enough for a head" * 4):
            with open(path, "wb") as f:
                f.write(text)
            refused(options, "collector", ["--replay", path, "--print"], [r"bad\.pwrec"])
        refused(options, "collector", ["--replay", os.path.join(folder, "none"), "--print"], ["none"])


def bad_policies_leave_the_old_ones_in_force(options):
    bad = {
        "syntax.yaml": ("spec: [unclosed\n", "syntax.yaml"),
        "kind.yaml": (GOOD.replace("ClusterRuntimePolicy", "Nonsense"), "Nonsense"),
        "field.yaml": (GOOD.replace("mode: Audit", "mode: Audit, modus: 1"), "modus"),
        "type.yaml": (GOOD.replace("mode: Audit", "priority: high"), "priority"),
        "range.yaml": (GOOD.replace("mode: Audit", "priority: 5000"), "priority"),
    }
    with Rig(options.bin) as rig:
        rig.write_policy("good.yaml", GOOD)
        rig.start("policysync")
        service = rig.services["policysync"]
        for name, (text, word) in bad.items():
            rig.write_policy(name, text)
            wait_until(lambda w=word: w in service.log_text(), 10, f"a log line with {word} for {name}")
            os.unlink(os.path.join(rig.policies, name))
        check(service.is_running(), "policysync ended: " + service.last_words())
        rig.wait_ready("policysync")


def a_bad_signature_is_refused_alone(options):
    text = """\
apiVersion: podward.dev/v1alpha1
kind: SignatureSet
metadata: {name: mixed}
spec:
  rules:
  - {id: good, title: good, severity: Low, condition: "evt.type = execve and proc.name = nobody"}
  - {id: bad, title: bad, severity: Low, condition: "no.such.field = 1"}
"""
    with Rig(options.bin) as rig:
        rig.write_policy("mixed.yaml", text)
        rig.start("policysync", "analyzer")
        wait_until(lambda: "no.such.field" in rig.services["analyzer"].log_text()
                   + rig.services["policysync"].log_text(), 15, "a line that names no.such.field")
        check(rig.services["analyzer"].is_running(), "analyzer ended")


def foreign_bytes_on_the_grpc_port_harm_nobody(options):
    port = free_port()
    address = f"127.0.0.1:{port}"
    noise = [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 4096, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
             b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200, os.urandom(65536)]
    with Rig(options.bin, extra={"analyzer": ["--listen", address, "--insecure"]}) as rig:
        rig.start("policysync", "analyzer")
        for piece in noise * 4:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
                try:
                    peer.sendall(piece)
                    peer.settimeout(0.2)
                    peer.recv(4096)
                except OSError:
                    pass  # being hung up on is right
        check(rig.services["analyzer"].is_running(), "analyzer ended: " + rig.services["analyzer"].last_words())
        rig.wait_ready("analyzer")


if __name__ == "__main__":
    main(__doc__, [settings_that_make_no_sense_are_named, help_and_version_end_well,
                   environment_is_checked_like_the_command_line, plain_text_needs_to_be_asked_for,
                   folders_that_cannot_be_used_are_named, a_spool_that_is_no_spool_is_refused_and_kept,
                   what_the_kernel_side_needs_is_named,
                   a_port_in_use_is_named, recordings_that_are_none_are_refused,
                   bad_policies_leave_the_old_ones_in_force, a_bad_signature_is_refused_alone,
                   foreign_bytes_on_the_grpc_port_harm_nobody])
