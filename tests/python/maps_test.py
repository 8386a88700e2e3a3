"""Maps as arrays, files and pictures, without a server."""

import io

import numpy as np
import PIL.Image
import pytest

from cooper_client import (DepthMap, LabelMap, MapEncoding, MapKind, MapResult,
                           MapRole, Region)

DEPTH = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)


def png(array):
    out = io.BytesIO()
    PIL.Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def result(data, encoding, role=MapRole.VALUES, kind=MapKind.DEPTH, regions=()):
    return MapResult(0, kind, role, encoding, 4, 3, data, regions)


def depth_map(*results):
    found = DepthMap(0, 4, 3)
    for one in results:
        found.add(one)
    return found


FLOAT = result(DEPTH.tobytes(), MapEncoding.RAW_FLOAT32)
SAMPLES = np.rint(DEPTH * 65535).astype(np.uint16)
GREY = result(png(SAMPLES), MapEncoding.PNG_GREY16)


def test_depth_is_float32_or_uint16_as_it_came():
    array = np.asarray(depth_map(FLOAT))
    assert array.dtype == np.float32 and (array == DEPTH).all()
    array = np.asarray(depth_map(GREY))
    assert array.dtype == np.uint16 and (array == SAMPLES).all()
    assert abs(depth_map(GREY).relative - DEPTH).max() < 1e-5
    assert depth_map(GREY).relative.dtype == np.float32
    assert np.asarray(depth_map(FLOAT), np.float64).dtype == np.float64
    assert depth_map(FLOAT).shape == (3, 4)


def test_an_array_is_the_callers_to_change():
    found = depth_map(FLOAT)
    np.asarray(found)[:] = 0
    assert (np.asarray(found) == DEPTH).all()
    with pytest.raises(ValueError):
        found.relative[:] = 0


def test_a_role_that_did_not_come_is_named():
    display = result(png(np.zeros((3, 4, 3), np.uint8)), MapEncoding.PNG_RGB8,
                     MapRole.DISPLAY)
    with pytest.raises(ValueError, match="no role values: it came with display"):
        np.asarray(depth_map(display))
    assert depth_map(display).display.shape == (3, 4, 3)


def test_without_its_picture_depth_is_coloured_here():
    found = depth_map(FLOAT).display
    assert found.shape == (3, 4, 3)
    assert tuple(found[0, 0]) == (158, 1, 66)
    assert tuple(found[-1, -1]) == (94, 79, 162)


def test_files(tmp_path):
    found = depth_map(FLOAT)
    found.save(tmp_path / "d.npy")
    assert (np.load(tmp_path / "d.npy") == DEPTH).all()
    found.save(tmp_path / "d.png", values=True)
    with PIL.Image.open(tmp_path / "d.png") as image:
        assert (np.asarray(image) == SAMPLES).all()
    found.save(str(tmp_path / "d.jpg"))
    with PIL.Image.open(tmp_path / "d.jpg") as image:
        assert image.mode == "RGB"
    with pytest.raises(ValueError, match="path: .*d.xyz"):
        found.save(tmp_path / "d.xyz")
    assert found._repr_png_().startswith(b"\x89PNG")


def label_map():
    colours = np.zeros((3, 4, 3), np.uint8)
    colours[:, 2:] = (200, 0, 0)
    colours[0, 0] = (200, 0, 0)
    regions = (Region(1, (0, 0, 0), 5, (0, 0, 2, 3)),
               Region(2, (200, 0, 0), 3, (2, 0, 3, 3)),
               Region(3, (200, 0, 0), 1, (0, 0, 1, 1)))
    found = LabelMap(0, 4, 3)
    found.add(result(png(colours), MapEncoding.PNG_RGB8,
                     kind=MapKind.SEGMENTATION, regions=regions))
    return found


def test_labels_follow_colour_and_box():
    array = np.asarray(label_map())
    assert array.dtype == np.uint16
    assert array.tolist() == [[3, 1, 2, 0], [1, 1, 2, 0], [1, 1, 2, 0]]
    found = label_map()
    assert found.mask(found.regions[1]).sum() == 3
    assert found.mask(0).sum() == 3
    assert found.colours.shape == (3, 4, 3)
    with pytest.raises(ValueError, match=r"region: the labels are 0\.\.3"):
        found.mask(4)
