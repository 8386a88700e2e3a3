"""The scripts that builds and reports rest on."""

import re
import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.mark.parametrize("tests, failures, disabled, skipped, status, line", [
    (5, 0, 0, 0, 0, "5 passed, 0 failed"),
    (5, 1, 0, 0, 8, "4 passed, 1 failed"),
    (5, 1, 1, 2, 8, "1 passed, 1 failed, 3 skipped"),
    # ctest counts a program that could not be started as skipped.
    (5, 0, 0, 1, 8, "4 passed, 1 failed"),
])
def test_the_entries_of_a_report_are_counted(tmp_path, tests, failures,
                                             disabled, skipped, status, line):
    path = tmp_path / "report.xml"
    path.write_text(
        f'<?xml version="1.0"?>\n<testsuite name="(empty)"\n\ttests="{tests}"'
        f'\n\tfailures="{failures}"\n\tdisabled="{disabled}"'
        f'\n\tskipped="{skipped}"\n\t>\n\t<testcase name="a"/>\n'
        "</testsuite>\n")
    done = subprocess.run(
        ["bash", "-c", f"source scripts/lib.sh; count_tests {path} {status}"],
        text=True, capture_output=True, check=False, cwd=ROOT)
    assert done.stdout == line + "\n"


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
    "setup", "build", "test", "lint", "demo", "observe", "soak", "check-deploy"])
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
