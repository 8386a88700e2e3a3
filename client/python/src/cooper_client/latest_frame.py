"""The newest frame of a stream, for the synchronous client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional

from cooper_client import frames
from cooper_client.errors import Cancelled, CooperError, DeadlineExceeded
from cooper_client.frames import Frame, Newest
from cooper_client.maps import DepthMap, LabelMap
from cooper_client.results import Result
from cooper_client.retries import RetryPolicy, Tries
from cooper_client.streams import EventStream


def value_of(result: Result, task: str) -> Any:
    """What `task` wants of a result."""
    if task == "reason":
        return result
    kind: Any = DepthMap if task == "depth" else LabelMap
    return result.only_map(kind)


def wait_after(error: CooperError, tries: Tries) -> float:
    """Seconds after which the loop goes on with the newest frame: the call was
    stale or late, or refused for a while. Raises other errors; a lost connection
    after as many tries in a row as the policy has."""
    if error.retry_delay is not None:
        return error.retry_delay
    if isinstance(error, (Cancelled, DeadlineExceeded)):
        return 0.0
    wait = tries.wait_after(error)
    if wait is None:
        raise error
    return wait


class _Loop:
    """A thread reads the stream; the thread that iterates makes the calls."""

    def __init__(self, stream: Iterable[Any],
                 start: Callable[[Any], EventStream],
                 stale_after: Optional[float], policy: RetryPolicy) -> None:
        self._stream = stream
        self._policy = policy
        self._tries = Tries(policy, None)
        self._start = start
        self._changed = threading.Condition()
        # Guarded by _changed.
        self._newest = Newest(stale_after)
        self._call: Optional[EventStream] = None
        self._timer: Optional[threading.Timer] = None
        self._ended = False
        self._error: Optional[BaseException] = None

    def read(self) -> None:
        try:
            for item in self._stream:
                with self._changed:
                    if self._ended:
                        return
                    self._newest.put(item)
                    self._changed.notify()
                    self._cancel_if_stale()
        except BaseException as error:  # pylint: disable=broad-except
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _cancel_if_stale(self) -> None:
        """Now, or by a timer when it will be. Holds _changed."""
        left = self._newest.stale_in()
        if left is None or self._call is None or self._timer is not None:
            return
        if left == 0:
            self._call.cancel()
            return
        self._timer = threading.Timer(left, self._on_timer, [self._call])
        self._timer.daemon = True
        self._timer.start()

    def _on_timer(self, call: EventStream) -> None:
        with self._changed:
            if self._call is call:
                self._timer = None
                self._cancel_if_stale()

    def run(self, task: str) -> Iterator[Frame[Any]]:
        reader = threading.Thread(target=self.read, daemon=True,
                                  name="cooper-latest-frame")
        reader.start()
        try:
            while True:
                with self._changed:
                    while not self._newest.waits and not self._ended:
                        self._changed.wait()
                    if self._error is not None:
                        raise self._error
                    if not self._newest.waits:
                        return
                    taken = self._newest.begin()
                frame = self._work_on(taken, task)
                if frame is not None:
                    yield frame
        finally:
            with self._changed:
                self._ended = True

    def _work_on(self, taken: frames.Waiting, task: str) -> Optional[Frame[Any]]:
        with self._start(taken.image) as call:
            with self._changed:
                self._call = call
                self._cancel_if_stale()
            try:
                value = value_of(call.result(), task)
            except CooperError as error:
                wait = wait_after(error, self._tries)
                with self._changed:
                    self._newest.drop()
                    self._changed.wait_for(lambda: self._ended, wait)
                return None
            finally:
                self._end_call()
        self._tries = Tries(self._policy, None)
        with self._changed:
            return self._newest.finish(taken, value)

    def _end_call(self) -> None:
        with self._changed:
            self._call = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None


def latest_frame(stream: Iterable[Any], start: Callable[[Any], EventStream],
                 task: str = "depth", stale_after: Optional[float] = None,
                 policy: RetryPolicy = RetryPolicy()) -> Iterator[Frame[Any]]:
    """Works on the newest frame of a stream, as of a camera, and leaves out what
    a newer one has replaced; `client.latest_frame(stream)` calls this.

    stream       Gives images, or (timestamp, image) with a time stamp of any
                 kind, which comes back. A thread of its own reads it.
    task         "depth", "segment" or "reason" (which needs `question`).
    stale_after  A call is cancelled once a newer frame waits and the call runs
                 for longer than so many seconds; 0: as soon as a newer frame
                 waits. None: twice what calls took lately. The call after a
                 cancelled one runs to its end, so that at least every second one
                 gives a value.

    Where the server refuses a frame for a while or it is late, the loop goes on
    with the newest frame when it may; other errors are raised.
    """
    frames.check(task, stale_after)
    if not hasattr(stream, "__iter__"):
        raise TypeError("frames: must be an iterable of images, is "
                        f"{type(stream).__name__}")
    return _Loop(stream, start, stale_after, policy).run(task)
