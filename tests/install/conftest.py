"""Shared by the tests of what others build on this tree."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    """Runs a command; its standard output when it succeeds."""
    done = subprocess.run([str(word) for word in command], text=True,
                          capture_output=True, check=False, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def install(prefix, *components):
    for component in components:
        run("cmake", "--install", os.environ["COOPER_BUILD_DIR"], "--prefix",
            prefix, "--component", component)
    return prefix


@pytest.fixture(scope="session")
def client_prefix(tmp_path_factory):
    """Where the client library and the tool are installed."""
    return install(tmp_path_factory.mktemp("client"), "client", "client-dev")
