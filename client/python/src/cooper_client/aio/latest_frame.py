"""The newest frame of a stream, for the asyncio client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, Optional

from cooper_client import frames
from cooper_client.aio.streams import EventStream
from cooper_client.errors import CooperError
from cooper_client.frames import Frame, Newest
from cooper_client.latest_frame import value_of, wait_after
from cooper_client.retries import RetryPolicy, Tries


class _Loop:
    """A task reads the stream; the task that iterates makes the calls."""

    def __init__(self, stream: AsyncIterable[Any],
                 start: Callable[[Any], EventStream],
                 stale_after: Optional[float], policy: RetryPolicy) -> None:
        self._stream = stream
        self._start = start
        self._policy = policy
        self._tries = Tries(policy, None)
        self._newest = Newest(stale_after)
        self._changed = asyncio.Event()
        self._ended = False
        self._call: Optional[EventStream] = None
        self._timer: Optional[asyncio.TimerHandle] = None

    async def read(self) -> None:
        try:
            async for item in self._stream:
                self._newest.put(item)
                self._changed.set()
                self._cancel_if_stale()
        finally:
            self._ended = True
            self._changed.set()

    def _cancel_if_stale(self) -> None:
        self._timer = None
        left = self._newest.stale_in()
        if left is None or self._call is None:
            return
        if left == 0:
            self._call.cancel()
            return
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(
            left, self._cancel_if_stale)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def run(self, task: str) -> AsyncIterator[Frame[Any]]:
        reader = asyncio.ensure_future(self.read())
        try:
            while True:
                while not self._newest.waits and not self._ended:
                    self._changed.clear()
                    await self._changed.wait()
                if self._ended and reader.done():
                    reader.result()
                if not self._newest.waits:
                    return
                frame = await self._work_on(self._newest.begin(), task)
                if frame is not None:
                    yield frame
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reader

    async def _work_on(self, taken: frames.Waiting,
                       task: str) -> Optional[Frame[Any]]:
        async with self._start(taken.image) as call:
            self._call = call
            self._cancel_if_stale()
            try:
                value = value_of(await call.result(), task)
            except CooperError as error:
                wait = wait_after(error, self._tries)
                self._newest.drop()
                await asyncio.sleep(wait)
                return None
            finally:
                self._call = None
                self._stop_timer()
        self._tries = Tries(self._policy, None)
        return self._newest.finish(taken, value)


def latest_frame(stream: AsyncIterable[Any],
                 start: Callable[[Any], EventStream], task: str = "depth",
                 stale_after: Optional[float] = None,
                 policy: RetryPolicy = RetryPolicy()) -> AsyncIterator[Frame[Any]]:
    """As `cooper_client.latest_frame`, of an asynchronous stream."""
    frames.check(task, stale_after)
    if not hasattr(stream, "__aiter__"):
        raise TypeError("frames: must be an asynchronous iterable of images, is "
                        f"{type(stream).__name__}")
    return _Loop(stream, start, stale_after, policy).run(task)
