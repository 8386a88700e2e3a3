"""The turns of a conversation, shared by both clients. No I/O."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any, Optional

from cooper_client import requests
from cooper_client._proto import spatial_reasoning_pb2 as pb
from cooper_client.answer import Answer
from cooper_client.errors import CooperError, DataLoss
from cooper_client.events import Event


def first_turn(images: list[bytes], session_id: Any,
               options: Mapping[str, Any]) -> pb.ConverseStart:
    """The `start` of a conversation, without its question."""
    if not isinstance(session_id, str):
        raise TypeError(f"session_id: must be a string, is {session_id!r}")
    request = requests.reason(None, "?", False, options, "converse")
    del request.inputs[:]
    request.inputs.extend(pb.Input(image=data) for data in images)
    return pb.ConverseStart(reason=request, session_id=session_id)


class TurnState:
    """One turn: its answer, and its events that were read but not yet given."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.pending: collections.deque[Event] = collections.deque()
        self.error: Optional[CooperError] = None

    @property
    def over(self) -> bool:
        """Nothing is left to give; raises the error if there was one."""
        if self.pending:
            return False
        if self.error is not None:
            raise self.error
        return self.answer.ended


class TurnQueue:
    """Turns in the order in which they were asked, and the messages for them."""

    def __init__(self, start: pb.ConverseStart) -> None:
        self._start: Optional[pb.ConverseStart] = start
        self._waiting: collections.deque[TurnState] = collections.deque()
        self._sent: list[pb.ConverseRequest] = []
        self.began = False
        self.error: Optional[CooperError] = None
        self.session_id: Optional[str] = start.session_id or None

    @property
    def idle(self) -> bool:
        """No turn is under way."""
        return not self._waiting

    def ask(self, question: Any, images: Any,
            bgr: bool) -> tuple[TurnState, pb.ConverseRequest]:
        """A new turn and the message that asks for it."""
        if self.error is not None:
            raise self.error
        inputs = requests.inputs(images, requests.text(question, "question"),
                                 bgr)
        if self._start is not None:
            self._start.reason.inputs.extend(inputs)
            message = pb.ConverseRequest(start=self._start)
            self._start = None
        else:
            message = pb.ConverseRequest(ask=pb.ConverseAsk(inputs=inputs))
        turn = TurnState()
        self._waiting.append(turn)
        return turn, message

    def remember(self, message: pb.ConverseRequest) -> None:
        """Of what may have to be sent again."""
        if not self.began:
            self._sent.append(message)

    def again(self) -> list[pb.ConverseRequest]:
        """What a new try sends."""
        return list(self._sent)

    def accept(self, message: Any) -> None:
        """Gives an event to its turn."""
        if not self._waiting:
            raise DataLoss("the server sent events of no turn")
        self.began = True
        self._sent.clear()
        turn = self._waiting[0]
        event = turn.answer.accept(message)
        if event is not None:
            turn.pending.append(event)
        if message.HasField("session"):
            self.session_id = message.session.session_id
        if turn.answer.ended:
            self._waiting.popleft()

    def end(self, error: Optional[CooperError]) -> None:
        """The call is over; turns that are not get the error."""
        self.error = error or DataLoss("the conversation has ended")
        for turn in self._waiting:
            turn.error = error or DataLoss(
                "the server ended the answer too early")
        self._waiting.clear()
