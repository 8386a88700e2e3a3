"""Wheel and sdist are built, and each is installed by pip into an empty
environment, where it talks to a server: the wheel beside the newest libraries, the
sdist (from which pip builds by itself) beside the oldest that are supported."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest

from conftest import ROOT

# Oldest versions of pyproject.toml, or the oldest with a wheel for a Python.
OLDEST = {
    (3, 10): ("grpcio==1.49.1", "numpy==1.22.0", "pillow==9.1.0"),
    (3, 11): ("grpcio==1.49.1", "numpy==1.23.2", "pillow==9.3.0"),
    (3, 12): ("grpcio==1.59.2", "numpy==1.26.0", "pillow==10.1.0"),
    (3, 13): ("grpcio==1.66.2", "numpy==2.1.0", "pillow==11.0.0"),
}
PROTOBUF = "protobuf==3.20.2"

USE = """
import asyncio, sys
import cooper_client, google.protobuf, grpc, numpy
assert cooper_client.__file__.startswith(sys.prefix), cooper_client.__file__
address, scene = sys.argv[1:]
with cooper_client.Client(address) as client:
    depth = client.depth(scene, num_timesteps=3)
    assert numpy.asarray(depth).shape == (96, 96)
    grey = client.depth(scene, num_timesteps=3, depth_encoding="png_grey16")
    assert numpy.asarray(grey).dtype == numpy.uint16
    assert numpy.asarray(client.segment(scene, num_timesteps=3)).max() > 0
    result = client.reason(depth.image(), "Which?", num_timesteps=3).result()
    assert result.boxed == "left" and result._repr_html_()
    try:
        client.depth(scene, num_timesteps=1)
    except cooper_client.InvalidArgument as error:
        assert error.violations[0].field == "flow.num_timesteps"
    try:
        client.depth(scene, timeout=0.000001)
    except cooper_client.DeadlineExceeded:
        pass

async def main():
    async with cooper_client.aio.Client(address) as client:
        await client.depth(scene, num_timesteps=3)
        async with client.converse(scene, num_timesteps=3) as chat:
            await chat.ask("Which?").result()
            assert (await chat.ask("Why?").result()).boxed == "left"
        stream = client.reason(scene, "Tell me a long story.")
        await stream.__anext__()
        stream.cancel()
        try:
            await stream.result()
        except cooper_client.Cancelled:
            print("grpc", grpc.__version__, "protobuf",
                  google.protobuf.__version__)
asyncio.run(main())
"""


def run(*arguments, **options):
    done = subprocess.run([str(a) for a in arguments], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **options)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the sdist, and the wheel that was built from it."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder,
        ROOT / "client/python")
    return folder


def one(folder, pattern):
    (found,) = folder.glob(pattern)
    return found


def installed(folder, *requirements):
    """The Python of an empty environment, with what pip installs there."""
    probe = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
         "--dest", folder / "probe", "hatchling"], check=False,
        capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip("pip reaches no package index")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv/bin/python"
    run(python, "-m", "pip", "install", "--quiet", "--prefer-binary",
        "--disable-pip-version-check", *requirements)
    return python


def use(python, server, folder):
    (folder / "use.py").write_text(USE)
    # From elsewhere, so that only what is installed is found.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return run(python, folder / "use.py", server.address,
               ROOT / "tests/data/scenes/000.png", cwd=folder, env=environment)


def test_the_wheel_beside_the_newest(built, server, tmp_path):
    python = installed(tmp_path, one(built, "*.whl"))
    assert "grpc" in use(python, server, tmp_path)
    run(python, "-m", "pip", "check")


def test_the_sdist_beside_the_oldest(built, server, tmp_path):
    oldest = OLDEST.get(sys.version_info[:2])
    if oldest is None:
        pytest.skip("the oldest versions are not known for this Python")
    python = installed(tmp_path, one(built, "*.tar.gz"), PROTOBUF, *oldest)
    said = use(python, server, tmp_path)
    assert f"grpc {oldest[0].partition('==')[2]} protobuf 3.20.2" in said


def test_what_is_in_them(built):
    wheel = zipfile.ZipFile(one(built, "*.whl")).namelist()
    for name in ("__init__.py", "py.typed", "aio/client.py",
                 "_proto/spatial_reasoning_pb2.py",
                 "_proto/spatial_reasoning_pb2.pyi"):
        assert f"cooper_client/{name}" in wheel
    assert {name.split("/")[0] for name in wheel} == {
        "cooper_client", one(built, "*.whl").name.split("-py3")[0] + ".dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
    sdist = tarfile.open(one(built, "*.tar.gz")).getnames()
    assert any(n.endswith("proto/cooper/v1/spatial_reasoning.proto")
               for n in sdist)


def test_a_wheel_straight_from_the_tree(tmp_path):
    pytest.importorskip("hatchling")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
        "--no-build-isolation", "--wheel-dir", tmp_path, ROOT / "client/python")
    names = zipfile.ZipFile(one(tmp_path, "*.whl")).namelist()
    assert "cooper_client/_proto/spatial_reasoning_pb2.py" in names
    assert any(name.endswith("LICENSE") for name in names)
