"""What operators do under load: rotation of certificates, tokens and policies,
rolling restarts; and a probe that watches."""

import contextlib
import ssl
import threading
import time

import grpc

from harness import health_pb2, health_pb2_grpc, pb
from judge import end_of
from world import Actor

SERVING = health_pb2.HealthCheckResponse.SERVING


class Rotator(Actor):
    """Files change, first to something wrong, which must change nothing, then
    to something new, which must hold soon. No call may fail of it."""

    pause = 4

    def __init__(self, world, name):
        super().__init__(world, name)
        self._certificate = 0
        world.files.register("guest")

    def step(self, draw):
        act = draw.choice([self.certificate, self.tokens, self.policy])
        act(draw)

    def until(self, what, holds, seconds):
        """Waits until it holds at all members; a failure if it does not. Without
        a word where the soak pauses before."""
        give_up = time.monotonic() + seconds
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError, grpc.RpcError):
                if all(holds(member) for member in self.world.members):
                    self.ledger.happened(f"rotations of {what}, seen to hold")
                    return
            if not self.world.gate.sleep(0.3):
                return
            if any(m.was_down(began - 20) for m in self.world.members):
                give_up = max(give_up, time.monotonic() + 12)
            if time.monotonic() > give_up:
                self.ledger.fail("rotation", f"{what} did not change")
                return

    def certificate(self, draw):
        files = self.world.files
        self._certificate = 1 - self._certificate
        files.use_certificate(
            str(self._certificate),
            pause=lambda: self.world.gate.sleep(draw.uniform(0, 12)))
        wanted = (files.folder / f"{self._certificate}.pem").read_text()
        self.ledger.happened("rotations of the certificate")

        def holds(member):
            host, port = member.address.rsplit(":", 1)
            return ssl.get_server_certificate(
                (host, int(port)), timeout=5).split() == wanted.split()
        self.until("the certificate", holds, 30)

    def tokens(self, _):
        """All clients get new tokens; the old ones hold until nobody uses them."""
        files = self.world.files
        files.generation += 1
        # Written before it is used.
        old, files.generation = files.generation - 1, files.generation - 1
        files.write_tokens(old + 1)
        self.world.gate.sleep(0)
        time.sleep(3)
        files.generation = old + 1
        files.write_policy()
        time.sleep(2)
        files.write_tokens()
        self.ledger.happened("rotations of the tokens")

        def holds(member):
            return self.code(member, f"rotator.{old}") == "UNAUTHENTICATED" and (
                self.code(member, f"rotator.{old + 1}") == "OK")
        self.until("the tokens", holds, 10)

    def policy(self, _):
        files = self.world.files
        files.write("policy.json", '{"clients": {"x": ["Reason "]}}')
        self.world.gate.sleep(1.5)
        files.guest_may = not files.guest_may
        files.write_policy()
        self.ledger.happened("rotations of the policy")
        wanted = "OK" if files.guest_may else "PERMISSION_DENIED"
        self.until("the policy", lambda member: self.code(
            member, files.token("guest")) == wanted, 10)

    def code(self, member, token):
        call = self.stub(member).GetModel.future(
            pb.GetModelRequest(), timeout=10,
            metadata=[("authorization", f"Bearer {token}")])
        call.exception()
        return end_of(call)


class Restarter(Actor):
    """Ends all members but the first, which is the one whose memory is
    watched, with SIGTERM while they work; a new one comes to the same
    address."""

    pause = 45

    def step(self, draw):
        options = self.world.options
        if not self.world.gate.sleep(draw.uniform(0.5, 1) * min(
                self.pause * options.calm, options.round / 3)):
            return
        for member in self.world.members[1:]:
            began = time.monotonic()
            wrong = member.stop()
            if wrong:
                self.ledger.fail("restart", wrong)
            self.ledger.happened("restarts under load")
            self.world.gate.sleep(draw.random())
            self.ledger.happened("starts refused amid a rotation",
                                 member.start())
            self.ledger.ended("restart", "OK", time.monotonic() - began)


class Watcher(Actor):
    """Watches the health of a member: it serves whenever it is not ending."""

    def __init__(self, world, name, place):
        super().__init__(world, name)
        self._place = place

    def step(self, draw):
        member = self.world.members[self._place]
        stub = health_pb2_grpc.HealthStub(self.channel(member))
        began, states = time.monotonic(), []
        call = stub.Watch(health_pb2.HealthCheckRequest())
        stop = threading.Thread(target=self._stop, args=(call,), daemon=True)
        stop.start()
        with contextlib.suppress(grpc.RpcError):
            for answer in call:
                states.append(answer.status)
                if answer.status != SERVING and not member.was_down(began):
                    self.ledger.fail("health", f"{answer.status} while serving")
        call.cancel()
        stop.join()
        self.ledger.ended("health watch", "OK" if states else "no answer")
        if (not states and self.world.gate.is_open() and
                not member.was_down(began)):
            self.ledger.fail("health", f"no answer: {call.details()}")
        self.world.gate.sleep(0.3)

    def _stop(self, call):
        while self.world.gate.sleep(0.5) and call.is_active():
            pass
        call.cancel()
