"""Points from depth maps, and the fit of scale and shift."""

import numpy as np
import pytest

from cooper_client import (Intrinsics, fit_scale_shift, point_cloud)

CAMERA = Intrinsics(fx=100, fy=100, cx=2, cy=1, width=5, height=3)
DEPTH = np.linspace(0, 1, 15, dtype=np.float32).reshape(3, 5)


def test_metric_points():
    cloud = point_cloud(DEPTH, CAMERA, scale=10, shift=2)
    assert cloud.metric and len(cloud) == 15
    points = cloud.points.reshape(3, 5, 3)
    assert np.allclose(points[:, :, 2], 10 * DEPTH + 2)
    assert np.allclose(points[1, 2, :2], 0)
    assert np.allclose(points[0, 4, 0], 2 / 100 * points[0, 4, 2])
    assert np.allclose(points[0, 4, 1], -1 / 100 * points[0, 4, 2])


def test_the_camera_is_scaled_to_the_map():
    camera = Intrinsics(200, 200, 4.5, 2.5, 10, 6)  # twice the size
    a = point_cloud(DEPTH, camera, scale=1, shift=1).points
    assert np.allclose(a, point_cloud(DEPTH, CAMERA, scale=1, shift=1).points)


def test_relative_points_say_so(tmp_path):
    cloud = point_cloud(DEPTH, CAMERA)
    assert not cloud.metric
    assert cloud.points[:, 2].min() == 1 and cloud.points[:, 2].max() == 2
    cloud.save(tmp_path / "x.ply")
    assert b"comment cooper_client, not metric" in (
        tmp_path / "x.ply").read_bytes()


def test_ply(tmp_path):
    colours = np.arange(45, dtype=np.uint8).reshape(3, 5, 3)
    cloud = point_cloud(DEPTH, CAMERA, scale=1, shift=1, colours=colours)
    cloud.save(tmp_path / "x.ply")
    header, _, body = (tmp_path / "x.ply").read_bytes().partition(
        b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\ncomment "
                             b"cooper_client, metric")
    assert b"element vertex 15\nproperty float x\n" in header
    table = np.frombuffer(body, [("p", "<f4", 3), ("c", "u1", 3)])
    assert (table["p"] == cloud.points).all()
    assert (table["c"] == colours.reshape(-1, 3)).all()


def test_points_behind_the_camera_are_left_out():
    assert len(point_cloud(DEPTH, CAMERA, scale=2, shift=-1)) == 7


def test_fit():
    metric = 8 * DEPTH + 1
    metric[0, 0] = np.nan
    metric[0, 1] = 0
    mask = np.ones(DEPTH.shape, bool)
    mask[2, 4] = False
    metric[2, 4] = 1000
    fitted = fit_scale_shift(DEPTH, metric, mask)
    assert fitted.scale == pytest.approx(8, rel=1e-5)
    assert fitted.shift == pytest.approx(1, rel=1e-5)
    assert fitted.pixels == 12 and fitted.residual < 1e-5
    assert point_cloud(DEPTH, CAMERA, alignment=fitted).metric


@pytest.mark.parametrize("call, words", [
    (lambda: point_cloud(DEPTH, None), "intrinsics: must be Intrinsics"),
    (lambda: point_cloud(DEPTH[0], CAMERA), "depth: must be"),
    (lambda: point_cloud(DEPTH.astype(int), CAMERA), "depth: must be float32"),
    (lambda: point_cloud(DEPTH, CAMERA, scale=1), "scale: .* come together"),
    (lambda: point_cloud(DEPTH, CAMERA, colours=DEPTH), "colours: must be"),
    (lambda: point_cloud(DEPTH, CAMERA).save("x.pcd"), "path: must end in .ply"),
    (lambda: Intrinsics(0, 1, 1, 1, 1, 1), "fx: must be positive"),
    (lambda: Intrinsics(1, "1", 1, 1, 1, 1), "fy: must be a number"),
    (lambda: Intrinsics.from_fov(190, 2, 2), "degrees: must be in"),
    (lambda: fit_scale_shift(DEPTH, DEPTH[:2]), "metric: has shape"),
    (lambda: fit_scale_shift(DEPTH, DEPTH * 0), "metric: .*0 pixels are known"),
    (lambda: fit_scale_shift(DEPTH, DEPTH, DEPTH), "mask: must be bool"),
])
def test_wrong_arguments_are_named(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_a_field_of_view():
    camera = Intrinsics.from_fov(90, 640, 480)
    assert camera.fx == pytest.approx(320) and camera.cx == 320
