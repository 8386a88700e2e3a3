"""scripts/observe without its setup: a short run, and what the picture shows."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from conftest import DEPLOY, ROOT, panels

sys.path.insert(0, str(DEPLOY / "observe"))
# pylint: disable=wrong-import-position
import chart  # noqa: E402
import units  # noqa: E402

TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture(scope="module")
def picture(bin_folder, tmp_path_factory):
    """Output of a run of twenty seconds, and its picture."""
    out = tmp_path_factory.mktemp("observe")
    done = subprocess.run(
        [sys.executable, DEPLOY / "observe/observe.py", "--bin", bin_folder,
         "--program", "cooper_fake_server",
         "--out", out, "--seconds", "20", "--slice_ms=20",
         f"--script={ROOT / 'tests/data/fake/integration.json'}"],
        text=True, capture_output=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, ElementTree.parse(out / "dashboard.svg").getroot()


def words(root):
    return [node.text or "" for node in root.iter(TEXT)]


def test_it_says_where_to_look_and_how_calls_ended(picture):
    said, _ = picture
    for name in ("server", "metrics", "prometheus", "calls", "picture"):
        assert re.search(rf"^{name} +\S+", said, re.M)
    assert re.search(r"^calls .*\d+ OK", said, re.M)


def test_every_panel_is_in_the_picture(picture):
    shown = words(picture[1])
    for panel in panels():
        assert (panel["title"] in shown) != panel["title"].endswith("(DCGM)")


def test_only_the_row_of_the_gpu_is_without_data(picture):
    shown = words(picture[1])
    assert shown.count("no data here") == 1
    assert shown[shown.index("no data here") - 1] == "GPU"
    assert "no data" not in shown


def test_lines_are_drawn_within_the_picture(picture):
    _, root = picture
    _, _, width, height = map(float, root.get("viewBox").split())
    lines = [node.get("points") for node in root.iter(
        "{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) > 40
    for line in lines:
        for point in line.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width and 0 <= y <= height


@pytest.mark.parametrize("value, unit, said", [
    (0, "s", "0"), (0.0123, "s", "12.3 ms"), (75, "s", "1.25 min"),
    (1536, "bytes", "1.5 KiB"), (2048, "mbytes", "2 GiB"),
    (0.005, "percentunit", "0.5 %"), (0, "percentunit", "0 %"),
    (12.34, "reqps", "12.3 /s"), (1500, "short", "1500"), (87, "percent", "87 %"),
])
def test_numbers_are_said_with_their_unit(value, unit, said):
    assert units.text(value, unit) == said


@pytest.mark.parametrize("high, unit", [
    (0.003, "s"), (0.9, "s"), (7, "s"), (900, "s"), (5, "short"),
    (700 * 2**20, "bytes"), (3, "bytes"), (1, "percentunit"), (39000, "ops")])
def test_an_axis_begins_at_0_and_holds_the_highest_value(high, unit):
    marks = units.ticks(high, unit)
    assert marks[0] == 0
    assert marks[-1] >= high * 0.999
    assert marks[-1] <= high * 3
    assert 2 <= len(marks) <= 6


def test_stacked_series_stand_on_each_other():
    layers = chart.stacked([("a", [(0, 1), (1, 2)]), ("b", [(1, 5)])])
    assert layers == [("a", {0: 0, 1: 0}, {0: 1, 1: 2}), ("b", {1: 2}, {1: 7})]


def test_a_gap_in_the_data_is_a_gap_in_the_line():
    assert list(chart.runs([(0, 1), (1, 1), (5, 1)], 2)) == [
        [(0, 1), (1, 1)], [(5, 1)]]
