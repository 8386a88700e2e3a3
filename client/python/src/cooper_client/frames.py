"""Which frame of a stream is worked on, and whether it is stale. No I/O, no
threads: both clients lock around this."""

from __future__ import annotations

import collections
import dataclasses
import statistics
import time
from typing import Any, Generic, Optional, TypeVar

TASKS = ("depth", "segment", "reason")
# A learned limit is this many times what calls took lately.
_SLACK = 2.0
_REMEMBERED = 16


Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class Frame(Generic[Value]):
    """The newest frame, and what came of it: a DepthMap, a LabelMap or a Result,
    by the task."""

    #: Counts the frames of the stream, from 0.
    index: int
    #: As the stream gave it; else `received`.
    timestamp: Any
    #: The image as the stream gave it.
    image: Any = dataclasses.field(repr=False)
    #: The map, or the answer.
    value: Value
    #: time.monotonic() when the stream gave the frame, s.
    received: float
    #: time.monotonic() when `value` was there, s.
    finished: float
    #: Frames since the one before that got no value: those that a newer one
    #: replaced before they were sent, and those that were cancelled.
    skipped: int
    #: Of these: cancelled while the server worked on them.
    cancelled: int

    @property
    def latency(self) -> float:
        """Seconds from `received` to `finished`."""
        return self.finished - self.received


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A frame for which no call has begun."""

    index: int
    timestamp: Any
    image: Any
    received: float


def split(item: Any) -> tuple[Any, Any]:
    """(timestamp or None, image) of what a stream gives."""
    if isinstance(item, tuple):
        if len(item) != 2:
            raise ValueError("frames: must give images or (timestamp, image), "
                             f"gave a tuple of {len(item)}")
        return item[0], item[1]
    return None, item


def check(task: Any, stale_after: Any) -> None:
    """ValueError names the argument that is wrong."""
    if task not in TASKS:
        raise ValueError(f"task: must be one of {', '.join(TASKS)}, is {task!r}")
    if stale_after is not None and (
            not isinstance(stale_after, (int, float)) or not stale_after >= 0):
        raise ValueError("stale_after: must be None or seconds of at least 0, is "
                         f"{stale_after!r}")


class Newest:
    """The newest frame that waits, and the age of the call under way."""

    def __init__(self, stale_after: Optional[float]) -> None:
        self._stale_after = stale_after
        self._waiting: Optional[Waiting] = None
        self._count = 0
        self._begun: Optional[float] = None
        self._durations: collections.deque[float] = collections.deque(
            maxlen=_REMEMBERED)
        self._protected = False
        self._last = -1
        self._cancelled = 0

    @property
    def waits(self) -> bool:
        return self._waiting is not None

    def put(self, item: Any) -> None:
        """A frame of the stream; replaces the one that waits."""
        timestamp, image = split(item)
        now = time.monotonic()
        self._waiting = Waiting(
            self._count, now if timestamp is None else timestamp, image, now)
        self._count += 1

    def begin(self) -> Waiting:
        """Takes the frame that waits; a call for it begins."""
        assert self._waiting is not None
        taken, self._waiting = self._waiting, None
        self._begun = time.monotonic()
        return taken

    def stale_in(self) -> Optional[float]:
        """Seconds until the call under way is stale, 0: now; None: it is not,
        since no newer frame waits or the call before was cancelled, so that
        this one runs to its end."""
        if self._begun is None or self._waiting is None or self._protected:
            return None
        limit = self._stale_after
        if limit is None:
            if not self._durations:
                return None
            limit = _SLACK * statistics.median(self._durations)
        return max(0.0, self._begun + limit - time.monotonic())

    def drop(self) -> None:
        """The call under way ended without a value."""
        self._begun = None
        self._protected = True
        self._cancelled += 1

    def finish(self, taken: Waiting, value: Any) -> Frame[Any]:
        """The call under way ended with `value`."""
        now = time.monotonic()
        assert self._begun is not None
        self._durations.append(now - self._begun)
        self._begun = None
        self._protected = False
        skipped, self._last = taken.index - self._last - 1, taken.index
        cancelled, self._cancelled = self._cancelled, 0
        return Frame(taken.index, taken.timestamp, taken.image, value,
                     taken.received, now, skipped, cancelled)
