"""Images as the wire wants them: bytes of a PNG, JPEG or WebP file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Union

import numpy as np
import PIL.Image
import PIL.ImageOps

#: A path, bytes of a file, a PIL image, an array [H, W, 3] uint8 or a torch
#: tensor [C, H, W]; see `encode`.
ImageLike = Any

Images = Union[ImageLike, Sequence[ImageLike]]


def _is_file_of_the_wire(data: bytes) -> bool:
    return (data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
            or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"))


def _png(image: PIL.Image.Image) -> bytes:
    out = io.BytesIO()
    # Level 1: the sender has better things to do than to save bytes.
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _from_pil(image: PIL.Image.Image, name: str) -> bytes:
    if 0 in image.size:
        raise ValueError(f"{name}: the PIL image has no pixels")
    image = PIL.ImageOps.exif_transpose(image) or image
    if image.mode not in ("RGB", "RGBA", "L"):
        alpha = "A" in image.mode or "transparency" in image.info
        image = image.convert("RGBA" if alpha else "RGB")
    return _png(image)


def _from_file_bytes(data: bytes, name: str, what: str) -> bytes:
    if _is_file_of_the_wire(data):
        return data
    if not data:
        raise ValueError(f"{name}: {what} is empty")
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            return _from_pil(image, name)
    except PIL.UnidentifiedImageError:
        raise ValueError(f"{name}: {what} is no image file (PNG, JPEG, WebP or "
                         "another one that Pillow reads)") from None
    except OSError as error:
        raise ValueError(f"{name}: {what} cannot be decoded: {error}") from None


def _from_path(path: Any, name: str) -> bytes:
    text = os.fspath(path)
    if isinstance(text, str) and "://" in text[:12]:
        raise ValueError(f"{name}: {text[:80]!r} is a URL; pass a path, or the "
                         "bytes of the file")
    try:
        with open(text, "rb") as file:
            data = file.read()
    except OSError as error:
        # The same class, FileNotFoundError for one.
        raise type(error)(error.errno, f"{name}: cannot read the file: "
                          f"{error.strerror}", text) from None
    except ValueError as error:
        raise ValueError(f"{name}: no path: {error}") from None
    return _from_file_bytes(data, name, f"{os.fsdecode(text)}")


def _from_array(array: Any, name: str, bgr: bool) -> bytes:
    found = f"an array of shape {list(array.shape)} and dtype {array.dtype}"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3
                                    and array.shape[2] not in (3, 4)):
        hint = ""
        if array.ndim == 4:
            hint = "; pass the images of a batch one by one"
        elif array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; transpose channels-first arrays with .transpose(1, 2, 0)"
        raise ValueError(f"{name}: must be [height, width, 3] (or 4, or "
                         f"[height, width]), is {found}{hint}")
    if array.dtype != np.uint8:
        raise ValueError(f"{name}: must have dtype uint8 (0..255), is {found}")
    if array.size == 0:
        raise ValueError(f"{name}: has no pixels, is {found}")
    if bgr and array.ndim == 3:
        array = array[:, :, [2, 1, 0, *range(3, array.shape[2])]]
    return _png(PIL.Image.fromarray(np.ascontiguousarray(array)))


def _from_tensor(tensor: Any, name: str, bgr: bool) -> bytes:
    import torch
    found = f"a tensor of shape {list(tensor.shape)} and dtype {tensor.dtype}"
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4):
        raise ValueError(f"{name}: must be [channels, height, width] with 1, 3 "
                         f"or 4 channels, is {found}")
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
        if tensor.numel() and not bool(
                ((tensor >= 0) & (tensor <= 1)).all()):
            raise ValueError(f"{name}: a float tensor must be in 0..1, is in "
                             f"{float(tensor.min()):g}..{float(tensor.max()):g}")
        tensor = (tensor * 255).round().to(torch.uint8)
    elif tensor.dtype != torch.uint8:
        raise ValueError(f"{name}: must be uint8 (0..255) or float (0..1), is "
                         f"{found}")
    return _from_array(tensor.permute(1, 2, 0).numpy(), name, bgr)


def encode(image: ImageLike, name: str = "image", bgr: bool = False) -> bytes:
    """Bytes of a PNG, JPEG or WebP file of `image`, which is one of

    - a path: the file as it is, if it is PNG, JPEG or WebP; else as PNG;
    - bytes of such a file;
    - a PIL image (its EXIF orientation is applied);
    - an array [H, W, 3] uint8 RGB, also [H, W] grey or [H, W, 4] with alpha;
    - a torch tensor [C, H, W], uint8 or float in 0..1.

    `bgr`: arrays and tensors have their channels as OpenCV has them. `name`:
    of the argument, for the messages of TypeError, ValueError and OSError.
    """
    if isinstance(image, (str, os.PathLike)):
        return _from_path(image, name)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_file_bytes(bytes(image), name, "the value")
    if isinstance(image, PIL.Image.Image):
        return _from_pil(image, name)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(image, torch.Tensor):
        return _from_tensor(image, name, bgr)
    if isinstance(image, np.ndarray):
        return _from_array(image, name, bgr)
    if hasattr(image, "__array__"):
        return _from_array(np.asarray(image), name, bgr)
    raise TypeError(f"{name}: must be a path, bytes, a PIL image, an array or a "
                    f"torch tensor, is {type(image).__name__}")


def encode_all(images: Images, bgr: bool = False) -> list[bytes]:
    """Of one image, or of a list or tuple of them; the argument is `images`."""
    if images is None:
        return []
    if isinstance(images, (list, tuple)):
        return [encode(image, f"images[{index}]", bgr)
                for index, image in enumerate(images)]
    return [encode(images, "images", bgr)]
