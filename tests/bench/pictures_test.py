"""Tables and pictures of made-up results."""

import json
import pathlib
import sys
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import draw  # noqa: E402
import merge  # noqa: E402

FIGURES = {"p50": 0.1, "p90": 0.2, "p99": 0.4}


def _closed(callers):
    return {"configuration": {"concurrency": callers},
            "throughput": {"requests_per_second": 2.0 * callers,
                           "output_tokens_per_second": 90.0 * callers,
                           "denoise_steps_per_second": 0.0},
            "ended": 10, "phases": {name: 0.5 for name in draw.PHASES}}


def _opened(rate):
    return {"configuration": {"rate": rate},
            "all": {"measures": {"first_text_seconds": FIGURES,
                                 "request_seconds": FIGURES}}}


LOAD = {"closed": [_closed(n) for n in (1, 2, 4)],
        "open": [_opened(r) for r in (1.5, 3.0)]}
SVG_TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture
def pictures(tmp_path):
    """Words of each picture."""
    load = tmp_path / "load.json"
    load.write_text(json.dumps(LOAD))
    draw.main(load, tmp_path / "images")
    return {path.stem: [node.text for node in ElementTree.parse(path).iter(
        SVG_TEXT)] for path in (tmp_path / "images").iterdir()}


def test_axes_are_named(pictures):
    assert set(pictures) == {"throughput", "latency", "phases"}
    assert "requests a second" in pictures["throughput"]
    assert "seconds to the first text" in pictures["latency"]
    assert {"p50", "p90", "p99"} <= set(pictures["latency"])
    assert {"4 clients", "decode image"} <= set(pictures["phases"])


def drawn(picture):
    """Values of each curve of each pair of axes, which begin at 0 and hold
    them."""
    for axes in picture.axes:
        curves = [list(line.get_ydata()) for line in axes.lines]
        bottom, top = axes.get_ylim()
        assert bottom == 0 and top > max(map(max, curves))
        yield curves


def test_every_value_is_drawn():
    assert list(drawn(draw.draw_throughput(LOAD))) == [
        [[2, 4, 8]], [[90, 180, 360]], [[0, 0, 0]]]
    assert list(drawn(draw.draw_latency(LOAD))) == 2 * [
        [[0.1] * 2, [0.2] * 2, [0.4] * 2]]
    (axes,) = draw.draw_phases(LOAD).axes
    assert [bar.get_width() for bar in axes.patches] == 24 * [50]  # ms


def test_merge_keeps_the_keys_of_the_contract(tmp_path, capsys):
    row = {"name": "a", "value": 2.0, "goal": 3.0, "at_least": True,
           "ceiling": 4.0, "unit": "ratio", "ceiling_unit": "GB/s", "ok": False}
    for name in ("one", "two"):
        (tmp_path / name).write_text(json.dumps({"results": [row]}))
    merged = tmp_path / "merged.json"
    merge.main(["--json", str(merged), str(tmp_path / "one"),
                str(tmp_path / "two")])
    results = json.loads(merged.read_text())["results"]
    assert len(results) == 2
    assert set(results[0]) == {"name", "value", "goal", "ceiling", "unit", "ok"}
    assert capsys.readouterr().out.count("MISSED") == 2
