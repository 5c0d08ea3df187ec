#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: watch a real container, learn it, attack it harmlessly, show the alerts.

Started by ./dev demo. Exit code 0 only when every expected alert came exactly once.
"""
import argparse
import os
import re
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from containers import Podman, web_server  # noqa: E402
from rig import Rig, RigError, free_port, wait_until, why_no_system_test  # noqa: E402

POLICY = """\
apiVersion: podward.dev/v1alpha1
kind: ClusterRuntimePolicy
metadata:
  name: demo
spec:
  priority: 900
  mode: Enforce
  profile:
    enabled: true
    learningDuration: {learn}s
"""

BOLD, GREEN, RED, OFF = "\033[1m", "\033[32m", "\033[31m", "\033[0m"


class Attack:
    """One harmless thing that malware also does: commands for the container, and the alerts that must come."""

    def __init__(self, title, commands, expected):
        self.title, self.commands, self.expected = title, commands, expected


def attacks(new_port):
    """A renamed busybox that knows no such applet, a shadow file without a password, our own listener."""
    return [
        Attack("a copied program, named like a coin miner, is told to join a mining pool",
               [["/bin/cp", "/bin/busybox", "/tmp/xmrig"],
                ["/tmp/xmrig", "-o", "stratum+tcp://127.0.0.1:3333", "-u", "demo"]],
               [("profile/file.create", "/tmp/xmrig"), ("sig/default/miner.process", "/tmp/xmrig"),
                ("sig/default/miner.cmdline", "/tmp/xmrig"), ("sig/default/drift.exec", "/tmp/xmrig")]),
        Attack("a shell reads /etc/shadow",
               [["/bin/sh", "-c", "while read line; do true; done </etc/shadow"]],
               [("sig/default/creds.shadow", "/etc/shadow")]),
        Attack("an outbound connection never seen before",
               [["/bin/nc", "-w", "1", "127.0.0.1", str(new_port)]],
               [("profile/exec", "/bin/nc"), ("profile/net.egress", f"tcp/127.0.0.1/{new_port}")]),
    ]


class Screen:
    """Colours and the progress line; plain when nobody looks."""

    def __init__(self):
        self.live = sys.stdout.isatty()
        self.colour = self.live or bool(os.environ.get("FORCE_COLOR"))
        self.last = 0.0

    def paint(self, code, text):
        return f"{code}{text}{OFF}" if self.colour else text

    def step(self, text):
        print(self.paint(BOLD, "▶ " + text), flush=True)

    def progress(self, text):
        """On a terminal one line that changes; elsewhere a line every 5 s."""
        if self.live:
            print(f"\r\033[K  {text}", end="", flush=True)
        elif time.monotonic() - self.last >= 5:
            self.last = time.monotonic()
            print("  " + text, flush=True)

    def end_progress(self):
        if self.live:
            print("\r\033[K", end="")


class Sink:
    """A listener on loopback: where the never-seen connection goes, so that nothing leaves the machine."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(8)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.close()


def matches(alert, expected):
    return (alert.get("detector"), alert.get("target")) == expected


