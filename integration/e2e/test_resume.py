#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random kills, ends and stops of either end of the event stream under load: nothing lost, nothing doubled.

The sender is collector/tests/uplink_load.c: the collector's own uplink, backlog and file with made-up
events, each of which opens another file; a signature fires on every one. So what the analyzer has judged
is in the spool, and the spool must hold each event exactly once, with a count of one. `--rounds 200` is
the long form. Needs neither root nor BPF.
"""
import collections
import os
import random
import signal
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import certs  # noqa: E402
from attacks import DETECTOR, SIGNATURES, number_of  # noqa: E402
from cases import Skip, check, main  # noqa: E402
from rig import Rig, RigError, Service, wait_until  # noqa: E402

BATCH = 8
PAUSE_US = 15000
GROUP_READY_S = 30
RESUME_MEDIAN_S = 2.0
DRAIN_S = 2.0


class Sender(Service):
    """uplink_load; after any end it goes on with the same folder."""

    def __init__(self, rig, batches):
        program = os.path.join(os.path.dirname(rig.bin_dir), "collector", "uplink_load")
        argv = [program, rig.address("analyzer"), rig.make_folder("sender"), str(batches), str(BATCH), str(PAUSE_US)]
        if rig.certs:
            rig.certs.issue("collector/load")
            argv += rig.certs.flags("collector/load")[1::2]
        super().__init__("sender", argv, rig.folder)

    def figures(self):
        """(batches made, batches durable, durable since this start, dropped, asked to wait) as last told."""
        try:
            with open(self.out, "rb") as f:
                f.seek(max(0, os.path.getsize(self.out) - 200))
                lines = f.read().split(b"\n")
            return tuple(int(n) for n in lines[-2].split())
        except (FileNotFoundError, IndexError, ValueError):
            return (0, 0, 0, 0, 0)


class Blows:
    """What is done to either end, and how long the stream needs afterwards."""

    def __init__(self, rig, sender, dice):
        self.rig, self.sender, self.dice = rig, sender, dice
        self.resumed, self.ended, self.counts = [], [0], collections.Counter()

    def wait_for_progress(self, before, since):
        wait_until(lambda: self.sender.figures()[2] > before, 60, "further batches to become durable", pause=0.01)
        self.resumed.append(time.monotonic() - since)

    def restart(self, service, signal_number):
        """Ends it and starts it again; (batches durable before, moment of the start)."""
        began = time.monotonic()
        service.end(signal_number)
        if signal_number == signal.SIGTERM and service is not self.sender:
            self.ended.append(time.monotonic() - began)
        time.sleep(self.dice.uniform(0, 0.5))
        since = time.monotonic()
        if service is not self.sender:
            before = self.sender.figures()[2]
            self.rig.start(service.name)
            return before, since
        with open(service.out, "wb"):
            pass
        service.start()
        return 0, since

    def stop_and_go(self, service):
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.05, 1.5))
        before, since = self.sender.figures()[2], time.monotonic()
        service.process.send_signal(signal.SIGCONT)
        return before, since

    def strike(self):
        name = self.dice.choice(["sender", "analyzer", "analyzer", "policysync"])
        service = self.sender if name == "sender" else self.rig.services[name]
        blow = self.dice.choice(["kill", "kill", "end", "stop"])
        self.counts[f"{blow} {name}"] += 1
        if blow == "stop":
            moment = self.stop_and_go(service)
        else:
            moment = self.restart(service, signal.SIGKILL if blow == "kill" else signal.SIGTERM)
        self.wait_for_progress(*moment)
        time.sleep(self.dice.uniform(0, 0.3))


def compare(rig, batches):
    """Every event once: the multiset of what was judged equals what was sent."""
    sent = set(range(batches * BATCH))

    def judged():
        rows = [a for a in rig.spooled() if a.get("detector") == DETECTOR]
        return collections.Counter({number_of(a): 0 for a in rows}) + collections.Counter(
            n for a in rows for n in [number_of(a)] * a["count"])

    try:
        wait_until(lambda: len(judged()) >= len(sent), 60, "all events in the spool", pause=1)
    except RigError:
        pass
    seen = judged()
    missing = sorted(sent - set(seen))
    doubled = sorted(n for n, count in seen.items() if count > 1)
    unsent = sorted(set(seen) - sent)
    check(not missing, f"{len(missing)} of {len(sent)} lost: {missing[:20]}")
    check(not doubled, f"{len(doubled)} judged twice: {[(n, seen[n]) for n in doubled[:20]]}")
    check(not unsent, f"{len(unsent)} never sent: {unsent[:20]}")
    return len(sent)


def run(options, tls):
    dice = random.Random(options.seed)
    extra = {"policysync": ["--spool-size", "4G"]}
    with Rig(options.bin, tls=tls, extra=extra, form="off") as rig:
        rig.write_policy("attacks.yaml", SIGNATURES)
        rig.start("policysync", "analyzer")
        sender = Sender(rig, batches=1 << 20)
        sender.start()
        blows = Blows(rig, sender, dice)
        try:
            wait_until(lambda: sender.figures()[1] > 10, GROUP_READY_S, "the stream to begin")
            for _ in range(options.rounds):
                blows.strike()
            # A last life with an end: what is there now, and nothing more.
            sender.end(signal.SIGKILL)
            made = sender.figures()[0]
            sender.argv[3] = str(made + 50)
            sender.start()
            wait_until(lambda: not sender.is_running(), 120, "the sender to end", pause=0.2)
            check(sender.process.returncode == 0, f"sender: exit {sender.process.returncode}")
            check(sender.figures()[3] == 0, "the backlog dropped batches: the test is too fast for this machine")
            count = compare(rig, made + 50)
        except RigError as error:
            raise RigError(f"{error}; seed {options.seed}; {dict(blows.counts)}; sender: {sender.last_words()}") from None
        finally:
            sender.kill()
        median = statistics.median(blows.resumed)
        print(f"  {options.rounds} blows ({', '.join(f'{n} {k}' for k, n in sorted(blows.counts.items()))}); "
              f"{count} events judged exactly once; durable again {median:.2f} s after the start in the "
              f"median, {max(blows.resumed):.2f} s at most; an end took {max(blows.ended):.2f} s at most", flush=True)
        check(statistics.median(blows.ended) <= DRAIN_S, f"ends took {blows.ended}")
        check(median <= RESUME_MEDIAN_S, f"resumed only after {median:.2f} s in the median")


def every_event_is_judged_exactly_once(options):
    run(options, tls=False)


def the_same_over_mutual_tls(options):
    if certs.why_not():
        raise Skip(certs.why_not())
    run(options, tls=True)


def full_reports_throttle_the_sender(options):
    """policysync stands still: the analyzer asks for time, the sender waits and loses nothing."""
    extra = {"policysync": ["--spool-size", "4G"], "analyzer": ["--report-bytes", "1M"]}
    with Rig(options.bin, extra=extra, form="off") as rig:
        rig.write_policy("attacks.yaml", SIGNATURES)
        rig.start("policysync", "analyzer")
        sender = Sender(rig, batches=1000)
        sender.argv[5] = "1000"
        sender.start()
        policysync = rig.services["policysync"].process
        try:
            wait_until(lambda: sender.figures()[1] > 10, GROUP_READY_S, "the stream to begin")
            policysync.send_signal(signal.SIGSTOP)
            wait_until(lambda: sender.figures()[4] >= 3, 60, "the sender to be asked to wait, again and again")
            wait_until(lambda: rig.metrics("analyzer").get(
                'podward_analyzer_ingest_throttles_total{reason="reports"}', 0) >= 3, 10, "the analyzer to count it")
            policysync.send_signal(signal.SIGCONT)
            wait_until(lambda: not sender.is_running(), 120, "the sender to end", pause=0.2)
            check(sender.process.returncode == 0, f"sender: exit {sender.process.returncode}")
            check(sender.figures()[3] == 0, "the backlog dropped batches")
            print(f"  {compare(rig, 1000)} events judged exactly once, asked to wait {sender.figures()[4]} times", flush=True)
        finally:
            policysync.send_signal(signal.SIGCONT)
            sender.kill()


if __name__ == "__main__":
    main(__doc__, [every_event_is_judged_exactly_once, the_same_over_mutual_tls, full_reports_throttle_the_sender])
