"""What the actors of a soak share: the plan's seed, the servers, the ledger,
the catalogue of requests, and the gate that lets them all pause."""

import contextlib
import random
import threading
import time
import traceback

import grpc

from harness import SCENE, pb, pb_grpc, question

# Requests whose results are known from a run alone.
STREAMS = ("Reason", "EstimateDepth", "Segment", "GenerateImage")


def catalogue(seed, size):
    """Pairs of a method and a request, drawn with the seed; each says its own
    seed, so that its result is always the same."""
    draw = random.Random(f"{seed}/catalogue")
    scenes = sorted(SCENE.parent.glob("*.png"))
    made = []
    for number in range(size):
        image = draw.choice(scenes).read_bytes()
        flow = pb.FlowOptions(num_timesteps=draw.randint(3, 12))
        output = pb.OutputOptions(
            roles=draw.choice([[], [], [pb.MAP_ROLE_VALUES], [
                pb.MAP_ROLE_VALUES, pb.MAP_ROLE_DISPLAY,
                pb.MAP_ROLE_AS_SEEN_BY_MODEL]]),
            depth_encoding=draw.choice([pb.MAP_ENCODING_PNG_GREY16,
                                        pb.MAP_ENCODING_RAW_FLOAT32]),
            preview_every=draw.choice([0, 0, 3]))
        common = {"flow": flow, "output": output, "seed": draw.getrandbits(32),
                  "priority": draw.choice([0, 0, pb.PRIORITY_LOW])}
        method = STREAMS[number % 4] if draw.random() < 0.5 else "Reason"
        if method == "Reason":
            common |= {"max_think_tokens": draw.choice([40, 400]),
                       "mode": draw.choice(pb.Mode.values()),
                       "sampling": pb.SamplingOptions(
                           do_sample=draw.random() < 0.3, temperature=1)}
            request = question(draw.choice([
                "Which one is nearer?", "Show both maps.", "How many are there?"
            ]), image, **common)
        elif method == "GenerateImage":
            request = pb.GenerateImageRequest(
                inputs=[pb.Input(text=f"A ball and {number} boxes.")],
                think=draw.random() < 0.3, max_think_tokens=40,
                width=128, height=128, **common)
        else:
            kind = {"EstimateDepth": pb.EstimateDepthRequest,
                    "Segment": pb.SegmentRequest}[method]
            request = kind(image=image, **common)
        made.append((method, request))
    return made


class Gate:
    """Actors work while it is open. Thread-safe."""

    def __init__(self):
        self._condition = threading.Condition()
        self._open = self._over = False
        self._inside = set()

    def open(self):
        with self._condition:
            self._open = True
            self._condition.notify_all()

    def close(self, seconds):
        """Waits for the actors; the names of those that still work."""
        with self._condition:
            self._open = False
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._inside, seconds)
            return sorted(self._inside)

    def end(self):
        with self._condition:
            self._over = True
            self._condition.notify_all()

    def enter(self, name):
        """False once all is over."""
        with self._condition:
            self._condition.wait_for(lambda: self._open or self._over)
            if self._over:
                return False
            self._inside.add(name)
            return True

    def leave(self, name):
        with self._condition:
            self._inside.discard(name)
            self._condition.notify_all()

    def sleep(self, seconds):
        """Whether the gate is open after so long, or at once where it closes."""
        with self._condition:
            self._condition.wait_for(lambda: not self._open, seconds)
            return self._open

    def is_open(self):
        with self._condition:
            return self._open


class World:
    def __init__(self, options, ledger, files):
        self.options, self.ledger, self.files = options, ledger, files
        self.gate = Gate()
        self.catalogue = catalogue(options.seed, options.catalogue)
        self.expected = []  # digests by place in the catalogue
        self.members = []
        self.model = ""
        # Longest time without an event that is not a stall, s.
        self.bound = options.stall_bound

    def metadata(self, name):
        return [("authorization", f"Bearer {self.files.token(name)}")]


class Actor(threading.Thread):
    """Does the same thing over and over, each time as its own random numbers
    say: these depend on the seed and its name alone, never on what happened."""

    pause = 0.05  # s, at most, between two steps

    def __init__(self, world, name):
        super().__init__(name=name, daemon=True)
        self.world, self.ledger = world, world.ledger
        self.client = name
        self._steps = random.Random(f"{world.options.seed}/{name}")
        self._stubs = {}
        self._open = contextlib.ExitStack()
        world.files.register(name)

    def run(self):
        while self.world.gate.enter(self.name):
            try:
                while self.world.gate.is_open():
                    # Each step draws from numbers of its own.
                    draw, began = random.Random(self._steps.getrandbits(64)), now()
                    self.step(draw)
                    pause = draw.random() * self.pause * self.world.options.calm
                    if any(m.was_down(began) for m in self.world.members):
                        pause = max(pause, 0.2)  # calls fail at once
                    self.world.gate.sleep(pause)
            except Exception:  # pylint: disable=broad-except
                self.ledger.fail("soak", traceback.format_exc())
            finally:
                self.close()
                self.world.gate.leave(self.name)

    def step(self, draw):
        raise NotImplementedError

    def member(self, draw):
        return draw.choice(self.world.members)

    def channel(self, member, options=()):
        """A channel that is kept until the next pause."""
        key = member.address, tuple(options)
        if key not in self._stubs:
            self._stubs[key] = self._open.enter_context(member.channel(options))
        return self._stubs[key]

    def stub(self, member, options=()):
        return pb_grpc.SpatialReasoningServiceStub(
            self.channel(member, options))

    def close(self):
        self._open.close()
        self._stubs.clear()

    def metadata(self):
        return self.world.metadata(self.client)

    def local_codes(self, member, since, *others):
        """Codes that may come from gRPC itself, on either side. A call that
        comes at the last moment of a server's end, after its own calls have
        ended, is cancelled by the server's gRPC."""
        codes = set(others)
        if member.was_down(since):
            codes |= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        return codes


def now():
    return time.monotonic()
