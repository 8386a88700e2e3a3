"""The rules of Grafana's dashboard-linter, written anew: that tool has no
release that could be installed. A finding is a line; there must be none."""

import json
import re

import promql_parser
import pytest

from conftest import DASHBOARD, panels

BOARD = json.loads(DASHBOARD.read_text())
VARIABLES = {item["name"]: item for item in BOARD["templating"]["list"]}
# Grafana's names of the units that panels may have.
UNITS = {"short", "s", "bytes", "mbytes", "percent", "percentunit", "reqps",
         "ops", "watt"}
# Selectors that cannot have both matchers. ALERTS carries the labels of the
# alert, some without an instance; DCGM's are joined with a selector that has.
EXEMPT = re.compile(r"ALERTS|DCGM_\w+")
JOB, INSTANCE = 'job=~"$job"', 'instance=~"$instance"'


def targets():
    return [(panel["title"], target) for panel in panels()
            for target in panel["targets"]]


def selectors(expression):
    """(metric, matchers) of each selector of a query as Grafana stores it."""
    return re.findall(r"((?:cooper|process|up|ALERTS|DCGM)\w*)(\{[^}]*\})?",
                      re.sub(r"by \([^)]*\)|on \([^)]*\)", "", expression))


def filled(expression):
    return (expression.replace("$__rate_interval", "5m")
            .replace("$job", ".+").replace("$instance", ".+"))


def variable_rule(name, label):
    item = VARIABLES.get(name)
    if item is None:
        yield f"no variable {name}"
        return
    if item["type"] != "query" or item["label"] != label:
        yield f"{name} is no query labelled {label}"
    if not item["multi"] or item["allValue"] != ".+":
        yield f"{name} cannot be several, or all by .+"
    if item["datasource"]["uid"] != "${datasource}":
        yield f"{name} reads another data source"


def template_datasource_rule():
    first = BOARD["templating"]["list"][0]
    if (first["name"], first["type"], first["label"], first["query"]) != (
            "datasource", "datasource", "Data source", "prometheus"):
        yield "the first variable is not the data source"


def template_job_rule():
    yield from variable_rule("job", "Job")


def template_instance_rule():
    yield from variable_rule("instance", "Instance")


def template_label_promql_rule():
    for name, item in VARIABLES.items():
        if item["type"] != "query":
            continue
        query = item["query"]["query"]
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        if not found or found[2] != name:
            yield f"{name}: {query}"
        else:
            promql_parser.parse(filled(found[1]))


def template_on_time_change_reload_rule():
    for name, item in VARIABLES.items():
        if item["type"] == "query" and item["refresh"] != 2:
            yield name


def panel_datasource_rule():
    for panel in panels():
        for holder in [panel, *panel["targets"]]:
            if holder["datasource"] != {"type": "prometheus",
                                        "uid": "${datasource}"}:
                yield panel["title"]


def panel_title_description_rule():
    for panel in panels():
        if not panel["title"] or not panel["description"].endswith("."):
            yield panel["title"] or panel["id"]


def panel_units_rule():
    for panel in panels():
        if panel["fieldConfig"]["defaults"]["unit"] not in UNITS:
            yield panel["title"]


def panel_no_targets_rule():
    for panel in panels():
        if not panel["targets"]:
            yield panel["title"]


def target_promql_rule():
    for title, target in targets():
        try:
            promql_parser.parse(filled(target["expr"]))
        except ValueError as error:
            yield f"{title}: {error}"


def target_logql_rule():
    for title, target in targets():
        if "|=" in target["expr"] or "$__auto" in target["expr"]:
            yield title


def target_rate_interval_rule():
    for title, target in targets():
        for window in re.findall(r"\[([^\]]*)\]", target["expr"]):
            if window != "$__rate_interval":
                yield f"{title}: [{window}]"


def matcher_rule(matcher):
    for title, target in targets():
        found = selectors(target["expr"])
        if not any(matcher in matchers for _, matchers in found):
            if not all(EXEMPT.fullmatch(metric) for metric, _ in found):
                yield title
        for metric, matchers in found:
            if matcher not in matchers and not EXEMPT.fullmatch(metric):
                yield f"{title}: {metric}"


def target_job_rule():
    yield from matcher_rule(JOB)


def target_instance_rule():
    yield from matcher_rule(INSTANCE)


def target_counter_agg_rule():
    """A counter is read by its rate, and the rate is taken before the sum."""
    for title, target in targets():
        for metric in re.findall(r"\b\w+(?:_total|_bucket|_sum|_count)\b",
                                 target["expr"]):
            if metric.startswith("DCGM_"):
                continue
            if f"(rate({metric}{{" not in target["expr"]:
                yield f"{title}: {metric}"


def uneditable_dashboard_rule():
    if BOARD["editable"] is not False:
        yield "can be edited"


RULES = [function for name, function in sorted(vars().items())
         if name.endswith("_rule")
         and name not in ("variable_rule", "matcher_rule")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_dashboard_keeps_every_rule(rule):
    assert not list(rule())


BROKEN = [
    (template_datasource_rule, '"name": "datasource"', '"name": "prom"'),
    (template_job_rule, '"allValue": ".+"', '"allValue": null'),
    (template_instance_rule, '"label": "Instance"', '"label": "Pod"'),
    (template_label_promql_rule, "label_values(", "values("),
    (template_on_time_change_reload_rule, '"refresh": 2', '"refresh": 1'),
    (panel_datasource_rule, '"uid": "${datasource}"', '"uid": "mine"'),
    (panel_title_description_rule, "queueing included.",
     "queueing included"),
    (panel_units_rule, '"unit": "s"', '"unit": "sec"'),
    (panel_no_targets_rule, '"targets": [', '"targets": [], "others": ['),
    (target_promql_rule, "histogram_quantile(", "histogram_quantile(("),
    (target_logql_rule, "sum (", "sum |= ("),
    (target_rate_interval_rule, "[$__rate_interval]", "[5m]"),
    (target_job_rule, 'job=~\\"$job\\", ', ""),
    (target_instance_rule, 'instance=~\\"$instance\\"', ""),
    (target_counter_agg_rule, "rate(cooper_requests_total",
     "(cooper_requests_total"),
    (uneditable_dashboard_rule, '"editable": false', '"editable": true'),
]


def test_every_rule_is_shown_to_find_something():
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize("rule, whole, broken", BROKEN,
                         ids=[rule.__name__ for rule, _, _ in BROKEN])
def test_a_rule_finds_what_breaks_it(rule, whole, broken, monkeypatch):
    text = DASHBOARD.read_text()
    assert whole in text
    board = json.loads(text.replace(whole, broken))
    monkeypatch.setitem(globals(), "BOARD", board)
    monkeypatch.setitem(globals(), "VARIABLES", {
        item["name"]: item for item in board["templating"]["list"]})
    monkeypatch.setitem(globals(), "panels", lambda: [
        panel for panel in board["panels"] if panel["type"] != "row"])
    assert list(rule())
