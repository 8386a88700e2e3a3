"""Clients that keep to the protocol: all calls, cancels, deadlines, retries."""

import threading
import time

import grpc

from harness import pb
from judge import Answer, end_of, what_is_wrong
from world import Actor, now

CODE = grpc.StatusCode
TRIES = 60


class Reading:
    """Reads a call to its end, or up to where `plan` cancels it; keeps the
    time of the longest gap between two events."""

    def __init__(self, call, roles=()):
        self.call, self.answer = call, Answer(roles)
        self.began = self._last = now()
        self.gap, self.gap_before = 0.0, ""
        self.cancelled = False

    def _passed(self, what):
        time_now = now()
        if time_now - self._last > self.gap:
            self.gap, self.gap_before = time_now - self._last, what
        self._last = time_now

    def run(self, cancel_after=None, pause=0):
        """`cancel_after`: events until it cancels; `pause`: s after each."""
        events = 0
        try:
            for event in self.call:
                self._passed(event.WhichOneof("event"))
                self.answer.take(event)
                events += 1
                if events == cancel_after:
                    self.cancel()
                if pause:
                    time.sleep(pause)
                    self._last = now()
        except grpc.RpcError:
            pass
        self._passed("the end")
        return self

    def cancel(self):
        self.cancelled = True
        self.call.cancel()

    def seconds(self):
        """From the start to the end."""
        return self._last - self.began


class Caller(Actor):
    """Requests of the catalogue. Most are read to their end, and again at the
    other server where one refuses: none may be lost, and the result is that of
    a run alone. Others are cancelled somewhere or have too little time."""

    def step(self, draw):
        number = draw.randrange(len(self.world.catalogue))
        way = draw.choices(["whole", "cancel", "late", "slow"],
                           [12, 3, 2, 1])[0]
        first = draw.randrange(len(self.world.members))
        members = self.world.members[first:] + self.world.members[:first]
        events, seconds = draw.randint(1, 12), draw.expovariate(4)
        if way == "whole":
            self.whole(number, members)
        elif way == "cancel":
            self.once(number, members[0], "cancelled at will", cancel_after=events,
                      cancel_in=None if events % 2 else seconds)
        elif way == "late":
            self.once(number, members[0], "with a short deadline",
                      timeout=max(0.001, seconds))
        else:
            self.once(number, members[0], "read slowly", pause=0.02)

    def whole(self, number, members):
        """Until it ends well."""
        for attempt in range(TRIES):
            end = self.once(number, members[attempt % len(members)], "whole")
            if end == "OK":
                return
            self.ledger.happened("calls tried again")
            time.sleep(min(2, 0.1 * (attempt + 1)))
        self.ledger.fail("lost request", f"no end after {TRIES} tries: {end}")

    def once(self, number, member, way, *, cancel_after=None, cancel_in=None,
             timeout=None, pause=0):
        """One call, judged; its end."""
        method, request = self.world.catalogue[number]
        limit = timeout or 3 * self.world.bound
        began = now()
        call = getattr(self.stub(member), method)(
            request, timeout=limit, metadata=self.metadata())
        reading = Reading(call, request.output.roles)
        timer = None
        if cancel_in is not None:
            timer = threading.Timer(cancel_in, reading.cancel)
            timer.start()
        reading.run(cancel_after, pause)
        if timer:
            timer.cancel()
        allowed = self.local_codes(member, began)
        if reading.cancelled:
            allowed.add(CODE.CANCELLED)
        if timeout or now() - began >= limit:
            allowed.add(CODE.DEADLINE_EXCEEDED)
        self.judge(f"{method}, {way}", number, reading, allowed)
        return end_of(call)

    def judge(self, kind, number, reading, allowed):
        call, answer = reading.call, reading.answer
        end = end_of(call)
        well = end == "OK"
        self.ledger.ended(kind, end, reading.seconds() if well else None)
        where = f"{kind}, request {number}"
        if reading.gap > self.world.bound:
            self.ledger.fail("stall", f"{where}: {reading.gap:.1f} s before "
                             f"{reading.gap_before}, ended with {end}")
        wrong = list(answer.broken)
        if well and answer.finished is None:
            wrong.append("OK without finished")
        if not well and answer.finished is not None and end[:6] != "local:":
            wrong.append(f"finished, then {end}")
        for what in wrong:
            self.ledger.fail("events", f"{where}: {what}")
        if answer.kinds and (end == "local:UNAVAILABLE" or (
                end == "local:CANCELLED" and not reading.cancelled)):
            self.ledger.fail("lost request", f"{where}: after {answer.kinds}")
        if not well:
            error = what_is_wrong(call, allowed)
            if error:
                self.ledger.fail("error", f"{where}: {error}")
        elif not wrong and answer.digest() != self.world.expected[number]:
            self.ledger.fail("result", f"{where}: not that of a run alone")