class Demo:
    def __init__(self, options):
        self.options, self.screen = options, Screen()
        self.podman, self.rig, self.sink = None, None, None
        self.container, self.read_to = None, 0
        self.results = []

    def prepare(self):
        self.screen.step("making an image from busybox, no download")
        self.podman = Podman()
        self.podman.make_image()
        self.screen.step("starting policysync, analyzer and collector on unix sockets")
        self.rig = Rig(self.options.bin, node="demo", runtime_socket=self.podman.start_api(), form="compact",
                       extra={"policysync": ["--color", "always" if self.screen.colour else "never"]})
        self.rig.write_policy("demo.yaml", POLICY.format(learn=self.options.learn))
        self.rig.start()
        self.sink = Sink()

    def start_container(self):
        self.screen.step("starting a container that serves HTTP and fetches its own page every second")
        port = free_port()
        self.container = self.podman.start("web", *web_server(port))
        self.screen.step(f"container {self.container[:12]} on http://127.0.0.1:{port}/")

    def group(self):
        """The analyzer's view of the container's pod group, or None."""
        page = self.rig.page("analyzer", "/v1/groups") or {}
        groups = page.get("groups", []) if isinstance(page, dict) else page
        for group in groups:
            if self.podman.name in str(group.get("pod_group", "")):
                return group
        return None

    def learn(self):
        self.screen.step(f"learning for {self.options.learn} s (24 h by default)")
        started = time.monotonic()
        limit = self.options.learn + 60
        while True:
            group = self.group()
            passed = time.monotonic() - started
            phase = str((group or {}).get("phase", "waiting for the first event"))
            if group and phase.lower() == "protected":
                break
            if passed > limit:
                raise RigError(f"not Protected after {limit} s: {phase}; analyzer: "
                               f"{self.rig.services['analyzer'].last_words()}")
            self.screen.progress(self.learning_line(passed, phase, group))
            time.sleep(0.5)
        self.screen.end_progress()
        print(f"  {self.screen.paint(GREEN, 'Protected')} with "
              f"{(group or {}).get('behaviours', '?')} known behaviours", flush=True)

    def learning_line(self, passed, phase, group):
        part = min(1.0, passed / max(1, self.options.learn))
        bar = "█" * int(part * 30) + "░" * (30 - int(part * 30))
        return f"{bar} {passed:4.0f} s  {phase}, {(group or {}).get('behaviours', 0)} behaviours"

    def mine(self):
        """Alerts of the demo's container, in order of arrival."""
        return [a for a in self.rig.spooled() if a.get("container_id") == self.container]

    def show_new(self):
        """Prints what policysync wrote to its standard output since the last time."""
        with open(self.rig.services["policysync"].out, "rb") as f:
            f.seek(self.read_to)
            text = f.read()
        text = text[:text.rfind(b"\n") + 1]
        self.read_to += len(text)
        for line in text.decode("utf-8", "replace").splitlines():
            print("  " + line, flush=True)

    def attack(self):
        self.show_new()
        quiet = self.mine()
        self.results.append(("quiet while nothing happens", "no alert", len(quiet), not quiet))
        for attack in attacks(self.sink.port):
            self.screen.step("attack: " + attack.title)
            for command in attack.commands:
                self.podman.exec("web", *command)
            self.await_alerts(attack)

    def await_alerts(self, attack):
        def all_there():
            self.show_new()
            alerts = self.mine()
            return all(any(matches(a, e) for a in alerts) for e in attack.expected)
        try:
            wait_until(all_there, 15, "the alerts of this attack")
        except RigError as error:
            print("  " + self.screen.paint(RED, str(error)))

    def judge(self):
        """Every expected alert exactly once, and no alert twice."""
        time.sleep(2)
        self.show_new()
        alerts = self.mine()
        for attack in attacks(self.sink.port):
            for expected in attack.expected:
                count = sum(matches(a, expected) for a in alerts)
                self.results.append((attack.title, expected[0], count, count == 1))
        things = [(a["detector"], a["target"], tuple(a["lineage"])) for a in alerts]
        doubles = len(things) - len(set(things))
        self.results.append(("no alert came twice", f"of {len(things)} alerts", doubles, doubles == 0))

    def summary(self):
        print()
        self.screen.step("summary")
        for title, what, count, good in self.results:
            mark = self.screen.paint(GREEN, "ok  ") if good else self.screen.paint(RED, "FAIL")
            print(f"  {mark} {title:<70.70} {what:<26.26} {count}")
        good = all(r[3] for r in self.results)
        print(self.screen.paint(GREEN if good else RED,
                                "every expected alert came exactly once" if good else
                                "not every expected alert came exactly once"), flush=True)
        return 0 if good else 1

    def keep(self):
        print(f"\nleft running, Ctrl-C ends it. Folder {self.rig.folder}")
        print(f"  container  podman {' '.join(self.podman.global_flags)} exec -it {self.podman.name}-web /bin/sh")
        for name in ("policysync", "analyzer", "collector"):
            print(f"  {name:<10} http://127.0.0.1:{self.rig.ports[name]}/metrics")
        print(f"  alerts     http://127.0.0.1:{self.rig.ports['policysync']}/v1/alerts", flush=True)
        while True:
            self.show_new()
            time.sleep(0.5)

    def close(self):
        if self.sink:
            self.sink.socket.close()
        if self.rig:
            self.rig.close()
        if self.podman:
            self.podman.close(keep_image=self.options.keep)

    def run(self):
        self.prepare()
        self.start_container()
        self.learn()
        self.attack()
        self.judge()
        code = self.summary()
        if self.options.keep:
            self.keep()
        return code


def seconds(text):
    match = re.fullmatch(r"(\d+)(s|m)?", text)
    if not match or int(match.group(1)) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration like 30s or 2m")
    return int(match.group(1)) * (60 if match.group(2) == "m" else 1)


def options_of(argv):
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="build/release/bin", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help="leave it running after the summary")
    parser.add_argument("--learn", type=seconds, default=30, metavar="30s", help="learning time")
    parser.add_argument("--fast", action="store_true", help="learn for 10 s")
    options = parser.parse_args(argv)
    if options.fast:
        options.learn = 10
    return options


def stop(signal_number, _frame):
    raise KeyboardInterrupt(signal.Signals(signal_number).name)


def main():
    options = options_of(sys.argv[1:])
    reason = why_no_system_test()
    if reason:
        print(f"demo: cannot run here: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    demo = Demo(options)
    started = time.monotonic()
    try:
        code = demo.run()
        print(f"{time.monotonic() - started:.0f} s")
        return code
    except RigError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    finally:
        # A second Ctrl-C must not leave containers behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        demo.screen.step("cleaning up")
        demo.close()


if __name__ == "__main__":
    sys.exit(main())
