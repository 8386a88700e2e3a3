"""The package from the tree, its stubs generated, and servers to talk to."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "client/python/src"), str(ROOT / "client/python"),
                str(ROOT / "tests/integration")]

# pylint: disable=wrong-import-position
import generate_stubs  # noqa: E402

generate_stubs.generate(ROOT / "proto")

import cooper_client  # noqa: E402
from harness import serving  # noqa: E402
from scripted_service import Service  # noqa: E402


@pytest.fixture(scope="session")
def server():
    """A real server with the scripted model."""
    with serving() as running:
        yield running


@pytest.fixture
def client(server):
    with cooper_client.Client(server.address, timeout=60) as connected:
        yield connected


@pytest.fixture
def service():
    """A service of this process that sends what a test tells it to."""
    with Service() as running:
        yield running
