"""What can be given as an image, and what is said of the rest."""

import io

import numpy as np
import PIL.Image
import pytest

from conftest import ROOT
from cooper_client.images import encode, encode_all

SCENE = ROOT / "tests/data/scenes/000.png"
RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def pixels(data):
    with PIL.Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def file_of(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("given", [SCENE, str(SCENE), SCENE.read_bytes(),
                                   bytearray(SCENE.read_bytes()),
                                   memoryview(SCENE.read_bytes())])
def test_files_of_the_wire_are_sent_as_they_are(given):
    assert encode(given) == SCENE.read_bytes()


def test_other_files_are_sent_as_png(tmp_path):
    path = tmp_path / "x.bmp"
    PIL.Image.fromarray(RGB).save(path)
    assert (pixels(encode(path)) == RGB).all()


@pytest.mark.parametrize("array, expected", [
    (RGB, RGB), (RGB[:, :, 0], RGB[:, :, 0]), (RGB[:, :, :1], RGB[:, :, 0]),
    (RGB[:, ::-1], RGB[:, ::-1]),
    (np.dstack([RGB, RGB[:, :, :1]]), np.dstack([RGB, RGB[:, :, :1]]))])
def test_arrays(array, expected):
    assert (pixels(encode(array)) == expected).all()


def test_bgr():
    assert (pixels(encode(RGB, bgr=True)) == RGB[:, :, ::-1]).all()
    rgba = np.dstack([RGB, RGB[:, :, :1]])
    assert (pixels(encode(rgba, bgr=True)) == rgba[:, :, [2, 1, 0, 3]]).all()


def test_pil_images_with_their_orientation():
    image = PIL.Image.fromarray(RGB)
    assert (pixels(encode(image)) == RGB).all()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned = PIL.Image.open(io.BytesIO(file_of(image, "PNG", exif=exif)))
    assert pixels(encode(turned)).shape == (3, 2, 3)
    assert pixels(encode(image.convert("CMYK"))).shape == (2, 3, 3)
    assert pixels(encode(image.convert("P"))).shape == (2, 3, 3)
    assert pixels(encode(image.convert("LA"))).shape == (2, 3, 4)


def test_torch_tensors():
    torch = pytest.importorskip("torch", exc_type=ImportError)
    tensor = torch.from_numpy(RGB.copy()).permute(2, 0, 1)
    assert (pixels(encode(tensor)) == RGB).all()
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        grey = (tensor[:1].to(torch.float32) / 255).to(kind).requires_grad_()
        found = pixels(encode(grey)).astype(int)
        assert abs(found - RGB[:, :, 0]).max() <= 1
    assert (pixels(encode(tensor, bgr=True)) == RGB[:, :, ::-1]).all()
    with pytest.raises(ValueError, match=r"image: .*\[channels, height, width\]"):
        encode(tensor.permute(1, 2, 0)[:2])
    with pytest.raises(ValueError, match=r"image: a float tensor must be in 0..1"
                       r", is in 0..17"):
        encode(tensor.float())
    with pytest.raises(ValueError, match="image: must be uint8.*int64"):
        encode(tensor.long())


@pytest.mark.parametrize("given, kind, words", [
    (None, TypeError, "frame: must be a path, bytes.* is NoneType"),
    (17, TypeError, "frame: must be a path"),
    ("", OSError, "frame: cannot read the file"),
    ("missing.png", FileNotFoundError, "frame: cannot read .*missing.png"),
    ("http://host/x.png", ValueError, "frame: .* is a URL"),
    (str(ROOT), OSError, "frame: cannot read the file: Is a directory"),
    ("x\0y", ValueError, "frame: no path"),
    (str(ROOT / "README.md"), ValueError, "frame: .*README.md is no image"),
    (b"", ValueError, "frame: the value is empty"),
    (b"GIF89a", ValueError, "frame: the value is no image file"),
    (RGB.astype(np.float32), ValueError, "frame: must have dtype uint8"),
    (RGB.transpose(2, 0, 1)[:, :, :2], ValueError,
     r"frame: must be \[height, width, 3\].*channels-first"),
    (RGB[None], ValueError, "frame: .*one by one"),
    (RGB[:0], ValueError, "frame: has no pixels"),
    (np.float32(1), ValueError, "frame: must be"),
])
def test_what_is_no_image_is_named(given, kind, words):
    with pytest.raises(kind, match=words):
        encode(given, "frame")


def test_several_images_are_named_by_their_index():
    assert len(encode_all([RGB, SCENE])) == 2
    assert len(encode_all((RGB,))) == len(encode_all(RGB)) == 1
    assert encode_all(None) == encode_all([]) == []
    with pytest.raises(TypeError, match=r"images\[1\]: must be"):
        encode_all([RGB, 3])
    with pytest.raises(TypeError, match="images: must be"):
        encode_all(3)
