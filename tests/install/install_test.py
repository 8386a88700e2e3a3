"""What `cmake --install` installs can be used without this tree."""

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import ROOT, install, run

EXAMPLE = ROOT / "examples/cpp"
SCENE = ROOT / "tests/data/scenes/000.png"
WITH_SERVER = os.environ["COOPER_WITH_SERVER"] == "1"


@pytest.fixture(scope="session")
def server_prefix(tmp_path_factory):
    if not WITH_SERVER:
        pytest.skip("built without the server (COOPER_CLIENT_ONLY)")
    return install(tmp_path_factory.mktemp("server"), "server")


@contextlib.contextmanager
def served(program, *arguments):
    """The address of a server that is ready."""
    with subprocess.Popen(
            [program, "--listen=127.0.0.1:0",
             "--metrics_listen=127.0.0.1:0", *arguments], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            words = server.stdout.readline().split()
            yield next(word.removeprefix("grpc=") for word in words
                       if word.startswith("grpc="))
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def address():
    """Of a server with the scripted model, not installed."""
    if not WITH_SERVER:
        pytest.skip("built without the server (COOPER_CLIENT_ONLY)")
    script = ROOT / "tests/data/fake/integration.json"
    with served(pathlib.Path(os.environ["COOPER_BIN"]) / "cooper_fake_server",
                f"--script={script}") as address:
        yield address


def check_example(program, address, folder):
    output = run(program, address, SCENE, "Which object is closer?", folder)
    assert "answer: " in output
    (saved,) = folder.glob("map*.png")
    assert saved.read_bytes().startswith(b"\x89PNG")


def configure_example(client_prefix, source, build):
    return subprocess.run(
        ["cmake", "-S", source, "-B", build, "-G", "Ninja",
         f"-DCMAKE_PREFIX_PATH={client_prefix}"],
        text=True, capture_output=True, check=False)


def test_the_example_builds_with_find_package(client_prefix, address, tmp_path):
    build = tmp_path / "build"
    done = configure_example(client_prefix, EXAMPLE, build)
    assert done.returncode == 0, done.stderr
    run("cmake", "--build", build)
    check_example(build / "ask", address, tmp_path)


def test_the_example_builds_with_pkg_config_and_as_cpp_17(
        client_prefix, address, tmp_path):
    (folder,) = client_prefix.glob("lib/**/pkgconfig")
    flags = run("pkg-config", "--cflags", "--libs", "cooper",
                env={**os.environ, "PKG_CONFIG_PATH": str(folder)}).split()
    run("c++", "-std=c++17", "-Wall", "-Wextra", "-Werror",
        EXAMPLE / "ask.cc", *flags, "-o", tmp_path / "ask")
    check_example(tmp_path / "ask", address, tmp_path)


def test_a_program_for_another_version_is_refused(client_prefix, tmp_path):
    text = (EXAMPLE / "CMakeLists.txt").read_text()
    assert "find_package(cooper 0.1 " in text
    source = tmp_path / "CMakeLists.txt"
    source.write_text(text.replace("cooper 0.1 ", "cooper 0.2 "))
    shutil.copy(EXAMPLE / "ask.cc", tmp_path)
    done = configure_example(client_prefix, tmp_path, tmp_path / "build")
    assert done.returncode != 0
    assert "version: 0.1" in done.stderr


def test_no_private_header_is_installed(client_prefix):
    headers = {str(path.relative_to(client_prefix / "include"))
               for path in client_prefix.glob("include/**/*") if path.is_file()}
    public = ROOT / "client/include"
    assert headers == {str(path.relative_to(public))
                       for path in public.glob("**/*.h")} | {
        "cooper/v1/spatial_reasoning.pb.h",
        "cooper/v1/spatial_reasoning.grpc.pb.h"}


def test_the_tool_is_installed(client_prefix):
    assert "ask" in run(client_prefix / "bin/cooper", "--help")


def test_the_installed_server_brings_its_libtorch_and_demo_model(
        server_prefix, client_prefix, tmp_path):
    share = server_prefix / "share/cooper"
    if not (share / "demo-checkpoint").exists():
        pytest.skip("built without libtorch (COOPER_WITH_TORCH=OFF)")
    assert (share / "LICENSE").exists()
    assert (share / "VERSION").read_text().startswith("Torch 2.")
    libraries = run("ldd", server_prefix / "bin/cooper_server")
    assert "not found" not in libraries
    (torch,) = [line for line in libraries.splitlines() if "libtorch_cpu" in line]
    assert f"{server_prefix}/" in torch
    assert "/site-packages/" not in libraries
    with served(server_prefix / "bin/cooper_server") as address:
        run(client_prefix / "bin/cooper", "depth", SCENE, "--server", address,
            "--out", tmp_path)
    assert list(tmp_path.glob("map*.png"))
