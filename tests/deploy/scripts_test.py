"""The scripts that builds and reports rest on."""

import re
import subprocess
import sys

import pytest

from conftest import ROOT

GTEST_PASSED = "[==========] 3 tests ran.\n[  PASSED  ] 3 tests.\n"
GTEST_MIXED = ("[  PASSED  ] 2 tests.\n[  SKIPPED ] 1 test, listed below:\n"
               "[  FAILED  ] 1 test, listed below:\n")
PYTEST_MIXED = "== 1 failed, 4 passed, 2 skipped, 1 error in 0.52s ==\n"


def report(path, *entries):
    """A JUnit report of ctest with one entry a (status, output)."""
    body = "".join(
        f'<testcase name="{number}" status="{status}">'
        f"{'<skipped/>' if status == 'disabled' else ''}"
        f"<system-out>{output}</system-out></testcase>"
        for number, (status, output) in enumerate(entries))
    path.write_text(f"<testsuite>{body}</testsuite>")
    return path


@pytest.mark.parametrize("entries, line, status", [
    ([("run", GTEST_PASSED), ("run", "fine")], "4 passed, 0 failed", 0),
    ([("fail", GTEST_MIXED)], "2 passed, 1 failed, 1 skipped", 1),
    ([("fail", PYTEST_MIXED)], "4 passed, 2 failed, 2 skipped", 1),
    ([("run", "3 passed in 0.01s\n")], "3 passed, 0 failed", 0),
    # A crash after the last good word still is a failure.
    ([("fail", GTEST_PASSED)], "3 passed, 1 failed", 1),
    ([("fail", "")], "0 passed, 1 failed", 1),
    ([("disabled", "")], "0 passed, 0 failed, 1 skipped", 0),
    # A program that could not be started.
    ([("notrun", "")], "0 passed, 1 failed", 1),
])
def test_count_tests_counts_cases(tmp_path, entries, line, status):
    path = report(tmp_path / "report.xml", *entries)
    done = subprocess.run([ROOT / "scripts/count-tests", path], text=True,
                          capture_output=True, check=False)
    assert done.stdout == line + "\n"
    assert done.returncode == status


@pytest.mark.parametrize("name", ["test", "triton"])
def test_python_requirements_are_pinned(name):
    lines = (ROOT / f"scripts/requirements-{name}.txt").read_text().splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9-]+(\[\w+\])?==[\w.]+", line), line


def test_setup_finds_the_version_of_torch_that_cmake_names():
    cmake = (ROOT / "cmake/CooperTorch.cmake").read_text()
    assert re.search(r"^set\(COOPER_TORCH_VERSION \d+\.\d+\.\d+\)$", cmake, re.M)


@pytest.mark.parametrize("name", [
    "setup", "build", "test", "lint", "demo", "observe", "check-deploy"])
def test_a_script_begins_by_saying_what_it_does(name):
    first, second, *_ = (ROOT / "scripts" / name).read_text().splitlines()
    assert first == "#!/usr/bin/env bash"
    assert re.match(r"# [A-Z]", second)


@pytest.mark.parametrize("python, modules, named", [
    (sys.executable, "pytest,no_such_module", "no_such_module"),
    ("/no/such/python3", "pytest", "/no/such/python3")])
def test_a_test_without_its_tools_is_skipped_by_name(python, modules, named):
    done = subprocess.run([ROOT / "cmake/run-pytest", python, modules,
                           "none_test.py"], text=True, capture_output=True,
                          check=False)
    assert done.returncode == 77
    assert done.stdout.startswith("skipped: ") and named in done.stdout


def test_the_demo_installs_only_what_it_builds_with():
    demo = (ROOT / "scripts/demo").read_text()
    assert "\nscripts/setup --build\nBUILD_TESTING=OFF scripts/build" in demo
    packages = (ROOT / "scripts/packages/build.txt").read_text().split()
    assert "cmake" in packages
    assert not {"prometheus", "libgtest-dev", "libgmock-dev"} & set(packages)
