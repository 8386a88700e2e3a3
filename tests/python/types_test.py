"""The package keeps mypy's strict rules, its users see exact types, and a program
that uses it wrongly is told so."""

import os
import pathlib
import subprocess
import sys

import pytest

from conftest import ROOT

CACHE = pathlib.Path(os.environ.get("COOPER_BUILD_DIR", ROOT / "build"),
                     "mypy-cache")

USE = """
import asyncio
import cooper_client
import numpy.typing as npt

client = cooper_client.Client("localhost:8001")
reveal_type(client.depth("x.png", seed=1, priority="low"))
reveal_type(client.segment("x.png").regions[0].box)
reveal_type(client.reason(None, "?", mode="text_only").result().answer)
for event in client.reason(["x.png"], "?"):
    if isinstance(event, cooper_client.TextDelta):
        reveal_type(event.text)
for frame in client.latest_frame(["x.png"], num_timesteps=5):
    reveal_type(frame.value.relative)
for labelled in client.latest_frame(["x.png"], "segment"):
    reveal_type(labelled.value.regions)
for asked in client.latest_frame(["x.png"], "reason", question="?", max_turns=2):
    reveal_type(asked.value.boxed)

async def main() -> None:
    async with cooper_client.aio.Client() as twin:
        reveal_type(await twin.depth("x.png"))
        async with twin.converse("x.png", max_turns=2) as chat:
            reveal_type(await chat.ask("?").result())

asyncio.run(main())
"""
WRONG = """
import cooper_client
client = cooper_client.Client("localhost:8001")
client.depth("x.png", steps=3)
client.reason(None, "?", max_turns="3")
"""


def mypy(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={CACHE}",
         f"--config-file={ROOT}/client/python/pyproject.toml", *arguments],
        cwd=ROOT / "client/python", capture_output=True, text=True, check=False)


def test_the_package_is_strict():
    done = mypy()
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_user_sees(tmp_path):
    (tmp_path / "use.py").write_text(USE)
    done = mypy(str(tmp_path / "use.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in ("cooper_client.maps.DepthMap", "int, int, int, int", '"str"',
                 "cooper_client.results.Result", "cooper_client.events.Region, ...",
                 "str | None"):
        assert kind in done.stdout, done.stdout
    (tmp_path / "wrong.py").write_text(WRONG)
    done = mypy(str(tmp_path / "wrong.py"))
    assert 'Unexpected keyword argument "steps"' in done.stdout
    assert 'max_turns' in done.stdout and done.stdout.count(": error:") == 2
