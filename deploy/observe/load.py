"""Clients of many kinds for a server: questions, maps, and misbehaviour.

Their calls cover every metric that the dashboard reads: questions with and
without maps, single maps, cancellations, deadlines that pass, broken images.
"""

import collections
import pathlib
import random
import sys
import tempfile
import threading
import time

import grpc
import grpc_tools
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENE = (ROOT / "tests/data/scenes/003.png").read_bytes()


def make_stubs():
    """Compiles the protocol for this process; its two modules."""
    folder = tempfile.mkdtemp(prefix="cooper-stubs-")
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        ["protoc", f"-I{ROOT}/proto", f"-I{well_known}",
         f"--python_out={folder}", f"--grpc_python_out={folder}",
         "cooper/v1/spatial_reasoning.proto"])
    assert code == 0
    sys.path.insert(0, folder)
    # pylint: disable=import-outside-toplevel
    from cooper.v1 import spatial_reasoning_pb2, spatial_reasoning_pb2_grpc
    return spatial_reasoning_pb2, spatial_reasoning_pb2_grpc


pb, pb_grpc = make_stubs()


def question(text):
    return pb.ReasonRequest(
        inputs=[pb.Input(image=SCENE), pb.Input(text=text)])


def ask(stub, draw):
    text = draw.choice(["Which object is closer to the camera?",
                        "How many objects are there?",
                        "What is the farthest object?"])
    return stub.Reason(question(text), timeout=120)


def depth(stub, _):
    return stub.EstimateDepth(pb.EstimateDepthRequest(image=SCENE), timeout=120)


def segment(stub, _):
    return stub.Segment(pb.SegmentRequest(image=SCENE), timeout=120)


def cancel(stub, draw):
    """Loses interest after the first events."""
    call = ask(stub, draw)
    for _ in range(draw.randint(1, 8)):
        next(call, None)
    call.cancel()
    return call


def late(stub, _):
    """Has no time."""
    return stub.EstimateDepth(pb.EstimateDepthRequest(image=SCENE), timeout=0.02)


def broken_image(stub, _):
    return stub.EstimateDepth(
        pb.EstimateDepthRequest(image=SCENE[:len(SCENE) // 2]), timeout=120)


# What callers do, and how often.
DEEDS = [(ask, 60), (depth, 12), (segment, 12), (cancel, 8), (late, 4),
         (broken_image, 4)]


class Load:
    """Threads that call a server until told to stop; counts ends by code.
    Without credentials they speak no TLS."""

    def __init__(self, target, options=(), deeds=None, seed=1,
                 credentials=None):
        self.ends = collections.Counter()
        self.details = collections.Counter()
        self._target = target
        self._options = list(options)
        self._credentials = credentials
        self._deeds = DEEDS if deeds is None else deeds
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._callers = 0
        self._threads = []
        self._seed = seed

    def set_callers(self, number):
        """How many call at once from now on; those beyond finish their call."""
        self._callers = number
        while len(self._threads) < number:
            thread = threading.Thread(target=self._run,
                                      args=(len(self._threads),))
            self._threads.append(thread)
            thread.start()

    def stop(self):
        """Returns once all calls have ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _channel(self, options):
        if self._credentials is None:
            return grpc.insecure_channel(self._target, options)
        return grpc.secure_channel(self._target, self._credentials, options)

    def _run(self, index):
        draw = random.Random(self._seed * 1000 + index)
        deeds, weights = zip(*self._deeds)
        options = [("grpc.use_local_subchannel_pool", 1), *self._options]
        with self._channel(options) as channel:
            stub = pb_grpc.SpatialReasoningServiceStub(channel)
            while not self._stop.is_set():
                if index >= self._callers:
                    self._stop.wait(0.2)
                    continue
                (deed,) = draw.choices(deeds, weights)
                self._call(deed, stub, draw)

    def _call(self, deed, stub, draw):
        call = None
        try:
            call = deed(stub, draw)
            for _ in call:
                pass
            code, why = call.code().name, ""
        except grpc.RpcError as error:
            code, why = error.code().name, error.details()
        with self._lock:
            self.ends[code] += 1
            if why:
                self.details[f"{code}: {why}"] += 1
        if code == "RESOURCE_EXHAUSTED":
            time.sleep(draw.uniform(0.1, 0.5))