STEERING = {
    "ask": pb.ConverseRequest(ask=pb.ConverseAsk(
        inputs=[pb.Input(text="And then?")])),
    "answer_now": pb.ConverseRequest(answer_now=pb.AnswerNow()),
    "no_more_maps": pb.ConverseRequest(no_more_maps=pb.NoMoreMaps()),
    "cancel": pb.ConverseRequest(cancel=pb.CancelTurn()),
}


class Talker(Actor):
    """Conversations: questions, answer-now, no-more-maps, cancelled turns, and
    sessions that go on in another call."""

    def step(self, draw):
        member, began = self.member(draw), now()
        requests = [self.opening(draw, "")]
        kinds = draw.choices(list(STEERING), [4, 1, 1, 1],
                             k=draw.randint(0, 4))
        requests += [STEERING[kind] for kind in kinds]
        asks = 1 + kinds.count("ask")
        session = self.talk(member, requests, asks, began,
                            draw.randint(1, 30) if draw.random() < .2 else None)
        if session and draw.random() < 0.5:
            again = [self.opening(draw, session)]
            self.talk(member, again, 1, now(), None)

    def opening(self, draw, session):
        _, request = draw.choice([
            entry for entry in self.world.catalogue if entry[0] == "Reason"])
        reason = pb.ReasonRequest()
        reason.CopyFrom(request)
        reason.mode = pb.MODE_INTERLEAVED
        if session:
            del reason.inputs[0]
        return pb.ConverseRequest(
            start=pb.ConverseStart(reason=reason, session_id=session))

    def talk(self, member, requests, asks, began, cancel_after):
        """All turns of one call; the session."""
        call = self.stub(member).Converse(
            iter(requests), timeout=3 * self.world.bound,
            metadata=self.metadata())
        roles = requests[0].start.reason.output.roles
        turns, turn, session = [], None, ""
        cancelled, events, last = False, 0, now()
        broken = []
        try:
            for event in call:
                if now() - last > self.world.bound:
                    self.ledger.fail("stall", f"Converse: {now() - last:.1f} s")
                last = now()
                events += 1
                kind = event.WhichOneof("event")
                if kind == "session":
                    session = event.session.session_id
                elif kind == "turn_cancelled":
                    turns.append(turn)
                    turn = None
                else:
                    turn = turn or Answer(roles)
                    turn.take(event)
                    if kind == "finished":
                        broken += turn.broken
                        turns.append(turn)
                        turn = None
                if events == cancel_after:
                    cancelled = True
                    call.cancel()
        except grpc.RpcError:
            pass
        end = end_of(call)
        self.ledger.ended("Converse", end, now() - began if end == "OK" else None)
        if end == "OK" and (len(turns) != asks or turn):
            broken.append(f"{len(turns)} turns of {asks} ended")
        if end != "OK":
            allowed = self.local_codes(member, began)
            if cancelled:
                allowed.add(CODE.CANCELLED)
            elif end.startswith("local:") and events:
                broken.append(f"{end} after {events} events")
            error = what_is_wrong(call, allowed)
            if error:
                self.ledger.fail("error", f"Converse: {error}")
        for what in broken:
            self.ledger.fail("events", f"Converse: {what}")
        return session
