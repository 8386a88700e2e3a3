"""Events of a call, for the synchronous client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Optional

import grpc

from cooper_client.calls import StreamState
from cooper_client.events import Event
from cooper_client.results import Result


class EventStream(Iterator[Event]):
    """An iterator of the events of one call.

    Iterate in one thread; `cancel` may come from any. Leaving a `with` block, or
    dropping the stream, cancels what still runs.
    """

    def __init__(self, start: Callable[[Optional[float]], Any],
                 state: StreamState) -> None:
        self._start = start
        self._state = state
        self._wake = threading.Event()
        self._call = start(state.tries.remaining())

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        event = self._advance()
        if event is None:
            raise StopIteration
        self._state.handed = True
        return event

    def result(self) -> Result:
        """Waits for the end and gives the whole answer, also of events that were
        iterated over before. Raises CooperError."""
        while self._advance() is not None:
            pass
        return self._state.result()

    def cancel(self) -> None:
        """Ends the call soon: the server stops its work on it, and a thread that
        waits for it gets the error Cancelled. Does nothing after the end."""
        self._state.cancelled = True
        self._wake.set()
        self._call.cancel()

    def _advance(self) -> Optional[Event]:
        while not self._state.over:
            try:
                message = next(self._call)
            except StopIteration:
                self._state.on_end()
                continue
            except grpc.RpcError as error:
                self._wake.wait(self._state.on_error(error))
                if self._state.cancelled:
                    self._state.cancel_error()
                self._call = self._start(self._state.tries.remaining())
                if self._state.cancelled:  # while it started
                    self._call.cancel()
                continue
            try:
                event = self._state.accept(message)
            except BaseException:
                self._call.cancel()
                raise
            if event is not None:
                return event
        return None

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, kind: Optional[type[BaseException]],
                 error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.cancel()
