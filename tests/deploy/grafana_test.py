"""The dashboard: what Grafana and the person on call need of it."""

import json

import promql_parser
import pytest

from conftest import DASHBOARD, DEPLOY, panel_expressions, panels, run

BOARD = json.loads(DASHBOARD.read_text())
TITLES = [panel["title"] for panel in panels()]
# Grafana's names of units that the panels use.
UNITS = {"short", "s", "bytes", "percentunit", "reqps", "ops"}


def test_the_dashboard_is_what_its_script_writes():
    script = DEPLOY / "grafana/dashboard.py"
    assert run("python3", script, "--print") == DASHBOARD.read_text()


def test_the_dashboard_has_a_name_of_its_own_and_cannot_be_edited_by_chance():
    assert BOARD["uid"] == "cooper-server"
    assert BOARD["title"]
    assert BOARD["editable"] is False
    assert BOARD["schemaVersion"] >= 39


def test_data_source_job_and_instance_can_be_chosen():
    variables = {item["name"]: item for item in BOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["type"] == "datasource"
    for name in ("job", "instance"):
        assert variables[name]["multi"] is True
        assert variables[name]["allValue"] == ".+"
        assert variables[name]["refresh"] == 2, "on change of the time range"
        assert variables[name]["datasource"]["uid"] == "${datasource}"


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


@pytest.mark.parametrize("panel", panels(), ids=TITLES)
def test_every_panel_says_what_it_shows_and_in_which_unit(panel):
    assert panel["title"] and panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["targets"]


@pytest.mark.parametrize("panel", panels(), ids=TITLES)
def test_every_query_keeps_to_the_chosen_replicas_and_interval(panel):
    for target in panel["targets"]:
        expression = target["expr"]
        selectors = expression.count("{")
        assert expression.count('job=~"$job"') == selectors > 0
        assert expression.count('instance=~"$instance"') == selectors
        assert expression.count("[$__rate_interval]") == expression.count("[")
        assert target["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("expression", panel_expressions())
def test_every_query_is_valid(expression):
    assert promql_parser.parse(expression)
