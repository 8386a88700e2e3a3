"""The newest frame wins: against a service that takes as long as a test says,
and against a real server."""

import asyncio
import threading
import time

import grpc
import numpy as np
import pytest

import cooper_client
from conftest import ROOT
from scripted_service import FINISHED, STARTED, Refusal, part

SCENE = ROOT / "tests/data/scenes/000.png"
JPEG = b"\xff\xd8\xff"
MAP = part(np.array([[0.25, 0.75]], np.float32).tobytes(), 0, 8)


def image(index):
    """Bytes that a frame is known by."""
    return JPEG + bytes([index])


def indexes(service):
    return [request.image[-1] for request in service.requests]


def test_frames_that_a_newer_one_replaces_are_left_out(service):
    """The first call lasts until all frames came; then the last one is left."""
    came = threading.Event()
    service.script = [[STARTED, lambda: came.wait(10), MAP, FINISHED],
                      [STARTED, MAP, FINISHED]]

    def stream():
        for index in range(5):
            yield (f"t{index}", image(index))
            while not service.requests:
                time.sleep(0.01)
        came.set()
    with cooper_client.Client(service.address) as client:
        found = list(client.latest_frame(stream()))
    assert indexes(service) == [0, 4]
    assert [f.index for f in found] == [0, 4]
    assert [f.timestamp for f in found] == ["t0", "t4"]
    assert [f.skipped for f in found] == [0, 3]
    assert [f.cancelled for f in found] == [0, 0]
    assert found[1].image == image(4) and found[1].latency > 0
    assert np.asarray(found[0].value).tolist() == [[0.25, 0.75]]


def blocked(service):
    """A call that lasts until it is cancelled."""
    return [service.cancelled.clear, STARTED,
            lambda: service.cancelled.wait(10), MAP, FINISHED]


def stream_of(count, service, gap=0.02):
    for index in range(count):
        yield image(index)
        while len(service.requests) < 1:
            time.sleep(0.01)
        time.sleep(gap)


async def async_stream_of(count, service, gap=0.02):
    for index in range(count):
        yield image(index)
        while len(service.requests) < 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(gap)


def aio_frames(service, stream, **options):
    async def run():
        async with cooper_client.aio.Client(service.address) as client:
            return [f async for f in client.latest_frame(stream, **options)]
    return asyncio.run(run())


@pytest.mark.parametrize("limit", [0, 0.3])
@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_a_stale_call_is_cancelled_for_a_newer_frame(service, kind, limit):
    service.script = [blocked(service), [STARTED, MAP, FINISHED]]
    begin = time.monotonic()
    if kind == "sync":
        with cooper_client.Client(service.address) as client:
            found = list(client.latest_frame(stream_of(2, service),
                                             stale_after=limit))
    else:
        found = aio_frames(service, async_stream_of(2, service),
                           stale_after=limit)
    assert limit <= time.monotonic() - begin < 5
    assert service.cancelled.is_set()
    assert indexes(service) == [0, 1]
    (frame,) = found
    assert (frame.index, frame.skipped, frame.cancelled) == (1, 1, 1)


def test_the_limit_is_learned(service):
    """Quick calls, then one that hangs, which the default cancels."""
    quick = [STARTED, MAP, FINISHED]
    service.script = [quick, quick, blocked(service), quick]

    def stream():
        for index in range(2):
            yield image(index)
            while len(service.requests) <= index:
                time.sleep(0.01)
            time.sleep(0.05)
        for index in range(2, 40):
            yield image(index)
            time.sleep(0.02)
            if len(service.requests) > 3:
                return
    with cooper_client.Client(service.address) as client:
        found = list(client.latest_frame(stream()))
    assert sum(f.cancelled for f in found) >= 1
    assert found[0].index == 0


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_a_refused_frame_makes_way_for_the_newest(service, kind):
    full = grpc.StatusCode.RESOURCE_EXHAUSTED
    service.script = [[Refusal(full, "QUEUE_FULL", delay=0.8)],
                      [STARTED, MAP, FINISHED]]
    if kind == "sync":
        with cooper_client.Client(service.address) as client:
            found = list(client.latest_frame(stream_of(4, service)))
    else:
        found = aio_frames(service, async_stream_of(4, service))
    assert indexes(service) == [0, 3]
    assert [f.index for f in found] == [3]


def test_other_errors_and_the_streams_own_are_raised(service):
    service.script = [[Refusal(grpc.StatusCode.INTERNAL, "ENGINE")]]
    with cooper_client.Client(service.address) as client:
        with pytest.raises(cooper_client.InternalError):
            list(client.latest_frame([image(0)]))

        def broken():
            raise OSError("the camera is gone")
            yield  # pylint: disable=unreachable
        with pytest.raises(OSError, match="camera"):
            list(client.latest_frame(broken()))

    async def broken_too():
        raise OSError("the camera is gone")
        yield  # pylint: disable=unreachable
    with pytest.raises(OSError, match="camera"):
        aio_frames(service, broken_too())


def test_the_loop_may_be_left(service):
    service.script = [[STARTED, MAP, FINISHED]]
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield image(0)
                time.sleep(0.01)
        finally:
            closed.set()
    with cooper_client.Client(service.address) as client:
        for frame in client.latest_frame(endless()):
            assert frame.index >= 0
            break
    assert closed.wait(5)


@pytest.mark.parametrize("task", ["depth", "segment", "reason"])
def test_a_real_server(client, task):
    frames = [(float(i), str(SCENE)) for i in range(3)]
    found = list(client.latest_frame(iter(frames), task, num_timesteps=3,
                                     question="Which one is nearer?"))
    assert found[-1].timestamp == 2.0
    kinds = {"depth": cooper_client.DepthMap, "segment": cooper_client.LabelMap,
             "reason": cooper_client.Result}
    assert isinstance(found[-1].value, kinds[task])
