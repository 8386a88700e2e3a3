"""Points in space from depth maps."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from cooper_client.maps import DepthMap


@dataclasses.dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera, for images of width x height px; all in px. It is scaled
    to the size of the map."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(
                    value, (int, float, np.integer, np.floating)):
                raise TypeError(f"{field.name}: must be a number of px, is "
                                f"{value!r}")
            if not np.isfinite(value) or (
                    field.name not in ("cx", "cy") and value <= 0):
                raise ValueError(f"{field.name}: must be positive, is {value!r}")

    @classmethod
    def from_fov(cls, degrees: float, width: int, height: int) -> Intrinsics:
        """Of a camera with this horizontal field of view and square pixels."""
        if not 0 < degrees < 180:
            raise ValueError(f"degrees: must be in 0..180, is {degrees!r}")
        focal = width / 2 / np.tan(np.radians(degrees) / 2)
        return cls(float(focal), float(focal), width / 2, height / 2, width,
                   height)


@dataclasses.dataclass(frozen=True)
class Alignment:
    """metric depth = scale * relative depth + shift, in the unit of the metric
    depth that it was fitted to."""

    scale: float
    shift: float
    #: Root mean square of what is left, in that unit.
    residual: float
    #: Pixels that were used.
    pixels: int


def _relative(depth: Any) -> npt.NDArray[np.float64]:
    if isinstance(depth, DepthMap):
        return depth.relative.astype(np.float64)
    array = np.asarray(depth)
    if array.ndim != 2 or array.size == 0:
        raise ValueError("depth: must be a DepthMap or an array [height, width], "
                         f"has shape {list(array.shape)}")
    if array.dtype == np.uint16:
        return array / 65535.0
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"depth: must be float32 or uint16, is {array.dtype}")
    return array.astype(np.float64)


def fit_scale_shift(depth: Union[DepthMap, npt.NDArray[Any]],
                    metric: npt.NDArray[Any],
                    mask: Optional[npt.NDArray[np.bool_]] = None) -> Alignment:
    """Fits scale and shift by least squares to metric depth that is known for
    some pixels, as from a lidar or a stereo camera.

    depth   [H, W], relative.
    metric  [H, W] in the map's pixels; pixels that are not finite or not above 0
            are left out.
    mask    [H, W] bool: further pixels are left out where it is False.
    """
    relative = _relative(depth)
    known = np.asarray(metric, np.float64)
    if known.shape != relative.shape:
        raise ValueError(f"metric: has shape {list(known.shape)}, the depth map "
                         f"{list(relative.shape)}; resample it to the map")
    with np.errstate(invalid="ignore"):
        used = np.isfinite(known) & (known > 0) & np.isfinite(relative)
    if mask is not None:
        allowed = np.asarray(mask)
        if allowed.shape != relative.shape or allowed.dtype != np.bool_:
            raise ValueError("mask: must be bool of shape "
                             f"{list(relative.shape)}, is {allowed.dtype} of "
                             f"shape {list(allowed.shape)}")
        used &= allowed
    x, y = relative[used], known[used]
    if x.size < 2 or np.ptp(x) == 0:
        raise ValueError("metric: scale and shift need known depth at two or more "
                         f"different relative depths, {x.size} pixels are known")
    (scale, shift), *_ = np.linalg.lstsq(
        np.stack([x, np.ones_like(x)], axis=1), y, rcond=None)
    residual = float(np.sqrt(np.mean((scale * x + shift - y) ** 2)))
    return Alignment(float(scale), float(shift), residual, int(x.size))


@dataclasses.dataclass(frozen=True)
class PointCloud:
    """Points of a depth map, in the camera's axes: x right, y down, z forward."""

    #: [n, 3] float32; in the unit of scale and shift, or with none of them
    #: without a unit.
    points: npt.NDArray[np.float32]
    #: [n, 3] uint8 RGB, or None.
    colours: Optional[npt.NDArray[np.uint8]]
    #: Whether scale and shift were given. If not, the cloud shows the order of
    #: things in depth, but neither distances nor true shapes.
    metric: bool

    def __len__(self) -> int:
        return len(self.points)

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a binary PLY file; a comment in it tells whether it is metric."""
        name = os.fspath(path)
        if not name.lower().endswith(".ply"):
            raise ValueError(f"path: must end in .ply, is {name!r}")
        fields = [(axis, "<f4") for axis in "xyz"]
        if self.colours is not None:
            fields += [(c, "u1") for c in ("red", "green", "blue")]
        table = np.empty(len(self), fields)
        for i, axis in enumerate("xyz"):
            table[axis] = self.points[:, i]
        if self.colours is not None:
            for i, colour in enumerate(("red", "green", "blue")):
                table[colour] = self.colours[:, i]
        words = {"<f4": "float", "u1": "uchar"}
        note = ("metric: depth = scale * relative depth + shift" if self.metric
                else "not metric: z is 1 + relative depth (0 near, 1 far)")
        header = ["ply", "format binary_little_endian 1.0",
                  f"comment cooper_client, {note}",
                  f"element vertex {len(self)}",
                  *(f"property {words[kind]} {field}" for field, kind in fields),
                  "end_header", ""]
        with open(name, "wb") as file:
            file.write("\n".join(header).encode())
            file.write(table.tobytes())


def point_cloud(depth: Union[DepthMap, npt.NDArray[Any]],
                intrinsics: Intrinsics, *, scale: Optional[float] = None,
                shift: Optional[float] = None,
                alignment: Optional[Alignment] = None,
                colours: Any = None) -> PointCloud:
    """Back-projects a depth map.

    The model's depth is relative (0 near, 1 far): it tells what is farther, not
    how far. Give `scale` and `shift` (metric depth = scale * depth + shift), or an
    `alignment` from `fit_scale_shift`, and the points are metric. Without them z
    is 1 + depth: good to look at, without a unit, and not true to shape.

    depth       A DepthMap, or [H, W] float32 in 0..1 or uint16.
    intrinsics  Of the camera.
    colours     [H, W, 3] uint8 RGB of the map's size, or None. For the photo:
                np.asarray(photo.resize((depth.width, depth.height))).
    """
    if not isinstance(intrinsics, Intrinsics):
        raise TypeError("intrinsics: must be Intrinsics, is "
                        f"{type(intrinsics).__name__}")
    relative = _relative(depth)
    if alignment is not None:
        if scale is not None or shift is not None:
            raise ValueError("alignment: give it, or scale and shift")
        scale, shift = alignment.scale, alignment.shift
    if (scale is None) != (shift is None):
        raise ValueError("scale: scale and shift come together, one is missing")
    metric = scale is not None
    z = (relative * (1.0 if scale is None else scale)
         + (1.0 if shift is None else shift))
    height, width = z.shape
    across, down = width / intrinsics.width, height / intrinsics.height
    # Pixel centres.
    u = (np.arange(width) + 0.5) / across - 0.5
    v = (np.arange(height) + 0.5) / down - 0.5
    x = (u[None, :] - intrinsics.cx) / intrinsics.fx * z
    y = (v[:, None] - intrinsics.cy) / intrinsics.fy * z
    kept = np.isfinite(z) & (z > 0)
    painted = None
    if colours is not None:
        painted = np.asarray(colours)
        if painted.shape != (height, width, 3) or painted.dtype != np.uint8:
            raise ValueError(
                f"colours: must be uint8 of shape [{height}, {width}, 3], is "
                f"{painted.dtype} of shape {list(painted.shape)}")
        painted = painted[kept]
    points = np.stack([x[kept], y[kept], z[kept]], axis=1).astype(np.float32)
    return PointCloud(points, painted, metric)
