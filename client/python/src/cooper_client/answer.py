"""Checks and collects the events of one call or turn. No I/O: the synchronous
and the asyncio client read the events and give them to this."""

from __future__ import annotations

from typing import Any, Optional, Union

from cooper_client import events
from cooper_client.enums import FinishReason
from cooper_client.errors import DataLoss
from cooper_client.joiner import MapJoiner
from cooper_client.maps import Map, map_of_kind
from cooper_client.results import Result, Text


class Answer:
    """One answer, event by event."""

    def __init__(self) -> None:
        self._joiner = MapJoiner()
        self._started: Optional[events.Started] = None
        self._finished: Optional[events.Finished] = None
        self._session: Optional[events.Session] = None
        self._cancelled = False
        self._steps: list[Union[events.TextDelta, Map]] = []
        self._maps: dict[int, Map] = {}
        self._map_started: dict[int, events.MapStarted] = {}

    @property
    def begun(self) -> bool:
        """Whether text or a map came, not only that the request was admitted."""
        return bool(self._steps or self._map_started or self.ended)

    @property
    def ended(self) -> bool:
        """Whether the last event came."""
        return self._finished is not None or self._cancelled

    def accept(self, message: Any) -> Optional[events.Event]:
        """The typed event of a cooper.v1.Event; None where there is nothing for
        the user (yet). DataLoss where the server broke the protocol."""
        if message.WhichOneof("event") is None:
            return None
        if self.ended:
            raise DataLoss("the server sent events after the last one")
        if message.WhichOneof("event") == "map":
            whole = self._joiner.add(message.map)
            if whole is None:
                return None
            if whole is not message.map:
                message.map.CopyFrom(whole)
        event = events.from_proto(message)
        if event is not None:
            self._collect(event)
        return event

    def end_of_call(self) -> None:
        """DataLoss if the server ended the call with OK but too early."""
        if not self.ended:
            raise DataLoss("the server ended the answer too early")

    def _collect(self, event: events.Event) -> None:
        if isinstance(event, events.Started):
            self._started = event
        elif isinstance(event, events.Session):
            self._session = event
        elif isinstance(event, events.TextDelta):
            self._steps.append(event)
        elif isinstance(event, events.MapStarted):
            self._map_started[event.map_id] = event
        elif isinstance(event, events.MapResult):
            self._add_map(event)
        elif isinstance(event, events.TurnCancelled):
            self._cancelled = True
        elif isinstance(event, events.Finished):
            self._joiner.check_complete()
            self._finished = event
            for generated in self._maps.values():
                generated.usage = event.usage

    def _add_map(self, event: events.MapResult) -> None:
        if event.map_id not in self._maps:
            begun = self._map_started.get(event.map_id)
            started = self._started
            generated = map_of_kind(event.kind)(
                event.map_id, event.width, event.height,
                request_text=begun.request_text if begun else "",
                request_id=started.request_id if started else "",
                seed=started.seed if started else 0)
            self._maps[event.map_id] = generated
            self._steps.append(generated)
        self._maps[event.map_id].add(event)

    def _joined_steps(self) -> tuple[Union[Text, Map], ...]:
        steps: list[Union[Text, Map]] = []
        for step in self._steps:
            last = steps[-1] if steps else None
            if isinstance(step, Map):
                steps.append(step)
            elif (isinstance(last, Text) and last.turn == step.turn
                  and last.channel == step.channel):
                steps[-1] = Text(step.turn, step.channel, last.text + step.text)
            else:
                steps.append(Text(step.turn, step.channel, step.text))
        return tuple(steps)

    def result(self) -> Result:
        """What came, once `ended`."""
        started = self._started or events.Started("", "", 0)
        finished = self._finished or events.Finished(
            FinishReason.UNSPECIFIED, "", None, events.Usage(), "")
        return Result(
            finished.answer, finished.boxed, tuple(self._maps.values()),
            finished.usage, finished.reason, started.request_id, started.model,
            started.seed, self._joined_steps(),
            self._session.session_id if self._session else None,
            self._cancelled)
