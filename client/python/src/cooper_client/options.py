"""Options of requests. Each has the name, range and default of its field in the
protocol, and stands where it is given by keyword, as in
`client.depth(image, num_timesteps=10, seed=1)`."""

from __future__ import annotations

import sys
from typing import Sequence, TypedDict, Union

from cooper_client.enums import (MapEncoding, MapRole, Mode, Priority,
                                 RenormType)


class MapOptions(TypedDict, total=False):
    """Options of `depth` and `segment`, and of every other request."""

    #: Name of the model; the served one by default.
    model: str
    #: [0, 2**64). Drawn by the server by default.
    seed: int
    #: This request's name in logs; at most 128 printable ASCII characters.
    request_id: str
    #: Default NORMAL.
    priority: Union[Priority, str]
    #: Points of the schedule; one fewer steps run. [2, 1000]; default 50.
    num_timesteps: int
    #: Above 1 spends more steps on noise. [0.01, 100]; default 3.
    timestep_shift: float
    #: Text guidance; at most 1: off. [0, 100]; default 4.
    cfg_text_scale: float
    #: Image guidance; at most 1: off. [0, 100]; default 2.
    cfg_img_scale: float
    #: Guidance applies for times in (low, high]. [0, 1]; default 0.
    cfg_interval_low: float
    #: [cfg_interval_low, 1]; default 1.
    cfg_interval_high: float
    #: Lower clamp of the renormalisation factor. [0, 1]; default 0.
    cfg_renorm_min: float
    #: Default TEXT_CHANNEL.
    cfg_renorm_type: Union[RenormType, str]
    #: A preview every so many denoising steps; 0: none. [0, 1000]; default 0.
    preview_every: int
    #: Renderings of maps to send. Default VALUES and DISPLAY.
    roles: Sequence[Union[MapRole, str]]
    #: Of depth VALUES: RAW_FLOAT32 (default here) or PNG_GREY16, which is about a
    #: quarter of the bytes.
    depth_encoding: Union[MapEncoding, str]


class TextOptions(MapOptions, total=False):
    """Options of requests in which the model writes text."""

    #: Tokens of one text. [2, limits.max_think_tokens]; default 4096.
    max_think_tokens: int
    #: False (default): the most probable token.
    do_sample: bool
    #: Divides the logits. [0, 100].
    temperature: float
    #: The most probable tokens up to this mass. (0, 1].
    top_p: float


class ReasonOptions(TextOptions, total=False):
    """Options of `reason` and `converse`."""

    #: Default INTERLEAVED.
    mode: Union[Mode, str]
    #: Texts that the model may write. [1, 16]; default 3. INTERLEAVED only.
    max_turns: int


class GenerateOptions(TextOptions, total=False):
    """Options of `generate`."""

    #: Plan the image in text first. Default False.
    think: bool
    #: px, with `height`, a multiple of limits.map_stride; default: the last
    #: image's, or the model's full size.
    width: int
    #: px.
    height: int


assert sys.version_info >= (3, 10), "cooper_client needs Python 3.10"
