"""Enumerations of the protocol. Each member is a string, its short name as the
command line tool has it, so that `mode="text_only"` is `Mode.TEXT_ONLY`."""

from __future__ import annotations

import enum
from typing import Any

from cooper_client._proto import spatial_reasoning_pb2 as pb


class _Name(str, enum.Enum):
    # What str() and format() print is the plain string, in every Python.
    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self.value), spec)


class Mode(_Name):
    """How a question is answered."""

    #: Think, generate maps as needed, look at them, answer. The default.
    INTERLEAVED = "interleaved"
    #: Think and answer in text; no map is generated.
    TEXT_ONLY = "text_only"
    #: Always generate a depth map and a segmentation, then answer at once.
    PERCEIVE_THEN_ANSWER = "perceive_then_answer"


class Priority(_Name):
    """Which requests go first where not all can."""

    NORMAL = "normal"
    #: Work that can wait: it yields to normal requests.
    LOW = "low"


class RenormType(_Name):
    """Renormalisation of guided velocities."""

    GLOBAL = "global"
    CHANNEL = "channel"
    TEXT_CHANNEL = "text_channel"


class MapKind(_Name):
    """What a map shows."""

    UNSPECIFIED = "unspecified"
    DEPTH = "depth"
    SEGMENTATION = "segmentation"
    #: An image (`generate`).
    IMAGE = "image"


class MapRole(_Name):
    """Which rendering of a map the bytes are."""

    UNSPECIFIED = "unspecified"
    #: The values themselves: relative depth; RGB of a segmentation or image.
    VALUES = "values"
    #: For eyes: of depth its Spectral picture, near dark red to far violet.
    DISPLAY = "display"
    #: The pixels that the model's vision encoder saw.
    AS_SEEN_BY_MODEL = "as_seen_by_model"


class MapEncoding(_Name):
    """How the bytes of a map are encoded."""

    UNSPECIFIED = "unspecified"
    PNG_RGB8 = "png_rgb8"
    #: 16-bit grey PNG: depth = sample / 65535.
    PNG_GREY16 = "png_grey16"
    #: Little-endian float32, row by row.
    RAW_FLOAT32 = "raw_float32"


class TextChannel(_Name):
    """Which part of the model's writing a piece of text belongs to."""

    UNSPECIFIED = "unspecified"
    THINK = "think"
    #: The model asks for a map.
    PERCEPTION_REQUEST = "perception_request"
    ANSWER = "answer"
    #: Outside any tag.
    PLAIN = "plain"


class FinishReason(_Name):
    """Why a request ended."""

    UNSPECIFIED = "unspecified"
    #: The model answered, or generated the one map that was asked for.
    ANSWERED = "answered"
    #: The last allowed round ended without an answer.
    MAX_TURNS = "max_turns"
    #: A text reached its token limit without an answer.
    MAX_TOKENS = "max_tokens"
    #: A round ended with neither an answer nor a request for a map.
    NO_REQUEST = "no_request"


def _prefix(descriptor: Any) -> str:
    # "MAP_ROLE_" of an enum whose value zero is MAP_ROLE_UNSPECIFIED.
    return str(descriptor.values_by_number[0].name)[:-len("UNSPECIFIED")]


def short_names(descriptor: Any) -> dict[str, int]:
    """Short name -> number of every value but zero."""
    prefix = _prefix(descriptor)
    return {value.name[len(prefix):].lower(): value.number
            for value in descriptor.values if value.number != 0}


def _by_number() -> dict[str, dict[int, Any]]:
    tables: dict[str, dict[int, Any]] = {}
    for kind in (Mode, Priority, RenormType, MapKind, MapRole, MapEncoding,
                 TextChannel, FinishReason):
        names = short_names(pb.DESCRIPTOR.enum_types_by_name[kind.__name__])
        tables[kind.__name__] = {
            names[member.value]: member
            for member in kind if member.value in names}
    return tables


_BY_NUMBER = _by_number()


def from_number(kind: Any, number: int) -> Any:
    """The member of `kind`; UNSPECIFIED for a number of a newer server."""
    return _BY_NUMBER[kind.__name__].get(number) or kind("unspecified")
