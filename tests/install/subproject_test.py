"""The client alone, and this tree as a part of another project."""

import json

import pytest

from conftest import ROOT, run

# What only the server and the tests need.
NOT_NEEDED = ["CURL", "PNG", "JPEG", "GTest", "Boost", "benchmark",
              "prometheus-cpp"]
WITHOUT = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in NOT_NEEDED]
PARENT = """
cmake_minimum_required(VERSION 3.24)
project(parent LANGUAGES CXX)
enable_testing()
add_subdirectory({root} cooper)
add_executable(program main.cc)
target_link_libraries(program PRIVATE cooper::client)
"""


def cache(build):
    lines = (build / "CMakeCache.txt").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines
                if "=" in line and not line.startswith(("#", "//")))


def test_the_client_alone_needs_no_package_of_the_server(tmp_path):
    run("cmake", "-S", ROOT, "-B", tmp_path, "-G", "Ninja",
        "-DCOOPER_CLIENT_ONLY=ON", "-DBUILD_TESTING=OFF", *WITHOUT)
    names = {name.partition(":")[0] for name in cache(tmp_path)}
    assert not names & {"COOPER_OPENCV_CORE", "WEBP_FOUND", "PCRE2_FOUND",
                        "UTF8PROC_FOUND"}
    targets = run("ninja", "-C", tmp_path, "-t", "targets", "all")
    assert "bin/cooper:" in targets
    assert "cooper_server" not in targets


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """Build folder of a project that has this tree in a subdirectory."""
    folder = tmp_path_factory.mktemp("parent")
    (folder / "CMakeLists.txt").write_text(PARENT.format(root=ROOT))
    (folder / "main.cc").write_text(
        '#include "cooper/client/client.h"\nint main() {}\n')
    build = folder / "build"
    run("cmake", "-S", folder, "-B", build, "-G", "Ninja",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *WITHOUT)
    return build


def test_a_parent_project_keeps_its_own_flags(parent):
    assert cache(parent)["CMAKE_BUILD_TYPE:STRING"] == ""
    commands = json.loads((parent / "compile_commands.json").read_text())
    (command,) = [entry["command"] for entry in commands
                  if entry["file"].endswith("/main.cc")
                  and "parent" in entry["file"]
                  and "client/cli" not in entry["file"]]
    words = command.split()
    assert not [word for word in words if word.startswith(("-W", "-O"))]
    assert "-include" not in words and "ccache" not in command
    assert f"-I{ROOT}" not in words
    assert f"-I{ROOT}/client/include" in words


def test_a_parent_project_links_as_it_likes_and_gets_no_tests(parent):
    ninja = "".join(path.read_text() for path in (
        parent / "build.ninja", parent / "CMakeFiles/rules.ninja"))
    assert "-fuse-ld" not in ninja and "ccache" not in ninja
    # Without ccache nothing stands between this script and the compiler.
    assert 'cmake/replace-output /' in ninja
    assert "No tests were found" in run("ctest", "--test-dir", parent, "-N") or (
        "Total Tests: 0" in run("ctest", "--test-dir", parent, "-N"))


def test_a_parent_project_builds_the_client_and_not_the_server(parent):
    targets = run("ninja", "-C", parent, "-t", "targets", "all")
    assert "libcooper_client.a" in targets
    assert "cooper_server" not in targets
