"""Links of the documentation lead somewhere, and what it shows works."""

import functools
import os
import pathlib
import re

import pytest
import yaml

from conftest import KUBERNETES, ROOT, run

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def anchors(page):
    """Anchors that GitHub makes of a page's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_script_and_file_named_in_backquotes_exists(page):
    named = re.findall(r"`((?:scripts|deploy|tests|cmake|\.ci)/[\w./-]+)`",
                       page.read_text())
    for path in named:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("overlay", ["gpu", "gpu-copy", "gpu-image"])
def test_the_patch_for_base_and_fine_tune_names_both(tmp_path, overlay):
    (patch,) = re.findall(r"```yaml\n(patches:.*?)```",
                          (ROOT / "docs/weights.md").read_text(), re.S)
    base = os.path.relpath(KUBERNETES / "overlays" / overlay,
                           os.path.realpath(tmp_path))
    pathlib.Path(tmp_path, "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [base], **yaml.safe_load(patch)}))
    objects = yaml.safe_load_all(run("kubectl", "kustomize", tmp_path))
    (server,) = [container for item in objects if item["kind"] == "Deployment"
                 for container in item["spec"]["template"]["spec"]["containers"]]
    # The last of two equal flags holds.
    assert [argument for argument in server["args"]
            if argument.startswith("--checkpoint=")][-1] == (
        "--checkpoint=/mnt/models/BAGEL-7B-MoT,/mnt/models/COOPER")


def test_every_image_tag_is_the_version_of_the_project():
    version = re.search(r"VERSION (\d+\.\d+\.\d+)",
                        (ROOT / "CMakeLists.txt").read_text())[1]
    named = []
    for path in [ROOT / "Dockerfile", *PAGES, *(ROOT / "deploy").rglob("*.yaml")]:
        named += re.findall(
            r"(?:cooper-server:|newTag: |ARG VERSION=)(\d+\.\d+\.\d+)",
            path.read_text())
    assert len(named) >= 8
    assert set(named) == {version}


SOURCE_ROOTS = ("", "server/", "model/", "tests/", "client/", "deploy/")


def existing(path):
    """The file that a document means by a path, or None."""
    found = [ROOT / (root + path) for root in SOURCE_ROOTS
             if (ROOT / (root + path)).is_file()]
    return found[0] if found else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sources_that_a_page_names_exist(page):
    paths = re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:h|cc|cuh?|py))`",
                       page.read_text())
    assert [path for path in paths if existing(path) is None] == []


def test_functions_of_the_life_of_a_request_are_in_their_files():
    text = (ROOT / "docs/life-of-a-request.md").read_text()
    hops = re.findall(r"`((?:\w+/)+\w+\.(?:h|cc))`((?: `\w+`)+)", text)
    assert len(hops) > 20
    missing = []
    for path, names in hops:
        file = existing(path)
        header = file.with_suffix(".h")
        source = file.read_text() + (header.read_text() if header.is_file()
                                     else "")
        missing += [(path, name) for name in re.findall(r"`(\w+)`", names)
                    if name not in source]
    assert missing == []


TESTS = ROOT / "tests"


@functools.cache
def gtests():
    """Names of the C++ tests, as Suite.Name."""
    return {f"{suite}.{name}" for path in TESTS.rglob("*.cc")
            for suite, name in re.findall(
                r"^(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)",
                path.read_text(), re.M)}


def missing_tests(text):
    """Tests that a text names in backquotes and that do not exist."""
    missing = [name for name in re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", text)
               if name not in gtests()]
    suites = {name.partition(".")[0] for name in gtests()}
    missing += [suite for suite in re.findall(r"`([A-Z]\w+Test)`", text)
                if suite not in suites]
    for file, name in re.findall(r"`(\w+_test\.py)(?:::(\w+))?`", text):
        sources = [path.read_text() for path in TESTS.rglob(file)]
        wanted = f"\ndef {name}(" if name else ""
        if not any(wanted in source for source in sources):
            missing.append(f"{file}::{name}")
    missing += [name for name in re.findall(r"`(\w+_fuzz)`", text)
                if not (TESTS / f"fuzz/{name}.cc").is_file()]
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_a_page_names_exist(page):
    assert missing_tests(page.read_text()) == []


def test_a_test_that_does_not_exist_is_seen():
    names = ["ServerTest.NoSuchTest", "NoSuchTest", "docs_test.py::test_none",
             "none_test.py", "none_fuzz"]
    text = " ".join(f"`{name}`" for name in names)
    assert missing_tests(text) == [
        "ServerTest.NoSuchTest", "NoSuchTest", "docs_test.py::test_none",
        "none_test.py::", "none_fuzz"]


def test_every_fault_has_a_test_or_says_why_not():
    """Rows of the tables of docs/faults.md."""
    text = (ROOT / "docs/faults.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|\n").split(" | ")]
            for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] not in ("Case", "Bytes")]
    assert len(rows) > 80
    for row in rows:
        assert re.search(r"`\w+(\.\w+|_test\.py::\w+|_fuzz)`", row[-1]) or (
            "not tested: " in row[1]), row
