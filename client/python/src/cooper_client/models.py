"""What is served."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

from cooper_client import enums
from cooper_client._proto import spatial_reasoning_pb2 as pb
from cooper_client.enums import MapKind, Mode


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of the server; what passes one is refused. Sizes in bytes and px."""

    max_message_bytes: int
    max_inputs: int
    max_images: int
    max_image_pixels: int
    max_image_side: int
    #: Long side over short side.
    max_image_aspect: float
    max_text_bytes: int
    max_think_tokens: int
    kv_cache_tokens: int
    #: px: sizes of maps are multiples of this.
    map_stride: int
    #: px along one side of a map.
    max_map_side: int
    #: Requests that run at once.
    max_running: int
    #: Requests that wait.
    max_queue: int
    #: Positions of one sequence; 0: not limited.
    max_positions: int


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """A file that weights were read from."""

    #: Path on the server's machine.
    path: str
    #: Tensors that came from it.
    tensors: int


@dataclasses.dataclass(frozen=True)
class Model:
    """What is served: capabilities, limits, defaults, device."""

    name: str
    #: "major.minor.patch".
    server_version: str
    #: "cpu", "cuda:0", ...
    device: str
    #: "float32" or "bfloat16".
    dtype: str
    #: Number of weights.
    parameters: int
    modes: tuple[Mode, ...]
    #: Maps that the checkpoint was trained to generate.
    map_kinds: tuple[MapKind, ...]
    limits: Limits
    #: Option -> value that it takes where it is not given.
    defaults: dict[str, Any]
    #: Whether the checkpoint was trained for further questions (`converse`) and
    #: for images from text (`generate`); None: the server does not tell.
    can_converse: Optional[bool]
    can_generate_images: Optional[bool]
    #: A fine-tune's before its base's.
    files: tuple[WeightFile, ...]
    #: Threads of one operator on the CPU; 0: not known.
    threads: int
    #: Of the CPU's kernels; empty: not known.
    instruction_set: str


def _known(kind: Any, numbers: Any) -> tuple[Any, ...]:
    """Members, without those of a newer server."""
    names = {number: name for name, number in enums.short_names(
        _enum_descriptor(kind)).items()}
    return tuple(kind(names[n]) for n in numbers
                 if n in names and names[n] in set(kind))


def _enum_descriptor(kind: Any) -> Any:
    return pb.DESCRIPTOR.enum_types_by_name[kind.__name__]


def _defaults(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None:
            found.update(_defaults(value))
        elif field.enum_type is not None:
            names = {n: s for s, n in
                     enums.short_names(field.enum_type).items()}
            found[field.name] = names.get(value, "unspecified")
        else:
            found[field.name] = value
    return found


def from_proto(response: Any) -> Model:
    """Of a cooper.v1.GetModelResponse."""
    def optional(name: str) -> Optional[bool]:
        return getattr(response, name) if response.HasField(name) else None
    limits = Limits(**{field.name: getattr(response.limits, field.name)
                       for field in dataclasses.fields(Limits)})
    return Model(
        response.name, response.server_version, response.device, response.dtype,
        response.parameters, _known(Mode, response.modes),
        _known(MapKind, response.map_kinds), limits,
        _defaults(response.defaults), optional("can_converse"),
        optional("can_generate_images"),
        tuple(WeightFile(f.path, f.tensors) for f in response.files),
        response.threads,
        response.instruction_set)
