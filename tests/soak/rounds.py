"""The rounds of a soak, the checks at rest, and the report."""

import os
import threading
import time

from callers import Caller, Reading, Talker
from fleet import Files, Member
from harness import pb, pb_grpc
from judge import end_of
from ledger import MIB, Ledger, slope
from operators import Restarter, Rotator, Watcher
from others import Asker, Inferrer
from proxy import LosingProxy
from rude import Flood, Garbage, KilledClient, StoppingReader, Storm
from world import World

# How much the memory of the first server may grow from the rest after the
# warm-up to the last rest, and by the slope over all rests. The server gives
# free memory back to the system only where that is more than 32 MiB
# (server/process_memory.cc), so that what is at rest goes up and down by so much.
GROWTH = 48 * MIB
# Threads and descriptors that may come beyond those after the warm-up.
MORE_THREADS = 4
MORE_DESCRIPTORS = 4
REPORT_EVERY = 10  # s


class Soak:
    def __init__(self, options, folder, interrupted):
        self.options, self.folder = options, folder
        self._interrupted = interrupted
        self.ledger = Ledger()
        self.world = World(options, self.ledger, Files(folder / "files"))
        self.rests = []  # (seconds since the start, bytes, threads, fds)
        self.peak = (0, 0, 0)
        self._proxy = None
        world = self.world
        self.inferrer = Inferrer(world, "inferrer")
        actors = [
            *(Caller(world, f"caller{i}") for i in range(options.callers)),
            Talker(world, "talker"), self.inferrer, Asker(world, "asker"),
            StoppingReader(world, "stopping"), KilledClient(world, "killed"),
            Flood(world, "flood"), Storm(world, "storm"),
            Garbage(world, "garbage"), Rotator(world, "rotator"),
            Restarter(world, "restarter"), Watcher(world, "watcher0", 0),
            Watcher(world, "watcher1", 1)]
        left_out = options.without.split(",")
        self.actors = [actor for actor in actors if actor.name not in left_out]

    def run(self):
        world = self.world
        planted = [f"--script={self.folder}/planted.json"
                   ] if self.options.model == "script" else []
        for flags in (planted, []):
            world.members.append(Member(world.files, flags))
        self.alone(world.members[1])
        if self.options.plant == "lost_event":
            self._proxy = LosingProxy(world.members[0])
            self._proxy.start()
            world.members[0].proxy = self._proxy.address
        for actor in self.actors:
            actor.start()
        threading.Thread(target=self._watch, daemon=True).start()
        seconds = 60 * self.options.minutes
        rounds = max(2, round(seconds / self.options.round))
        for _ in range(rounds):
            if self._interrupted.is_set():
                break
            self.round(seconds / rounds)
            if not all(member.server.process.poll() is None
                       for member in world.members):
                self.ledger.fail("crash", world.members[0].last_words())
                break
        self.drain()

    def alone(self, member):
        """What the requests of the catalogue give, asked one by one."""
        with member.channel() as channel:
            stub = pb_grpc.SpatialReasoningServiceStub(channel)
            who = self.world.metadata("caller0")
            self.world.model = stub.GetModel(
                pb.GetModelRequest(), metadata=who).name
            for method, request in self.world.catalogue:
                reading = Reading(getattr(stub, method)(
                    request, timeout=120, metadata=who), request.output.roles)
                reading.run()
                assert end_of(reading.call) == "OK", (method, request)
                assert not reading.answer.broken, reading.answer.broken
                self.world.expected.append(reading.answer.digest())
        self.inferrer.know(member)

    def round(self, seconds):
        end = time.monotonic() + seconds
        self.world.gate.open()
        while time.monotonic() < end and not self._interrupted.wait(
                max(0, min(REPORT_EVERY, end - time.monotonic()))):
            resident, threads, descriptors = self.world.members[0].vitals()
            print(f"{self.ledger.progress()}, {resident / MIB:.0f} MiB, "
                  f"{threads} threads, {descriptors} descriptors", flush=True)
        self.rest()

    def rest(self):
        stuck = self.world.gate.close(4 * self.world.bound + 30)
        if stuck:
            self.ledger.fail("stall", f"still at work: {stuck}")
        for place, member in enumerate(self.world.members):
            self.at_rest(place, member)
        time.sleep(self.options.settle)
        self.rests.append((time.monotonic() - self.ledger.started,
                           *self.world.members[0].vitals()))

    def at_rest(self, place, member):
        give_up = time.monotonic() + 30
        while True:
            scrape = member.server.scrape()
            wrong = scrape.breaches()
            for gauge in ("requests_in_flight", "grpc_connections"):
                if scrape.sum(f"cooper_{gauge}"):
                    wrong.append(gauge)
            if self._proxy and place == 0:  # it keeps its connection
                wrong = [name for name in wrong if name != "grpc_connections"]
            if not wrong:
                break
            if time.monotonic() > give_up:
                self.ledger.fail("identity", f"server {place}: {wrong}")
                break
            time.sleep(0.1)
        for reason in ("engine", "numeric", "encode"):
            if scrape.sum("cooper_errors_total", reason=reason):
                self.ledger.fail("error", f"server {place}: counts {reason}")

    def drain(self):
        """The first server ends under load while the other goes on."""
        self.world.gate.open()
        time.sleep(min(2, self.options.round / 4))
        for place, member in enumerate(self.world.members):
            wrong = member.stop()
            if wrong:
                self.ledger.fail("restart", f"server {place}: {wrong}")
            if place == 0:
                self.ledger.happened("drains of the first server under load")
                stuck = self.world.gate.close(4 * self.world.bound + 30)
                if stuck:
                    self.ledger.fail("stall", f"still at work: {stuck}")
        self.world.gate.end()
        if self._proxy:
            self.ledger.happened("events lost on purpose", self._proxy.lost)
        self.judge_memory()

    def judge_memory(self):
        if len(self.rests) < 2:
            return
        (_, first, threads, descriptors), *_, last = self.rests
        grown = last[1] - first
        if grown > GROWTH:
            self.ledger.fail("memory", f"{grown / MIB:.1f} MiB more at rest")
        steady = slope([rest[:2] for rest in self.rests]) * (
            last[0] - self.rests[0][0])
        if steady > GROWTH and len(self.rests) > 4:
            self.ledger.fail("memory", f"grew steadily by {steady / MIB:.1f} MiB")
        if last[2] > threads + MORE_THREADS:
            self.ledger.fail("threads", f"{last[2]} at rest, {threads} before")
        if last[3] > descriptors + MORE_DESCRIPTORS:
            self.ledger.fail("descriptors",
                             f"{last[3]} at rest, {descriptors} before")

    def _watch(self):
        """Keeps the peaks of the first server."""
        while self.world.members[0].server.process.poll() is None:
            try:
                now = self.world.members[0].vitals()
            except (OSError, KeyError):
                return
            self.peak = tuple(map(max, self.peak, now))
            time.sleep(0.5)

    def kill(self):
        """Leaves no process behind."""
        for place, member in enumerate(self.world.members):
            member.kill()
            (self.folder / f"server{place}.log").write_text(
                member.server.errors())
        if self._proxy:
            self._proxy.stop()

    def report(self, seconds):
        lines = [f"## {seconds / 60:.1f} minutes, seed {self.options.seed}, "
                 f"model {self.options.model}, {os.cpu_count()} cores", "",
                 self.ledger.table(), "",
                 "| first server | memory | threads | descriptors |",
                 "|---|---|---|---|"]
        shown = [("at rest after the warm-up", self.rests[0][1:])
                 ] if self.rests else []
        shown += [("peak", self.peak)]
        if self.rests:
            shown += [("at rest after the last round", self.rests[-1][1:])]
        for name, (resident, threads, descriptors) in shown:
            lines.append(f"| {name} | {resident / MIB:.0f} MiB | {threads} | "
                         f"{descriptors} |")
        if len(self.rests) > 2:
            grown = slope([rest[:2] for rest in self.rests]) * (
                self.rests[-1][0] - self.rests[0][0])
            lines += ["", "Memory at the rests, MiB: " + ", ".join(
                f"{rest[1] / MIB:.0f}" for rest in self.rests) +
                f"; by its slope it grew by {grown / MIB:.1f} MiB."]
        failures = self.ledger.failures()
        lines.append("\nfailed: " + ", ".join(
            f"{check} ({count})" for check, count in sorted(failures.items()))
            if failures else "\nall checks passed")
        return "\n".join(lines)
