"""Conversations, for the synchronous client."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Optional

import grpc

from cooper_client._proto import spatial_reasoning_pb2 as pb
from cooper_client.calls import wait_after
from cooper_client.errors import Cancelled, CooperError
from cooper_client.events import Event
from cooper_client.images import Images
from cooper_client.results import Result
from cooper_client.retries import RetryPolicy, Tries
from cooper_client.turns import TurnQueue, TurnState

_Messages = Iterator[pb.ConverseRequest]


class Turn(Iterator[Event]):
    """An iterator of the events of one turn, with `.result()`."""

    def __init__(self, conversation: Conversation, state: TurnState) -> None:
        self._conversation = conversation
        self._state = state

    def __iter__(self) -> Turn:
        return self

    def __next__(self) -> Event:
        while not self._state.over:
            if self._state.pending:
                return self._state.pending.popleft()
            self._conversation.read_for(self._state)
        raise StopIteration

    def result(self) -> Result:
        """Waits for the end of the turn and gives its whole answer; of a turn
        that was cancelled what came of it. Raises CooperError."""
        for _ in self:
            pass
        return self._state.answer.result()


class Conversation:
    """Questions that build on one another. Use it as a context manager.

    Turns run in the order in which they are asked, and their events may be read
    at any time; up to four wait in the server. All methods may be called from any
    thread. A turn that fails ends the conversation; with `session_id` a new one
    may go on with what came before.
    """

    def __init__(self, start: Callable[[_Messages, Optional[float]], Any],
                 first: pb.ConverseStart, policy: RetryPolicy,
                 timeout: Optional[float]) -> None:
        self._start = start
        self._turns = TurnQueue(first)
        self._policy = policy
        self._timeout = timeout
        self._tries: Optional[Tries] = None
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call: Any = None
        self._sending = threading.Lock()
        self._reading = threading.Lock()
        self._closed = threading.Event()

    @property
    def session_id(self) -> Optional[str]:
        """What the server calls this conversation; None before the first turn."""
        return self._turns.session_id

    def ask(self, question: str, images: Optional[Images] = None, *,
            bgr: bool = False) -> Turn:
        """Asks a question, with further images if they are given. The last image
        sets the size of the maps from then on. Returns at once."""
        with self._sending:
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

    def close(self) -> None:
        """Ends the conversation; a turn under way is cancelled. The server keeps
        the session for a while."""
        self._closed.set()
        self._messages.put(None)
        if self._call is None:
            return
        if not self._turns.idle:
            self._call.cancel()
            return
        try:
            for _ in self._call:
                pass
        except grpc.RpcError:
            pass

    def read_for(self, state: TurnState) -> None:
        """Reads one event, whose turn it may be or not. For Turn."""
        with self._reading:
            if state.pending or state.error is not None or state.answer.ended:
                return
            try:
                self._turns.accept(next(self._call))
            except StopIteration:
                self._end(None)
            except grpc.RpcError as error:
                self._try_again(error)
            except CooperError as error:
                self._call.cancel()
                self._end(error)

    def _try_again(self, error: grpc.RpcError) -> None:
        assert self._tries is not None
        typed, wait = wait_after(self._tries, error)
        if self._closed.is_set():
            typed, wait = Cancelled("the conversation was closed"), None
        if wait is None or self._turns.began or self._closed.wait(wait):
            self._end(typed)
            return
        with self._sending:
            self._messages.put(None)
            self._messages = queue.SimpleQueue()
            for message in self._turns.again():
                self._messages.put(message)
            self._open()
            if self._closed.is_set():  # while it started
                self._call.cancel()

    def _end(self, error: Optional[CooperError]) -> None:
        self._turns.end(error)
        # Ends the thread of gRPC's that waits for messages.
        self._messages.put(None)

    def _open(self) -> None:
        assert self._tries is not None
        self._call = self._start(iter(self._messages.get, None),
                                 self._tries.remaining())

    def _send(self, message: pb.ConverseRequest) -> None:
        self._turns.remember(message)
        self._messages.put(message)
        if self._call is None:
            self._tries = Tries(self._policy, self._timeout)
            self._open()

    def _steer(self, message: pb.ConverseRequest) -> None:
        with self._sending:
            self._check_open()
            if self._call is None:
                raise ValueError("ask a question first")
            self._send(message)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ValueError("the conversation is closed")

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, kind: Optional[type[BaseException]],
                 error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()
