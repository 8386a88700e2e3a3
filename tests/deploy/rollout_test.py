"""A rolling restart as Kubernetes does it, on one machine: two servers, callers
that balance between them with deploy/client/service_config.json, and load."""

import collections
import contextlib
import json
import os
import signal
import random
import sys
import threading
import time
import urllib.request

import grpc
import pytest

from conftest import DEPLOY, ROOT

sys.path[:0] = [str(DEPLOY / "observe"), str(ROOT / "tests/integration")]
# pylint: disable=wrong-import-position
import servers  # noqa: E402
from harness import SCENE, pb, pb_grpc  # noqa: E402

SERVICE_CONFIG = (DEPLOY / "client/service_config.json").read_text()
CALLERS = 6
ROUNDS = int(os.environ.get("COOPER_ROLLOUT_ROUNDS", "2"))
IMAGE = SCENE.read_bytes()
QUESTION = pb.ReasonRequest(inputs=[
    pb.Input(image=IMAGE), pb.Input(text="How many objects are there?")])


class Load:
    """Threads that call a server over channels with `options` until told to
    stop; counts ends by code. (`cooper bench` has a service configuration of
    its own, so it cannot show what this one does.)"""

    def __init__(self, target, options):
        self.ends = collections.Counter()
        self.details = collections.Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(target, options, index))
            for index in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Returns once all calls have ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, target, options, index):
        draw = random.Random(index)
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        with grpc.insecure_channel(target, options) as channel:
            stub = pb_grpc.SpatialReasoningServiceStub(channel)
            while not self._stop.is_set():
                call, request = draw.choices(
                    [(stub.Reason, QUESTION),
                     (stub.EstimateDepth, pb.EstimateDepthRequest(image=IMAGE)),
                     (stub.Segment, pb.SegmentRequest(image=IMAGE))],
                    [3, 1, 1])[0]
                self._call(call(request, timeout=120))

    def _call(self, stream):
        with contextlib.suppress(grpc.RpcError):
            collections.deque(stream, 0)
        code = stream.code().name
        with self._lock:
            self.ends[code] += 1
            if code != "OK":
                self.details[f"{code}: {stream.details()}"] += 1


def start(bin_folder, listen):
    return servers.CooperServer(
        bin_folder / "cooper_fake_server", "--max_connection_age=10m",
        f"--script={ROOT / 'tests/data/fake/integration.json'}", listen=listen)


def balanced(config=SERVICE_CONFIG):
    return [("grpc.service_config", config), ("grpc.enable_retries", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500)]


class Fleet:
    """Two servers behind one name."""

    def __init__(self, bin_folder):
        self._bin = bin_folder
        self.members = [start(bin_folder, "127.0.0.1:0") for _ in range(2)]
        self.target = "ipv4:" + ",".join(m.address for m in self.members)

    def restart(self, index):
        """Ends a member and starts another at its address."""
        old = self.members[index]
        old.process.send_signal(signal.SIGTERM)
        assert old.process.wait(60) == 0, old.errors()
        self.members[index] = start(self._bin, old.address)

    def stop(self):
        return [member.stop() for member in self.members]


@pytest.fixture
def fleet(bin_folder):
    both = Fleet(bin_folder)
    yield both
    both.stop()


def finished(member):
    """Requests of a member that ended well, by its metrics."""
    with urllib.request.urlopen(f"http://{member.metrics_address}/metrics",
                                timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines
               if line.startswith("cooper_requests_total{code=\"OK\""))


def await_share(calls, members, count=5):
    """Until each member has served so many."""
    give_up = time.monotonic() + 60
    while min(map(finished, members)) < count:
        assert time.monotonic() < give_up, calls.details
        time.sleep(0.1)


def test_a_rolling_restart_under_load_fails_no_request(fleet):
    calls = Load(fleet.target, balanced())
    try:
        await_share(calls, fleet.members)
        for _ in range(ROUNDS):
            for index in (0, 1):
                fleet.restart(index)
                # The new one is found and takes its share again, as
                # minReadySeconds makes a rollout wait.
                await_share(calls, fleet.members)
    finally:
        calls.stop()
    assert set(calls.ends) == {"OK"}, calls.details
    assert calls.ends["OK"] > 100
    assert fleet.stop() == [0, 0]


def test_without_retries_and_health_a_restart_is_felt(fleet):
    """The same, by a client that knows neither: what the configuration is for.
    (If this one day fails no request either, the configuration is not tested
    by the test above.)"""
    bare = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
    options = [*balanced(bare), ("grpc.enable_retries", 0)]
    calls = Load(fleet.target, options)
    try:
        await_share(calls, fleet.members)
        # A long story keeps the first one draining while others still call.
        with grpc.insecure_channel(fleet.members[0].address) as channel:
            stub = pb_grpc.SpatialReasoningServiceStub(channel)
            slow = stub.EstimateDepth(pb.EstimateDepthRequest(
                image=IMAGE, flow=pb.FlowOptions(num_timesteps=500)),
                timeout=120)
            next(slow)
            threading.Thread(target=lambda: collections.deque(slow)).start()
            fleet.restart(0)
    finally:
        calls.stop()
    assert calls.ends["UNAVAILABLE"] > 0, calls.ends
