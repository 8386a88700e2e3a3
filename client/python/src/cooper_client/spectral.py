"""Colours of relative depth, for maps that came without their picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# matplotlib's Spectral: eleven colours of ColorBrewer, near to far.
_STOPS = np.array([
    (158, 1, 66), (213, 62, 79), (244, 109, 67), (253, 174, 97),
    (254, 224, 139), (255, 255, 191), (230, 245, 152), (171, 221, 164),
    (102, 194, 165), (50, 136, 189), (94, 79, 162)], np.float64)


def colour(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """[H, W] float in 0..1 to [H, W, 3] uint8 RGB; within 2 levels of the
    server's picture."""
    index = np.minimum(np.nan_to_num(depth) * 256, 255).astype(np.int64)
    at = np.linspace(0, len(_STOPS) - 1, 256)
    table = np.stack([np.interp(at, np.arange(len(_STOPS)), _STOPS[:, c])
                      for c in range(3)], axis=1)
    return table.astype(np.uint8)[np.clip(index, 0, 255)]
