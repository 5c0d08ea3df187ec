#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One analyzer and one policysync under the load of many collectors (bench/bench_load.c), over mutual TLS.

Starts the services, then the collectors: connected and idle, at a rate, and as fast as they are taken. Says
each second how far it is, and in the last line, as JSON, what it cost: CPU for an event and resident memory of
each component, memory for an idle stream and for a pod group, and how long it takes from the stamp of an event
to its alert on policysync's output. With --stall it measures instead what a stopped analyzer makes others hold.
More than 250 collectors need root: an address may hold 256 connections, so they come from many addresses of a
network namespace.
"""
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from attacks import SIGNATURES  # noqa: E402
from rig import ROOT, Rig, RigError  # noqa: E402

PER_ADDRESS = 250
ATTACK = re.compile(rb"/etc/attacks/(\d{15,20})")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def options_of():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"))
    p.add_argument("--nodes", type=int, default=200, help="collectors")
    p.add_argument("--pods", type=int, default=10, help="pods of a node")
    p.add_argument("--groups", type=int, default=200, help="pod groups")
    p.add_argument("--keys", type=int, default=200, help="files that a group opens")
    p.add_argument("--rate", type=int, default=100, help="events of a node per second")
    p.add_argument("--novelty", type=int, default=1000, help="events of a million that were never seen")
    p.add_argument("--seconds", type=int, default=15, help="how long at the rate")
    p.add_argument("--fast", type=int, default=8, help="seconds as fast as they are taken; 0 = none")
    p.add_argument("--attacks", type=int, default=20, help="alerts per second")
    p.add_argument("--replay", help="a recording, one batch of it every 50 ms, instead of made-up events")
    p.add_argument("--shards", type=int, default=0, help="threads of the analyzer that judge; 0 = its own choice")
    p.add_argument("--stall", action="store_true", help="stop the analyzer and measure what is held")
    return p.parse_args()


def enter_namespace(options):
    """A network namespace with an address for every PER_ADDRESS collectors; the addresses."""
    count = -(-options.nodes // PER_ADDRESS)
    if count == 1:
        return ["127.0.0.1"]
    if not os.environ.get("PODWARD_LOAD_INSIDE"):
        if os.geteuid() != 0:
            raise RigError(f"{options.nodes} collectors need root, for addresses of a network namespace")
        os.environ["PODWARD_LOAD_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable] + sys.argv)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    addresses = [f"10.66.0.{i + 1}" for i in range(count)]
    for address in addresses:
        subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
    return addresses


class Probe:
    """CPU seconds and resident bytes of a process."""

    def __init__(self, pid):
        self.pid = pid

    def cpu(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * PAGE


def socket_bytes():
    """What the kernel holds for the TCP sockets of this network namespace's machine."""
    with open("/proc/net/sockstat", encoding="ascii") as f:
        for line in f:
            if line.startswith("TCP:"):
                words = line.split()
                return int(words[words.index("mem") + 1]) * PAGE
    return 0


