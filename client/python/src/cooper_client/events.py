"""Events of a call, in the order in which they happen: `Started` first, then
text, maps and previews, and `Finished` last."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional, Union

from cooper_client import enums
from cooper_client.enums import (FinishReason, MapEncoding, MapKind, MapRole,
                                 TextChannel)


@dataclasses.dataclass(frozen=True)
class Started:
    """The request was admitted."""

    #: The request's name, given or drawn by the server.
    request_id: str
    #: Name of the model.
    model: str
    #: The seed in use.
    seed: int


@dataclasses.dataclass(frozen=True)
class TextDelta:
    """A piece of text as it is written. Pieces of one turn and channel join."""

    #: Counts the model's texts, from 0.
    turn: int
    channel: TextChannel
    text: str


@dataclasses.dataclass(frozen=True)
class MapStarted:
    """The generation of a map begins."""

    #: Counts the request's maps, from 0.
    map_id: int
    kind: MapKind
    #: px.
    width: int
    #: px.
    height: int
    #: Denoising steps to come.
    num_steps: int
    #: The words with which the model (or the server) asked for the map.
    request_text: str


@dataclasses.dataclass(frozen=True)
class MapProgress:
    """A denoising step of a map is done."""

    map_id: int
    #: Steps done, 1..num_steps.
    step: int
    num_steps: int
    #: PNG file of what the map would be by now (see `preview_every`), or None.
    preview: Optional[bytes] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Region:
    """A connected area of like colour in a segmentation."""

    #: Its value in the label map, 1..n, largest area first.
    label: int
    #: Mean (red, green, blue), 0..255.
    colour: tuple[int, int, int]
    #: px.
    area: int
    #: (left, top, right, bottom) in px of the map: left and top inclusive,
    #: right and bottom exclusive.
    box: tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class MapResult:
    """The bytes of a finished map in one role, whole."""

    map_id: int
    kind: MapKind
    role: MapRole
    encoding: MapEncoding
    #: px.
    width: int
    #: px.
    height: int
    #: A PNG file, or raw float32 (see `encoding`).
    data: bytes = dataclasses.field(repr=False)
    #: Of a segmentation, largest first.
    regions: tuple[Region, ...] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a request used. Milliseconds are of wall time; phases of concurrent
    requests overlap."""

    #: Tokens of the prompt, generated maps included.
    input_tokens: int = 0
    #: Tokens written.
    output_tokens: int = 0
    #: Maps and images generated.
    maps: int = 0
    denoise_steps: int = 0
    queued_ms: float = 0
    prefill_ms: float = 0
    decode_ms: float = 0
    denoise_ms: float = 0
    #: From admission to the last event.
    total_ms: float = 0
    #: Of input_tokens: those that were not computed anew.
    cached_tokens: int = 0
    #: Latents to pixels and pixels to latents.
    vae_ms: float = 0
    #: Image files to pixels and pixels to image files.
    image_ms: float = 0


@dataclasses.dataclass(frozen=True)
class Finished:
    """The request is done; the last event."""

    reason: FinishReason
    #: What the last text answers, without tags; empty where there is nothing.
    answer: str
    #: What stands in the last \\boxed{} of the answer, or None.
    boxed: Optional[str]
    usage: Usage
    #: The last text, whole and with its tags.
    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Session:
    """What the server keeps of a conversation."""

    #: For `converse(session_id=...)`, by the same client.
    session_id: str
    #: Seconds after which it is dropped if no turn begins.
    expires_after_s: float
    #: Memory of its context, bytes.
    kv_bytes: int


@dataclasses.dataclass(frozen=True)
class TurnCancelled:
    """The turn was ended by `cancel`; the last event of the turn."""


Event = Union[Started, TextDelta, MapStarted, MapProgress, MapResult, Finished,
              Session, TurnCancelled]


def _fields(kind: type, message: Any) -> dict[str, Any]:
    return {field.name: getattr(message, field.name)
            for field in dataclasses.fields(kind)}


def _region(label: int, region: Any) -> Region:
    colour = region.colour
    return Region(label, (colour >> 16 & 255, colour >> 8 & 255, colour & 255),
                  region.area,
                  (region.left, region.top, region.right, region.bottom))


def from_proto(message: Any) -> Optional[Event]:
    """The typed event of a cooper.v1.Event; None: a newer server's."""
    which = message.WhichOneof("event")
    if which is None:
        return None
    body = getattr(message, which)
    if which == "text_delta":
        return TextDelta(body.turn,
                         enums.from_number(TextChannel, body.channel), body.text)
    if which == "map_started":
        return MapStarted(body.map_id, enums.from_number(MapKind, body.kind),
                          body.width, body.height, body.num_steps,
                          body.request_text)
    if which == "map_progress":
        return MapProgress(body.map_id, body.step, body.num_steps,
                           body.preview if body.HasField("preview") else None)
    if which == "map":
        return MapResult(
            body.map_id, enums.from_number(MapKind, body.kind),
            enums.from_number(MapRole, body.role),
            enums.from_number(MapEncoding, body.encoding),
            body.width, body.height, body.data,
            tuple(_region(i, r) for i, r in enumerate(body.regions, 1)))
    if which == "finished":
        return Finished(enums.from_number(FinishReason, body.reason),
                        body.answer_text,
                        body.boxed if body.HasField("boxed") else None,
                        Usage(**_fields(Usage, body.usage)), body.answer)
    if which == "turn_cancelled":
        return TurnCancelled()
    kind = Started if which == "started" else Session
    return kind(**_fields(kind, body))
