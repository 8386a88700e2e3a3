"""Maps and images that the model generated, as arrays."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import PIL.Image

from cooper_client import spectral
from cooper_client.enums import MapEncoding, MapKind, MapRole
from cooper_client.events import MapResult, Region, Usage
from cooper_client.labels import label_pixels


def _pixels(data: bytes, width: int, height: int) -> npt.NDArray[Any]:
    with PIL.Image.open(io.BytesIO(data)) as image:
        if image.size != (width, height):
            raise ValueError(f"a map of {width}x{height} px came as an image of "
                             f"{image.size[0]}x{image.size[1]} px")
        return np.asarray(image)


def decode(result: MapResult) -> npt.NDArray[Any]:
    """The values of one role: [H, W] float32 or uint16 of depth VALUES, else
    [H, W, 3] uint8 RGB."""
    if result.encoding == MapEncoding.RAW_FLOAT32:
        values = np.frombuffer(result.data, "<f4")
        return values.reshape(result.height, result.width).astype(
            np.float32, copy=False)
    pixels = _pixels(result.data, result.width, result.height)
    if result.encoding == MapEncoding.PNG_GREY16:
        return pixels.astype(np.uint16)
    return pixels.astype(np.uint8, copy=False)


class Map:
    """A map with the roles that were asked for. Do not make one yourself.

    map_id      Counts the request's maps, from 0.
    width, height  px.
    request_text   The words with which the model asked for the map.
    results     Role -> the bytes as they came.
    seed, request_id, usage  Of the request; usage is None until it is done.
    """

    kind = MapKind.UNSPECIFIED

    def __init__(self, map_id: int, width: int, height: int, *,
                 request_text: str = "", request_id: str = "",
                 seed: int = 0) -> None:
        self.map_id = map_id
        self.width = width
        self.height = height
        self.request_text = request_text
        self.request_id = request_id
        self.seed = seed
        self.usage: Optional[Usage] = None
        self._results: dict[MapRole, MapResult] = {}
        self._decoded: dict[MapRole, npt.NDArray[Any]] = {}

    @property
    def results(self) -> Mapping[MapRole, MapResult]:
        return self._results

    def add(self, result: MapResult) -> None:
        """For this package."""
        self._results[result.role] = result
        self._decoded.pop(result.role, None)

    def _decode(self, *roles: MapRole) -> npt.NDArray[Any]:
        """The first of `roles` that came; read-only."""
        for role in roles:
            if role in self._results:
                if role not in self._decoded:
                    array = decode(self._results[role])
                    array.setflags(write=False)
                    self._decoded[role] = array
                return self._decoded[role]
        raise ValueError(
            f"the {self.kind} map has no role {' or '.join(roles)}: it came with "
            f"{', '.join(self._results) or 'none'}; see the option `roles`")

    @property
    def display(self) -> npt.NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, for eyes."""
        return self._decode(MapRole.DISPLAY, MapRole.VALUES,
                            MapRole.AS_SEEN_BY_MODEL)

    def _values(self) -> npt.NDArray[Any]:
        return self._decode(MapRole.VALUES, MapRole.DISPLAY)

    def __array__(self, dtype: Any = None,
                  copy: Optional[bool] = None) -> npt.NDArray[Any]:
        values = self._values()
        if dtype is not None and values.dtype != dtype:
            if copy is False:
                raise ValueError(f"a {self.kind} map as {np.dtype(dtype)} needs "
                                 "a copy")
            return values.astype(dtype)
        return values if copy is False else values.copy()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array: [height, width], or [height, width, 3]."""
        return self._values().shape

    def image(self) -> PIL.Image.Image:
        """`display` as a PIL image."""
        return PIL.Image.fromarray(np.ascontiguousarray(self.display))

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes `.npy` (the array) or an image of any kind that Pillow writes
        (`display`). The suffix decides."""
        suffix = os.path.splitext(os.fspath(path))[1].lower()
        if suffix == ".npy":
            np.save(os.fspath(path), np.asarray(self))
        else:
            self._save_image(path)

    def _save_image(self, path: Union[str, os.PathLike[str]]) -> None:
        try:
            self.image().save(os.fspath(path))
        except ValueError as error:
            raise ValueError(f"path: {os.fspath(path)!r}: {error}") from None

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.image().save(out, "PNG")
        return out.getvalue()

    def __repr__(self) -> str:
        return (f"<{type(self).__name__} {self.width}x{self.height} px, "
                f"roles {', '.join(self._results)}>")


