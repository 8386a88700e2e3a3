"""The Dockerfile, as far as it can be checked without building it."""

import re

from conftest import ROOT, run

DOCKERFILE = (ROOT / "Dockerfile").read_text()
RUNTIME = DOCKERFILE[DOCKERFILE.index(" AS runtime"):]


def test_hadolint_finds_nothing():
    run("hadolint", "Dockerfile")


def test_the_image_runs_as_a_numbered_user_without_rights():
    assert re.findall(r"^USER (.*)$", RUNTIME, re.M) == ["65532:65532"]


def test_the_image_checks_its_own_health():
    assert re.search(r'^HEALTHCHECK .*\\\n +CMD \["/usr/local/bin/cooper", '
                     r'"health"', RUNTIME, re.M)


def test_the_runtime_stage_installs_no_development_package():
    assert "-dev" not in RUNTIME
    assert "scripts/setup" not in RUNTIME


def test_every_path_that_the_build_copies_passes_the_dockerignore():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    kept = {line[1:] for line in lines if line.startswith("!")}
    for path in kept:
        assert (ROOT / path).exists(), path
    # What CMakeLists.txt adds, and what the build step reads besides.
    added = set(re.findall(r"^ *add_subdirectory\((\w+)\)",
                           (ROOT / "CMakeLists.txt").read_text(), re.M))
    assert {"base", "server"} <= added
    assert added - {"tests"} <= kept
    assert {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "cmake",
            "scripts", "deploy/image"} <= kept


def test_the_torch_that_the_cuda_variant_takes_is_named_everywhere():
    version = re.search(r"set\(COOPER_TORCH_VERSION ([\d.]+)\)",
                        (ROOT / "cmake/CooperTorch.cmake").read_text())[1]
    for path in ("Dockerfile", "CMakePresets.json", "docs/deploy.md"):
        assert f"torch {version}" in (ROOT / path).read_text(), path


def test_the_torch_that_the_gpu_archive_takes_is_named_everywhere():
    version = re.search(r"^version=([\d.]+) ",
                        (ROOT / "tests/bench/gpu/bundle").read_text(), re.M)[1]
    for path in ("scripts/gpu-check", "docs/performance.md",
                 "docs/development.md"):
        assert version in (ROOT / path).read_text(), path
