"""Labels of pixels from the colours and regions that the server sends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cooper_client.events import Region


def label_pixels(colours: npt.NDArray[np.uint8],
                 regions: tuple[Region, ...]) -> npt.NDArray[np.uint16]:
    """[H, W, 3] uint8 RGB to [H, W] uint16: the region of the nearest colour among
    those whose box holds the pixel, of equal ones the smaller; 0: none."""
    pixels = colours.astype(np.int32)
    labels = np.zeros(colours.shape[:2], np.uint16)
    nearest = np.full(labels.shape, np.iinfo(np.int32).max, np.int32)
    for region in regions:
        left, top, right, bottom = region.box
        box = (slice(top, bottom), slice(left, right))
        distance = ((pixels[box] - np.array(region.colour)) ** 2).sum(axis=2)
        # Smaller regions come later.
        closer = distance <= nearest[box]
        labels[box][closer] = region.label
        nearest[box][closer] = distance[closer]
    return labels
