"""Events of a call, for the asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Optional

import grpc
import grpc.aio

from cooper_client.calls import StreamState
from cooper_client.events import Event
from cooper_client.results import Result


class EventStream(AsyncIterator[Event]):
    """An asynchronous iterator of the events of one call.

    Iterate in one task. Cancelling that task cancels the call, and so does leaving
    an `async with` block.
    """

    def __init__(self, start: Callable[[Optional[float]], Any],
                 state: StreamState) -> None:
        self._start = start
        self._state = state
        self._wake = asyncio.Event()
        self._call = start(state.tries.remaining())

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        event = await self._advance()
        if event is None:
            raise StopAsyncIteration
        self._state.handed = True
        return event

    async def result(self) -> Result:
        """Waits for the end and gives the whole answer, also of events that were
        iterated over before. Raises CooperError."""
        while await self._advance() is not None:
            pass
        return self._state.result()

    def cancel(self) -> None:
        """Ends the call soon: the server stops its work on it, and a task that
        waits for it gets the error Cancelled. Does nothing after the end."""
        self._state.cancelled = True
        self._wake.set()
        self._call.cancel()

    async def _advance(self) -> Optional[Event]:
        while not self._state.over:
            try:
                message = await self._call.read()
            except grpc.RpcError as error:
                await self._pause(self._state.on_error(error))
                self._call = self._start(self._state.tries.remaining())
                continue
            except asyncio.CancelledError:
                # gRPC raises it also where this side cancelled the call.
                if self._state.cancelled:
                    self._state.cancel_error()
                self._call.cancel()
                raise
            if message is grpc.aio.EOF:
                await self._finish()
                continue
            try:
                event = self._state.accept(message)
            except BaseException:
                self._call.cancel()
                raise
            if event is not None:
                return event
        return None

    async def _finish(self) -> None:
        # Old versions of gRPC give EOF also at the end of a failed call.
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            self._state.on_end()
            return
        error = grpc.aio.AioRpcError(
            code, await self._call.initial_metadata(),
            await self._call.trailing_metadata(), await self._call.details())
        await self._pause(self._state.on_error(error))
        self._call = self._start(self._state.tries.remaining())

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except asyncio.TimeoutError:
            return
        self._state.cancel_error()

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]],
                        error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        self.cancel()
