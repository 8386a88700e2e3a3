"""The dashboard: what its script writes, where panels stand, and its schema."""

import json

import jsonschema
import pytest
import yaml

from conftest import DASHBOARD, DEPLOY, ROOT, panels, run

BOARD = json.loads(DASHBOARD.read_text())
SCHEMA = yaml.safe_load(
    (ROOT / "tests/deploy/dashboard.schema.yaml").read_text())
TITLES = [panel["title"] for panel in panels()]
# What the engineer on call looks at, in this order.
ROWS = ["Health", "Latency", "Saturation", "Errors", "Time per phase",
        "Process", "GPU"]


def test_the_dashboard_is_what_its_script_writes():
    script = DEPLOY / "grafana/dashboard.py"
    assert run("python3", script, "--print") == DASHBOARD.read_text()


def test_the_dashboard_is_valid():
    jsonschema.Draft202012Validator(SCHEMA).validate(BOARD)


@pytest.mark.parametrize("break_it", [
    lambda board: board.pop("uid"),
    lambda board: board.update(refreshh="30s"),
    lambda board: board["panels"][1].update(type="graph"),
    lambda board: board["panels"][1]["targets"][0].pop("expr"),
    lambda board: board["panels"][1]["gridPos"].update(w=25),
    lambda board: board["templating"]["list"][1].update(refresh=9),
])
def test_the_schema_refuses_what_grafana_would_not_show(break_it):
    board = json.loads(DASHBOARD.read_text())
    break_it(board)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(board)


def test_rows_are_in_the_order_in_which_they_are_looked_at():
    assert [panel["title"] for panel in BOARD["panels"]
            if panel["type"] == "row"] == ROWS


def test_what_a_row_promises_is_in_it():
    wanted = {"Latency": ["First token", "Between tokens", "One map"],
              "Saturation": ["Queue and running", "KV cache", "Batch size"],
              "Time per phase": ["By phase"],
              "GPU": ["GPU utilisation", "GPU memory", "GPU faults"]}
    row, found = None, {}
    for panel in BOARD["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            found.setdefault(row, []).append(panel["title"])
    assert set(found) == set(ROWS)
    for row, beginnings in wanted.items():
        for beginning in beginnings:
            assert any(title.startswith(beginning) for title in found[row])


def test_panels_are_numbered_named_once_and_do_not_overlap():
    assert len(set(TITLES)) == len(TITLES)
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
