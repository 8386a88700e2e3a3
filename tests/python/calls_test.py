"""Events, errors, retries and deadlines, against a service that sends what each
test writes down. Each test is run with both clients."""

import asyncio
import threading
import time

import grpc
import numpy as np
import pytest

import cooper_client
from cooper_client import RetryPolicy
from cooper_client._proto import spatial_reasoning_pb2 as pb
from scripted_service import FINISHED, STARTED, Refusal, part

FULL = grpc.StatusCode.RESOURCE_EXHAUSTED
GONE = grpc.StatusCode.UNAVAILABLE
DEPTH = np.array([[0.25, 0.75]], np.float32)
BYTES = DEPTH.tobytes()
SCENE = b"\xff\xd8\xffof a test"
QUICK = RetryPolicy(attempts=3, first_wait=0.01)


class Sync:
    """The calls of a test by the synchronous client."""

    @staticmethod
    def depth(service, **options):
        with cooper_client.Client(service.address, retry=QUICK) as client:
            return client.depth(SCENE, **options)

    @staticmethod
    def events(service, **options):
        with cooper_client.Client(service.address, retry=QUICK) as client:
            return list(client.reason(SCENE, "Which?", **options))

    @staticmethod
    def ask(service):
        with cooper_client.Client(service.address, retry=QUICK) as client:
            with client.converse(SCENE) as chat:
                return chat.ask("Which?").result()

    @staticmethod
    def model(service):
        with cooper_client.Client(service.address, retry=QUICK) as client:
            return client.model()


class Aio:
    """The same by the asyncio client."""

    @staticmethod
    def depth(service, **options):
        async def run():
            async with cooper_client.aio.Client(service.address,
                                                retry=QUICK) as client:
                return await client.depth(SCENE, **options)
        return asyncio.run(run())

    @staticmethod
    def events(service, **options):
        async def run():
            async with cooper_client.aio.Client(service.address,
                                                retry=QUICK) as client:
                return [event async for event in
                        client.reason(SCENE, "Which?", **options)]
        return asyncio.run(run())

    @staticmethod
    def ask(service):
        async def run():
            async with cooper_client.aio.Client(service.address,
                                                retry=QUICK) as client:
                async with client.converse(SCENE) as chat:
                    return await chat.ask("Which?").result()
        return asyncio.run(run())

    @staticmethod
    def model(service):
        async def run():
            async with cooper_client.aio.Client(service.address,
                                                retry=QUICK) as client:
                return await client.model()
        return asyncio.run(run())


@pytest.fixture(params=[Sync, Aio], ids=["sync", "aio"])
def calls(request):
    return request.param


def test_parts_of_maps_are_joined(service, calls):
    service.script = [[STARTED, part(BYTES[:3], 0, 8), part(BYTES[3:7], 3, 8),
                       part(BYTES[7:], 7, 8), FINISHED]]
    assert (np.asarray(calls.depth(service)) == DEPTH).all()


@pytest.mark.parametrize("parts, words", [
    ([part(BYTES[:3], 0, 8), part(BYTES[4:], 4, 8)], "byte 4 where byte 3"),
    ([part(BYTES[:3], 0, 8), part(BYTES, 3, 8)], "11 bytes came of 8"),
    ([part(BYTES[:3], 0, 8), part(BYTES[3:], 3, 9)], "disagree"),
    ([part(b"", 0, 0)], "no bytes"),
    ([part(BYTES[:3], 0, 8)], "only 3 of 8 bytes"),
])
def test_broken_maps(service, calls, parts, words):
    service.script = [[STARTED, *parts, FINISHED]]
    with pytest.raises(cooper_client.DataLoss, match=words):
        calls.depth(service)


def test_a_map_that_is_too_large(service, calls):
    service.script = [[STARTED, part(b"x", 0, 1 << 40), FINISHED]]
    with pytest.raises(cooper_client.ResourceExhausted, match="do not fit"):
        calls.depth(service)


def test_an_answer_that_ends_too_early(service, calls):
    service.script = [[STARTED]]
    with pytest.raises(cooper_client.DataLoss, match="too early"):
        calls.events(service)
    with pytest.raises(cooper_client.DataLoss, match="no depth map"):
        service.script = [[STARTED, FINISHED]]
        calls.depth(service)


def test_unknown_events_and_enums_are_passed_over(service, calls):
    unknown = pb.Event()
    unknown.MergeFromString(bytes([0xfa, 0x07, 0x00]))  # field 127
    delta = pb.Event(text_delta=pb.TextDelta(turn=0, text="x"))
    delta.text_delta.channel = 77
    service.script = [[STARTED, unknown, delta, FINISHED]]
    events = calls.events(service)
    assert len(events) == 3
    assert events[1].channel == cooper_client.TextChannel.UNSPECIFIED


def test_retries_follow_the_hint(service, calls):
    service.script = [[Refusal(FULL, "QUEUE_FULL", delay=0.3)],
                      [STARTED, part(BYTES, 0, 8), FINISHED]]
    begin = time.monotonic()
    calls.depth(service, seed=5)
    assert time.monotonic() - begin >= 0.3
    assert [r.seed for r in service.requests] == [5, 5]


def test_retries_follow_the_pushback(service, calls):
    service.script = [[Refusal(FULL, "QUEUE_FULL", pushback=200)],
                      [STARTED, FINISHED]]
    begin = time.monotonic()
    assert len(calls.events(service)) == 2
    assert time.monotonic() - begin >= 0.2
    service.script = [[Refusal(FULL, "QUEUE_FULL", delay=0.01, pushback=-1)]]
    service.requests.clear()
    with pytest.raises(cooper_client.ResourceExhausted):
        calls.events(service)
    assert len(service.requests) == 1


