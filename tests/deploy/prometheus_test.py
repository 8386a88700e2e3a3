"""Scrape configuration and alert rules, by promtool."""

import re
import runpy

import pytest
import yaml

from conftest import DEPLOY, ROOT, RULES, metrics, rules, run

UNIT_TESTS = ROOT / "tests/deploy/cooper.rules.test.yml"
TESTS = yaml.safe_load(UNIT_TESTS.read_text())["tests"]
ALERTS = [rule["alert"] for rule in rules("alert")]


def test_promtool_accepts_the_configuration():
    run("promtool", "check", "config", DEPLOY / "prometheus/prometheus.yml")


def test_promtool_accepts_the_rules():
    run("promtool", "check", "rules", RULES)


def test_every_alert_behaves_as_its_unit_tests_say():
    run("promtool", "test", "rules", UNIT_TESTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_to_fire_and_to_stay_silent(alert):
    checks = [check for test in yaml.safe_load(UNIT_TESTS.read_text())["tests"]
              for check in test.get("alert_rule_test", [])
              if check["alertname"] == alert]
    assert any(check["exp_alerts"] for check in checks)
    assert any(not check["exp_alerts"] for check in checks)


@pytest.mark.parametrize("rule", rules("alert"), ids=ALERTS)
def test_every_alert_says_what_it_is_and_where_to_read_on(rule):
    assert re.fullmatch(r"Cooper([A-Z][a-z]+)+", rule["alert"])
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description", "runbook_url"} <= set(rule["annotations"])
    page, anchor = rule["annotations"]["runbook_url"].split("#")
    host, path = re.fullmatch(r"(https://[^/]+)/(.+)", page).groups()
    assert host and path == "docs/operate.md"
    headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.M)
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings


def test_the_address_of_all_runbooks_is_set_at_once():
    script = runpy.run_path(str(DEPLOY / "prometheus/rule_object.py"))
    text = script["with_runbooks"](RULES.read_text(), "https://git.here/page")
    pages = re.findall(r"runbook_url: (\S+)", text)
    assert pages == [f"https://git.here/page#{alert.lower()}"
                     for alert in ALERTS]


def test_every_recording_is_named_by_level_metric_and_operation():
    for rule in rules("record"):
        level, metric, operation = rule["record"].split(":")
        assert level == "job"
        assert metric.startswith("cooper_")
        assert operation
        assert "by (job" in rule["expr"]


def test_every_recording_is_used():
    read = set().union(*(metrics(rule["expr"]) for rule in rules("alert")))
    others = "".join(path.read_text() for path in DEPLOY.rglob("*.yaml"))
    manual = (ROOT / "docs/metrics.md").read_text()
    for rule in rules("record"):
        name = rule["record"]
        assert name in read or f"{name}{{" in others or name in manual, name


def test_rules_read_only_the_servers_metrics_and_their_own_recordings():
    recorded = {rule["record"] for rule in rules("record")}
    for rule in rules("record") + rules("alert"):
        for name in metrics(rule["expr"]):
            assert (name in recorded or name == "up"
                    or name.startswith(("cooper_", "process_",
                                        "DCGM_FI_DEV_"))), name
