"""scripts/observe without its setup: a short run, and what the picture shows."""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from conftest import DEPLOY, ROOT, panels

sys.path.insert(0, str(DEPLOY / "observe"))
# pylint: disable=wrong-import-position
import figure  # noqa: E402
import picture as drawing  # noqa: E402

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


class Answers:
    """In place of a Prometheus: two series of three points for each query."""

    def query_range(self, expression, start, end, step):
        return [({"le": "1"}, [(start, 1), (start + step, 2), (end, 4)]),
                ({}, [(start, 3), (end, 5)])]


@pytest.fixture(scope="module", name="page")
def fixture_page():
    board = json.loads((DEPLOY / "grafana/cooper.json").read_text())
    return drawing.Picture(board, Answers(), 100, 110).draw("")


def graphs(page):
    return [axes for axes in page.axes if axes.lines]


def test_every_series_is_drawn_within_its_axes(page):
    assert len(graphs(page)) == len(
        [panel for panel in panels() if panel["type"] == "timeseries"])
    for axes in graphs(page):
        left, right = axes.get_xlim()
        bottom, top = axes.get_ylim()
        assert (left, right, bottom) == (0, 10, 0)
        drawn = [line for line in axes.lines if len(line.get_xdata())]
        assert len(drawn) >= 2
        for line in drawn:
            assert 3 <= np.nanmax(line.get_ydata()) <= top


def test_every_graph_says_the_unit_and_the_names_of_its_series(page):
    for axes, panel in zip(graphs(page), [
            panel for panel in panels() if panel["type"] == "timeseries"]):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert axes.yaxis.get_major_formatter()(2.5, 0) == drawing.number(
            2.5, unit)
        (first, *_) = panel["targets"]
        name = drawing.named(first["legendFormat"], {"le": "1"}).strip()
        said = [text.get_text() for text in axes.get_legend().get_texts()]
        assert any(text.startswith(name) for text in said), (said, name)


def test_panels_do_not_overlap(page):
    boxes = [axes.get_position() for axes in page.axes if not axes.lines]
    assert len(boxes) == len(panels())
    for index, box in enumerate(boxes):
        assert 0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1
        assert not any(box.overlaps(other) for other in boxes[:index])


def test_the_same_data_make_the_same_file(page, tmp_path):
    for name in ("one", "two"):
        figure.save(page, tmp_path / f"{name}.svg")
    one = (tmp_path / "one.svg").read_text()
    assert one == (tmp_path / "two.svg").read_text()
    assert "<dc:date>" not in one


@pytest.mark.parametrize("value, unit, said", [
    (0, "s", "0"), (0.0123, "s", "12.3 ms"), (75, "s", "75 s"),
    (1536, "bytes", "1.54 kB"), (2048, "mbytes", "2.15 GB"),
    (0.005, "percentunit", "0.5 %"), (0, "percentunit", "0 %"),
    (12.34, "reqps", "12.3 /s"), (1500, "short", "1500"), (87, "percent", "87 %"),
])
def test_numbers_are_said_with_their_unit(value, unit, said):
    assert drawing.number(value, unit) == said


def test_stacked_series_stand_on_each_other():
    (_, first), (base, top) = drawing.stacked(
        [np.array([1, 2.0, np.nan]), np.array([np.nan, 5, 7])])
    np.testing.assert_array_equal(first, [1, 2, np.nan])
    np.testing.assert_array_equal(base, [np.nan, 2, 0])
    np.testing.assert_array_equal(top, [np.nan, 7, 7])


def test_a_gap_in_the_data_is_a_gap_in_the_line():
    np.testing.assert_array_equal(
        drawing.sampled([(10, 1), (12, 3)], np.arange(10, 14), 1),
        [1, np.nan, 3, np.nan])