def test_a_conversation_and_model_are_tried_again_too(service, calls):
    service.script = [[Refusal(GONE, "LOADING", delay=0.05)],
                      [STARTED, FINISHED]]
    assert calls.ask(service).answer == "yes"
    assert len(service.requests) == 2
    assert service.requests[0] == service.requests[1]
    service.requests.clear()
    service.script = [[Refusal(GONE, "LOADING", delay=0.05)],
                      [pb.GetModelResponse(name="m")]]
    assert calls.model(service).name == "m"


def test_errors_are_typed_and_carry_reason_and_delay(service, calls):
    service.script = [[Refusal(FULL, "CLIENT_LIMIT", delay=0.05)]]
    with pytest.raises(cooper_client.ResourceExhausted) as caught:
        calls.depth(service)
    assert len(service.requests) == 3
    error = caught.value
    assert (error.code, error.reason) == ("RESOURCE_EXHAUSTED", "CLIENT_LIMIT")
    assert error.retry_delay == pytest.approx(0.05)
    assert "CLIENT_LIMIT" in str(error) and "after 0.05 s" in str(error)


def test_what_has_no_hint_is_not_tried_again(service, calls):
    for code, kind in ((grpc.StatusCode.INTERNAL, cooper_client.InternalError),
                       (FULL, cooper_client.ResourceExhausted),
                       (grpc.StatusCode.NOT_FOUND, cooper_client.NotFound)):
        service.script = [[Refusal(code, "ENGINE")]]
        service.requests.clear()
        with pytest.raises(kind):
            calls.depth(service)
        assert len(service.requests) == 1


def test_what_was_begun_is_not_tried_again(service, calls):
    text = pb.Event(text_delta=pb.TextDelta(text="x", channel=1))
    service.script = [[STARTED, text, Refusal(GONE, "ENGINE_FAILED", delay=0.01)]]
    with pytest.raises(cooper_client.Unavailable):
        calls.events(service)
    assert len(service.requests) == 1
    # Admitted only, and no event was given out: tried again.
    service.script = [[STARTED, Refusal(FULL, "QUEUE_TIMEOUT", delay=0.01)],
                      [STARTED, part(BYTES, 0, 8), FINISHED]]
    service.requests.clear()
    calls.depth(service)
    assert len(service.requests) == 2


def test_no_wait_goes_beyond_the_deadline(service, calls):
    service.script = [[Refusal(FULL, "QUEUE_FULL", delay=5)]]
    begin = time.monotonic()
    with pytest.raises(cooper_client.ResourceExhausted):
        calls.depth(service, timeout=1)
    assert time.monotonic() - begin < 1
    assert len(service.requests) == 1
    assert service.deadlines[0] < 1.1


def test_a_deadline_ends_the_call(service, calls):
    service.script = [[STARTED, lambda: service.cancelled.wait(10), FINISHED]]
    begin = time.monotonic()
    with pytest.raises(cooper_client.DeadlineExceeded):
        calls.depth(service, timeout=0.2)
    assert time.monotonic() - begin < 5


def test_nothing_listens(calls):
    class Nowhere:
        address = "127.0.0.1:1"
    with pytest.raises(cooper_client.Unavailable) as caught:
        calls.depth(Nowhere)
    assert "127.0.0.1:1" in str(caught.value)


def test_cancel_from_another_thread(service):
    service.script = [[STARTED, lambda: service.cancelled.wait(10), FINISHED]]
    with cooper_client.Client(service.address) as client:
        stream = client.reason(None, "Which?")
        assert isinstance(next(stream), cooper_client.Started)
        threading.Timer(0.1, stream.cancel).start()
        with pytest.raises(cooper_client.Cancelled):
            stream.result()
        assert service.cancelled.wait(5)
        with pytest.raises(cooper_client.Cancelled):
            next(stream)


def test_cancel_while_it_waits_for_a_retry(service):
    service.script = [[Refusal(FULL, "QUEUE_FULL", delay=20)]]
    with cooper_client.Client(service.address) as client:
        stream = client.reason(None, "Which?")
        threading.Timer(0.2, stream.cancel).start()
        begin = time.monotonic()
        with pytest.raises(cooper_client.Cancelled):
            stream.result()
        assert time.monotonic() - begin < 10


def test_leaving_the_block_cancels(service):
    service.script = [[STARTED, lambda: service.cancelled.wait(10), FINISHED]]
    with cooper_client.Client(service.address) as client:
        with client.reason(None, "Which?") as stream:
            next(stream)
        assert service.cancelled.wait(5)


def test_a_cancelled_task_cancels_the_call(service):
    service.script = [[STARTED, lambda: service.cancelled.wait(10), FINISHED]]

    async def run():
        async with cooper_client.aio.Client(service.address) as client:
            task = asyncio.ensure_future(client.depth(SCENE))
            while not service.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            stream = client.reason(None, "Which?")
            assert isinstance(await stream.__anext__(), cooper_client.Started)
            stream.cancel()
            with pytest.raises(cooper_client.Cancelled):
                await stream.result()
    asyncio.run(run())
    assert service.cancelled.wait(5)


def test_the_result_comes_after_iteration_too(service, calls):
    del calls
    texts = [pb.Event(text_delta=pb.TextDelta(turn=t, channel=c, text=x))
             for t, c, x in ((0, 1, "a"), (0, 1, "b"), (0, 3, "c"), (1, 3, "d"))]
    service.script = [[STARTED, *texts, FINISHED]]
    with cooper_client.Client(service.address) as client:
        stream = client.reason(None, "Which?")
        next(stream)
        next(stream)
        found = stream.result()
        assert list(stream) == []
    assert [t.text for t in found.texts] == ["ab", "c", "d"]
    assert found.thoughts == "ab"
    assert (found.seed, found.model, found.answer) == (7, "m", "yes")
