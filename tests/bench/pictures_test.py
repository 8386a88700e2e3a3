"""Tables and pictures of made-up results."""

import json
import pathlib
import sys
import xml.etree.ElementTree

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


@pytest.fixture
def pictures(tmp_path):
    load = tmp_path / "load.json"
    load.write_text(json.dumps(
        {"closed": [_closed(n) for n in (1, 2, 4)],
         "open": [_opened(r) for r in (1.5, 3.0)]}))
    draw.main(load, tmp_path / "images")
    return {path.stem: path.read_text()
            for path in (tmp_path / "images").iterdir()}


def test_pictures_are_well_formed(pictures):
    assert set(pictures) == {"throughput", "latency", "phases"}
    for text in pictures.values():
        xml.etree.ElementTree.fromstring(text)


def test_axes_are_named_and_every_value_is_drawn(pictures):
    assert "requests a second" in pictures["throughput"]
    assert pictures["throughput"].count("<circle") == 3 * 3
    assert pictures["latency"].count("<circle") == 2 * 3 * 2
    assert "seconds to the first text" in pictures["latency"]
    assert "4 clients" in pictures["phases"]


@pytest.mark.parametrize("highest", [0.0, 0.003, 1.0, 4.3, 999.0])
def test_ticks_reach_the_highest_value(highest):
    marks = draw.ticks(highest)
    assert marks[0] == 0.0
    assert marks[-1] >= highest
    assert 2 <= len(marks) <= 6


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
