"""scripts/soak without its setup: a few seconds of all that it does, and its
negative controls, each of which must fail of what is planted and of that alone.

The four run side by side, since they mostly wait.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BIN = os.environ.get("COOPER_BIN", HERE.parents[1] / "build/release/bin")
# What the negative controls do not need.
LEFT_OUT = ("flood,storm,garbage,killed,restarter,rotator,stopping,asker,"
            "watcher0,watcher1")
RUNS = {
    "nothing": ["--callers=1", "--calm=3", "--without=flood"],
    "leak": ["--plant=leak", "--callers=2", f"--without={LEFT_OUT}"],
    "lost_event": ["--plant=lost_event", "--callers=3",
                   f"--without={LEFT_OUT}"],
    "stall": ["--plant=stall", "--stall_bound=2.5", "--callers=1",
              f"--without={LEFT_OUT}"],
}
# The checks that may find it. An event that is lost from the midst of an answer
# may show in its result alone.
FOUND = {"leak": {"memory"}, "lost_event": {"events", "result"},
         "stall": {"stall"}}


@pytest.fixture(scope="module", name="runs")
def fixture_runs(tmp_path_factory):
    """Exit code and output of each run."""
    started = {
        name: subprocess.Popen(
            [sys.executable, HERE / "soak.py", f"--bin={BIN}", "--minutes=0.07",
             "--round=2.1", "--settle=0.3", "--catalogue=5",
             f"--out={tmp_path_factory.mktemp(name)}", *flags],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name, flags in RUNS.items()}
    try:
        said = {name: process.communicate(timeout=200)[0]
                for name, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
    return {name: (process.returncode, said[name])
            for name, process in started.items()}


def test_a_sound_server_passes(runs):
    code, said = runs["nothing"]
    assert code == 0, said
    assert "all checks passed" in said
    for row in ("Reason, whole", "Converse", "ModelStreamInfer",
                r"invalid: [a-z ]+", "health watch"):
        assert re.search(rf"^\| {row} \| [1-9]", said, re.M), (row, said)
    for event in ("restarts under load", "clients killed in a call",
                  "connections of storms", r"rotations of the \w+"):
        assert re.search(rf"^\| {event} \| [1-9]", said, re.M), (event, said)
    assert re.search(r"at rest after the last round \| \d+ MiB \| \d+ \| \d+",
                     said)


@pytest.mark.parametrize("plant", FOUND)
def test_what_is_planted_is_found_and_nothing_else(runs, plant):
    code, said = runs[plant]
    assert code == 1, said
    failed = re.search(r"^failed: (.*)$", said, re.M)
    assert failed, said
    assert set(re.findall(r"(\w+) \(", failed[1])) <= FOUND[plant], said