class DepthMap(Map):
    """Relative depth: 0 near, 1 far, no unit.

    `numpy.asarray` gives [H, W], float32 in 0..1 or, with the option
    `depth_encoding="png_grey16"`, uint16 in 0..65535 (depth = value / 65535).
    Metric depth is about scale * depth + shift, with numbers of your own or
    from `fit_scale_shift`.
    """

    kind = MapKind.DEPTH

    def _values(self) -> npt.NDArray[Any]:
        return self._decode(MapRole.VALUES)

    @property
    def relative(self) -> npt.NDArray[np.float32]:
        """[H, W] float32 in 0..1, however it came. Read-only."""
        values = self._values()
        if values.dtype == np.uint16:
            values = values / np.float32(65535)
        return np.asarray(values, np.float32)

    @property
    def display(self) -> npt.NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, near dark red to far violet."""
        if MapRole.DISPLAY in self._results or MapRole.VALUES not in self._results:
            return super().display
        return spectral.colour(self.relative)

    def save(self, path: Union[str, os.PathLike[str]], *,
             values: bool = False) -> None:
        """Writes `.npy` (the array) or an image of any kind that Pillow writes:
        the coloured picture, or with `values` a 16-bit grey PNG or TIFF in which
        depth = sample / 65535."""
        if not values or os.fspath(path).lower().endswith(".npy"):
            super().save(path)
            return
        samples = np.asarray(self)
        if samples.dtype != np.uint16:
            samples = np.rint(self.relative * 65535).astype(np.uint16)
        PIL.Image.fromarray(samples).save(os.fspath(path))


class LabelMap(Map):
    """A segmentation: one colour for each object.

    `numpy.asarray` gives [H, W] uint16: the label of the region to which the
    pixel belongs, 0 where it is in none. Labels are found here, since the server
    sends colours and regions: a pixel has the region of the nearest colour among
    those whose box it is in, and where two are alike the smaller one.
    """

    kind = MapKind.SEGMENTATION

    def __init__(self, *args: Any, **facts: Any) -> None:
        super().__init__(*args, **facts)
        self._labels: Optional[npt.NDArray[np.uint16]] = None

    @property
    def regions(self) -> tuple[Region, ...]:
        """Largest first; regions[i].label is i + 1."""
        for result in self._results.values():
            if result.regions:
                return result.regions
        return ()

    @property
    def colours(self) -> npt.NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, as the model generated it. Read-only."""
        return self._decode(MapRole.VALUES, MapRole.DISPLAY)

    def _values(self) -> npt.NDArray[Any]:
        if self._labels is None:
            self._labels = label_pixels(self.colours, self.regions)
            self._labels.setflags(write=False)
        return self._labels

    def mask(self, region: Union[Region, int]) -> npt.NDArray[np.bool_]:
        """[H, W] bool: the pixels of a region or of a label."""
        label = region.label if isinstance(region, Region) else region
        if not 0 <= label <= len(self.regions):
            raise ValueError(f"region: the labels are 0..{len(self.regions)}, "
                             f"not {label}")
        return np.asarray(self._values() == label)


class GeneratedImage(Map):
    """An image. `numpy.asarray` gives [H, W, 3] uint8 RGB."""

    kind = MapKind.IMAGE


def map_of_kind(kind: MapKind) -> type[Map]:
    """The class for maps of a kind."""
    classes: dict[MapKind, type[Map]] = {
        c.kind: c for c in (DepthMap, LabelMap, GeneratedImage)}
    return classes.get(kind, GeneratedImage)