class Latency(threading.Thread):
    """Follows policysync's output: time from the stamp in the path of an attack to its alert."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.seconds, self.seen, self.stop = path, [], set(), threading.Event()

    def run(self):
        rest = b""
        with open(self.path, "rb") as f:
            while not self.stop.is_set():
                data = f.read()
                if not data:
                    time.sleep(0.003)
                    continue
                now = time.time_ns()
                lines = (rest + data).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    self.note(line, now)

    def note(self, line, now):
        found = ATTACK.search(line)
        if found and found.group(1) not in self.seen:
            self.seen.add(found.group(1))
            self.seconds.append((now - int(found.group(1))) / 1e9)

    def figures(self):
        s = sorted(self.seconds)
        if not s:
            return {"alerts": 0}
        return {"alerts": len(s), "p50_ms": round(1000 * statistics.median(s), 1),
                "p99_ms": round(1000 * s[min(len(s) - 1, len(s) * 99 // 100)], 1), "max_ms": round(1000 * s[-1], 1)}


class Generator:
    """bench_load as a child; its lines are read as they come."""

    def __init__(self, rig, addresses, options, **flags):
        program = os.path.join(os.path.dirname(rig.bin_dir), "bench", "bench_load")
        port = rig.rpc_ports["analyzer"]
        flags = {"nodes": options.nodes, "pods": options.pods, "groups": options.groups, "keys": options.keys,
                 "novelty": options.novelty, "attacks": options.attacks, "per-target": PER_ADDRESS, **flags}
        if options.replay:
            flags["replay"] = options.replay
        argv = [program, "--hold", "--targets", ",".join(f"{a}:{port}" for a in addresses)]
        argv += rig.certs.flags("collector") + [f"--{k}={v}" for k, v in flags.items()]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.probe = Probe(self.process.pid)
        self.last = {}

    def lines(self, until):
        """Each line as it comes, up to the first of the phase `until`."""
        for text in self.process.stdout:
            self.last = json.loads(text)
            yield self.last
            if self.last["phase"] == until:
                return
        raise RigError(f"bench_load ended with {self.process.wait()} before \"{until}\": {self.last}")

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Bench:
    def __init__(self, options, addresses):
        self.options, self.addresses = options, addresses
        analyzer = ["--tls-shared-certificates"] + (["--shards", str(options.shards)] if options.shards else [])
        self.rig = Rig(options.bin, tls=True, form="json", extra={
            "policysync": ["--tls-shared-certificates", "--spool-size", "4G"], "analyzer": analyzer})
        self.rig.certs.issue("collector")
        if len(addresses) > 1:
            argv = self.rig.services["analyzer"].argv
            argv[argv.index("--listen") + 1] = f"0.0.0.0:{self.rig.rpc_ports['analyzer']}"
        self.rig.write_policy("attacks.yaml", SIGNATURES)
        self.rig.start("policysync", "analyzer")
        self.probes = {n: Probe(self.rig.services[n].process.pid) for n in ("policysync", "analyzer")}
        self.began = time.monotonic()

    def snapshot(self, generator):
        probes = {**self.probes, "generator": generator.probe}
        return {n: (p.cpu(), p.rss()) for n, p in probes.items()}

    def progress(self, line, before, now, elapsed):
        cpu = ", ".join(f"{n} {100 * (now[n][0] - before[n][0]) / elapsed:.0f} % {now[n][1] >> 20} MiB" for n in now)
        print(f"{time.monotonic() - self.began:5.0f} s  {line['phase']:7} {line['connected']}/{line['nodes']} streams, "
              f"{line['sent']} events sent, {line['backlog_batches']} batches wait, "
              f"{line['throttles']} throttles  |  {cpu}", flush=True)

    def follow(self, generator, until):
        before, since = self.snapshot(generator), time.monotonic()
        for line in generator.lines(until):
            if not self.rig.services["analyzer"].is_running():
                continue
            now, at = self.snapshot(generator), time.monotonic()
            if at - since >= 0.9 or line["phase"] == until:
                self.progress(line, before, now, max(at - since, 0.01))
                before, since = now, at

    def run(self, generator, latency):
        """From "hold" to the end; what it cost."""
        before, since, sent = self.snapshot(generator), time.monotonic(), generator.last["sent"]
        generator.go()
        self.follow(generator, "drain")
        after, seconds, last = self.snapshot(generator), time.monotonic() - since, generator.last
        self.follow(generator, "done")
        self.check(generator.last)
        events = max(1, last["sent"] - sent)
        return after, {
            "events": events, "events_per_s": round(events / seconds), "bytes_per_event": round(last["bytes"] / events, 1),
            "late": last["late"], "throttles": generator.last["throttles"], "resent": generator.last["resent"],
            "cpu_ns_per_event": {n: round(1e9 * (after[n][0] - before[n][0]) / events) for n in after},
            "rss_mib": {n: round(after[n][1] / 2**20, 1) for n in after}, "latency": latency.figures()}

    @staticmethod
    def check(last):
        for what in ("dropped", "refused", "disconnects"):
            if last[what]:
                raise RigError(f"{what}: {last[what]} of {last}")

    def phases(self):
        o = self.options
        bare = self.probes["analyzer"].rss()
        latency = Latency(self.rig.services["policysync"].out)
        latency.start()
        generator = Generator(self.rig, self.addresses, o, rate=o.rate, idle="3s", run=f"{o.seconds}s")
        try:
            self.follow(generator, "hold")
            idle = self.probes["analyzer"].rss()
            after, at_rate = self.run(generator, latency)
            groups = generator.last["groups"]
        finally:
            generator.end()
        result = {
            "bench": "load", "nodes": o.nodes, "pods": o.nodes * o.pods, "groups": groups, "rate_per_node": o.rate,
            "bytes_per_idle_stream": round((idle - bare) / o.nodes),
            "bytes_per_group": round((after["analyzer"][1] - idle) / groups), "at_rate": at_rate}
        if o.fast:
            result["fast"] = self.fast()
        return result

    def fast(self):
        latency = Latency(self.rig.services["policysync"].out)
        latency.seen = {m.group(1) for m in ATTACK.finditer(self.output())}
        latency.start()
        generator = Generator(self.rig, self.addresses, self.options, rate=0, run=f"{self.options.fast}s", seed=2,
                              nodes=min(16, self.options.nodes), backlog="64M")
        try:
            self.follow(generator, "hold")
            return self.run(generator, latency)[1]
        finally:
            generator.end()

    def output(self):
        with open(self.rig.services["policysync"].out, "rb") as f:
            return f.read()

    def held(self, blow):
        """All send until their windows and 256 batches each are full, after the analyzer was hit: what did the
        sender and the kernel come to hold? The generator is the caller's to end."""
        generator = Generator(self.rig, self.addresses, self.options, rate=0, run="5s", attacks=0, backlog="64M")
        try:
            self.follow(generator, "hold")
            before, kernel = generator.probe.rss(), socket_bytes()
            self.rig.services["analyzer"].process.send_signal(blow)
            generator.go()
            self.follow(generator, "drain")
            return generator, (generator.probe.rss() - before, socket_bytes() - kernel)
        except BaseException:
            generator.end()
            raise

    def stall(self):
        """A stopped analyzer against one that is not there: the difference is what a stalled stream holds."""
        nodes, analyzer = self.options.nodes, self.rig.services["analyzer"]
        generator, stopped = self.held(signal.SIGSTOP)
        in_flight = generator.last["bytes"]
        try:
            analyzer.process.send_signal(signal.SIGCONT)
            self.follow(generator, "done")
            self.check(generator.last)
        finally:
            analyzer.process.send_signal(signal.SIGCONT)
            generator.end()
        generator, away = self.held(signal.SIGKILL)
        generator.end()
        return {"bench": "load", "stalled_streams": nodes, "handed_to_transport_per_stream": round(in_flight / nodes),
                "sender_bytes_per_stream": round((stopped[0] - away[0]) / nodes),
                "kernel_bytes_per_stream": round((stopped[1] - away[1]) / nodes)}


def main():
    options = options_of()
    if certs.why_not():
        print(f"SKIP: {certs.why_not()}")
        return 77
    bench = Bench(options, enter_namespace(options))
    try:
        result = bench.stall() if options.stall else bench.phases()
    finally:
        bench.rig.close()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RigError as error:
        print(f"bench_load: {error}", file=sys.stderr)
        sys.exit(1)
