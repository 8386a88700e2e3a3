"""The operations checklist, one test a line, titled by the line itself.

checklist.yaml says what checks a line; what cannot be covered is listed there
with its reason, and in docs/deploy.md.
"""

import re

import pytest
import yaml

import policy
from conftest import ROOT

FOLDER = ROOT / "tests/deploy"
SECTIONS = yaml.safe_load((FOLDER / "checklist.yaml").read_text())
ITEMS = [(section, item) for section, items in SECTIONS.items()
         for item in items]
COVERED = [(section, item) for section, item in ITEMS
           if "checks" in item or "tested_by" in item]


def titles(items):
    return [f"{section}: {item['line']}" for section, item in items]


@pytest.mark.parametrize("item", [item for _, item in COVERED],
                         ids=titles(COVERED))
def test_line(item):
    for name in item.get("checks", []):
        getattr(policy, name)()
    for reference in item.get("tested_by", []):
        file, test = reference.split("::")
        assert re.search(rf"^def {test}\(", (FOLDER / file).read_text(), re.M), (
            reference)


def test_every_line_is_covered_or_says_why_not():
    for _, item in ITEMS:
        assert item.keys() <= {"line", "checks", "tested_by", "not_covered"}
        assert len(item) > 1, item["line"]


def test_every_check_belongs_to_a_line():
    used = {name for _, item in ITEMS for name in item.get("checks", [])}
    written = {name for name in vars(policy) if not name.startswith("_")
               and getattr(vars(policy)[name], "__module__", "") == "policy"}
    assert written == used


def test_the_manual_lists_what_is_not_covered():
    manual = " ".join((ROOT / "docs/deploy.md").read_text().split())
    for _, item in ITEMS:
        if "not_covered" in item:
            assert item["not_covered"] in manual, item["not_covered"]
