"""Request messages from arguments, which are checked here for their types; the
ranges are the server's to check, whose error names the field."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from cooper_client import enums, images
from cooper_client._proto import spatial_reasoning_pb2 as pb

_PARTS = ("sampling", "flow", "output")
_NOT_OPTIONS = ("inputs", "image")
_INTEGERS = {FieldDescriptor.CPPTYPE_INT32: (-2**31, 2**31 - 1),
             FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1)}


def options_of(message: Any) -> dict[str, tuple[str, Any]]:
    """Name -> (message of the request that has the field, or ""; descriptor)."""
    found = {}
    for field in message.DESCRIPTOR.fields:
        if field.name in _PARTS:
            for inner in field.message_type.fields:
                found[inner.name] = (field.name, inner)
        elif field.name not in _NOT_OPTIONS:
            found[field.name] = ("", field)
    return found


def _enum(name: str, descriptor: Any, value: Any) -> int:
    names = enums.short_names(descriptor)
    short = str(value).lower() if isinstance(value, str) else ""
    if short not in names:
        kind = TypeError if not isinstance(value, str) else ValueError
        raise kind(f"{name}: must be one of {', '.join(names)}, is {value!r}")
    return names[short]


def _checked(name: str, field: Any, value: Any) -> Any:
    """`value` as the field takes it."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(name, field.enum_type, value)
    is_bool = isinstance(value, bool)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not is_bool:
            raise TypeError(f"{name}: must be True or False, is {value!r}")
        return value
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str):
            raise TypeError(f"{name}: must be a string, is {value!r}")
        return value
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        if is_bool or not isinstance(value, numbers.Real):
            raise TypeError(f"{name}: must be a number, is {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"{name}: must be finite, is {value!r}")
        return float(value)
    if is_bool or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: must be an integer, is {value!r}")
    low, high = _INTEGERS[kind]
    if not low <= int(value) <= high:
        raise ValueError(f"{name}: must be in {low}..{high}, is {value}")
    return int(value)


def _set_options(request: Any, method: str, options: Mapping[str, Any]) -> None:
    known = options_of(request)
    for name, value in options.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise TypeError(
                f"{method}() has no option {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else
                   f"; it has {', '.join(sorted(known))}"))
        if value is None:
            continue
        part, field = known[name]
        owner = getattr(request, part) if part else request
        if field.name == "roles":
            if isinstance(value, str):
                value = (value,)
            if not isinstance(value, Iterable):
                raise TypeError(f"roles: must be a sequence, is {value!r}")
            getattr(owner, name).extend(
                _enum(name, field.enum_type, role) for role in value)
        else:
            setattr(owner, name, _checked(name, field, value))
    if "depth_encoding" not in options or options["depth_encoding"] is None:
        request.output.depth_encoding = enums.short_names(
            pb.DESCRIPTOR.enum_types_by_name["MapEncoding"])["raw_float32"]


def text(value: Any, name: str) -> str:
    """A question or a prompt."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: must be a string, is {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name}: is empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: is not valid Unicode: {error}") from None
    return value


def inputs(given: Any, words: str, bgr: bool) -> list[Any]:
    """Images first, then the text."""
    parts = [pb.Input(image=data) for data in images.encode_all(given, bgr)]
    return [*parts, pb.Input(text=words)]


def reason(given: Any, question: Any, bgr: bool, options: Mapping[str, Any],
           method: str = "reason") -> pb.ReasonRequest:
    """Of `reason`, and of the first turn of a conversation."""
    request = pb.ReasonRequest()
    _set_options(request, method, options)
    words = text(question, "question")
    request.inputs.extend(inputs(given, words, bgr))
    return request


def depth(image: Any, bgr: bool,
          options: Mapping[str, Any]) -> pb.EstimateDepthRequest:
    """Of `depth`."""
    request = pb.EstimateDepthRequest()
    _set_options(request, "depth", options)
    request.image = images.encode(image, "image", bgr)
    return request


def segment(image: Any, bgr: bool,
            options: Mapping[str, Any]) -> pb.SegmentRequest:
    """Of `segment`."""
    request = pb.SegmentRequest()
    _set_options(request, "segment", options)
    request.image = images.encode(image, "image", bgr)
    return request


def generate(prompt: Any, given: Any, bgr: bool,
             options: Mapping[str, Any]) -> pb.GenerateImageRequest:
    """Of `generate`."""
    request = pb.GenerateImageRequest()
    _set_options(request, "generate", options)
    words = text(prompt, "prompt")
    request.inputs.extend(inputs(given, words, bgr))
    return request


def of_task(task: str, image: Any, question: Any, bgr: bool,
            options: Mapping[str, Any]) -> tuple[str, Any]:
    """The method and the request of one frame of `latest_frame`."""
    if task == "reason":
        return task, reason(image, question, bgr, options)
    make: Any = depth if task == "depth" else segment
    return task, make(image, bgr, options)


def timeout(value: Any) -> float | None:
    """Seconds from now, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"timeout: must be a number of seconds, is {value!r}")
    seconds = float(value)
    if not seconds > 0:
        raise ValueError(f"timeout: must be positive, is {value!r}")
    # Longer ones, infinity included, are as good as none.
    return seconds if seconds < 365 * 86400 else None
