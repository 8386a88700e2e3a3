"""Conversations, for the asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Optional

import grpc
import grpc.aio

from cooper_client._proto import spatial_reasoning_pb2 as pb
from cooper_client.calls import wait_after
from cooper_client.errors import Cancelled, CooperError
from cooper_client.events import Event
from cooper_client.images import Images
from cooper_client.results import Result
from cooper_client.retries import RetryPolicy, Tries
from cooper_client.turns import TurnQueue, TurnState

_Messages = AsyncIterator[pb.ConverseRequest]


class Turn(AsyncIterator[Event]):
    """An asynchronous iterator of the events of one turn, with `.result()`."""

    def __init__(self, conversation: Conversation, state: TurnState) -> None:
        self._conversation = conversation
        self._state = state

    def __aiter__(self) -> Turn:
        return self

    async def __anext__(self) -> Event:
        while not self._state.over:
            if self._state.pending:
                return self._state.pending.popleft()
            await self._conversation.read_for(self._state)
        raise StopAsyncIteration

    async def result(self) -> Result:
        """Waits for the end of the turn and gives its whole answer; of a turn
        that was cancelled what came of it. Raises CooperError."""
        async for _ in self:
            pass
        return self._state.answer.result()


async def _given(messages: asyncio.Queue[Any]) -> _Messages:
    while True:
        message = await messages.get()
        if message is None:
            return
        yield message


class Conversation:
    """Questions that build on one another. Use it with `async with`.

    Turns run in the order in which they are asked, and their events may be read
    at any time; up to four wait in the server. `ask`, `answer_now`,
    `no_more_maps` and `cancel` return at once and are not awaited.
    """

    def __init__(self, start: Callable[[_Messages, Optional[float]], Any],
                 first: pb.ConverseStart, policy: RetryPolicy,
                 timeout: Optional[float]) -> None:
        self._start = start
        self._turns = TurnQueue(first)
        self._policy = policy
        self._timeout = timeout
        self._tries: Optional[Tries] = None
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._call: Any = None
        self._reading = asyncio.Lock()
        self._closed = False

    @property
    def session_id(self) -> Optional[str]:
        """What the server calls this conversation; None before the first turn."""
        return self._turns.session_id

    def ask(self, question: str, images: Optional[Images] = None, *,
            bgr: bool = False) -> Turn:
        """Asks a question, with further images if they are given. The last image
        sets the size of the maps from then on."""
        self._check_open()
        state, message = self._turns.ask(question, images, bgr)
        self._send(message)
        return Turn(self, state)

    def answer_now(self) -> None:
        """The turn under way shall answer now; a map that is being generated is
        finished before."""
        self._steer(pb.ConverseRequest(answer_now=pb.AnswerNow()))

    def no_more_maps(self) -> None:
        """From now on no map is begun."""
        self._steer(pb.ConverseRequest(no_more_maps=pb.NoMoreMaps()))

    def cancel(self) -> None:
        """Ends the turn under way, not the conversation."""
        self._steer(pb.ConverseRequest(cancel=pb.CancelTurn()))

    async def close(self) -> None:
        """Ends the conversation; a turn under way is cancelled. The server keeps
        the session for a while."""
        self._closed = True
        self._messages.put_nowait(None)
        if self._call is None:
            return
        if not self._turns.idle:
            self._call.cancel()
            return
        try:
            while await self._call.read() is not grpc.aio.EOF:
                pass
        except (grpc.RpcError, asyncio.InvalidStateError):
            pass

    async def read_for(self, state: TurnState) -> None:
        """Reads one event, whose turn it may be or not. For Turn."""
        async with self._reading:
            if state.pending or state.error is not None or state.answer.ended:
                return
            try:
                message = await self._call.read()
                if message is not grpc.aio.EOF:
                    self._turns.accept(message)
                elif await self._call.code() is grpc.StatusCode.OK:
                    self._end(None)
                else:
                    await self._call.read()  # raises the status
                    self._end(None)
            except grpc.RpcError as error:
                await self._try_again(error)
            except CooperError as error:
                self._call.cancel()
                self._end(error)
            except asyncio.CancelledError:
                if not self._closed:
                    self._call.cancel()
                    raise
                self._end(Cancelled("the conversation was closed"))

    async def _try_again(self, error: grpc.RpcError) -> None:
        assert self._tries is not None
        typed, wait = wait_after(self._tries, error)
        if self._closed:
            typed, wait = Cancelled("the conversation was closed"), None
        if wait is None or self._turns.began:
            self._end(typed)
            return
        await asyncio.sleep(wait)
        if self._closed:
            self._end(Cancelled("the conversation was closed"))
            return
        self._messages.put_nowait(None)
        self._messages = asyncio.Queue()
        for message in self._turns.again():
            self._messages.put_nowait(message)
        self._open()

    def _end(self, error: Optional[CooperError]) -> None:
        self._turns.end(error)
        self._messages.put_nowait(None)

    def _open(self) -> None:
        assert self._tries is not None
        self._call = self._start(_given(self._messages),
                                 self._tries.remaining())

    def _send(self, message: pb.ConverseRequest) -> None:
        self._turns.remember(message)
        self._messages.put_nowait(message)
        if self._call is None:
            self._tries = Tries(self._policy, self._timeout)
            self._open()

    def _steer(self, message: pb.ConverseRequest) -> None:
        self._check_open()
        if self._call is None:
            raise ValueError("ask a question first")
        self._send(message)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the conversation is closed")

    async def __aenter__(self) -> Conversation:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]],
                        error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.close()
