"""gpu_bench on the CPU with the smallest shape: every part gives its rows."""

import json
import math
import os
import pathlib
import subprocess

import pytest

BENCH = pathlib.Path(os.environ["COOPER_BIN"]) / "gpu_bench"
PARTS = ["rates", "decode", "vae", "flow", "prefill", "memory",
         "deterministic", "products", "attention", "server", "oom", "load"]
# What may be nothing, or (the host's memory) less than before.
MAY_BE_ZERO = ("growth of the host's", "largest error", "cancelled map")


def run(*flags):
    return subprocess.run([BENCH, *flags], capture_output=True, text=True,
                          check=False, timeout=120)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "rows.jsonl"
    result = run("--device=cpu", "--shape=nano", f"--json={path}",
                 f"--scratch={path.parent}")
    assert result.returncode == 0, result.stderr[-2000:]
    assert os.listdir(path.parent) == [path.name]  # checkpoints are gone
    return [json.loads(line) for line in path.read_text().splitlines()]


def rows(lines):
    return [line for line in lines if "value" in line and "name" in line]


def test_every_part_begins_and_ends(lines):
    for state in ("begin", "end"):
        assert [line["part"] for line in lines
                if line.get("state") == state] == PARTS


@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_rows_of_finite_positive_numbers(lines, part):
    of_part = [row for row in rows(lines) if row["part"] == part]
    assert of_part
    for row in of_part:
        assert math.isfinite(row["value"]), row
        if not any(name in row["name"] for name in MAY_BE_ZERO):
            assert row["value"] > 0, row


def test_a_ratio_is_of_the_floor_and_a_goal_is_judged_by_it(lines):
    with_floor = [row for row in rows(lines) if "floor" in row]
    assert len(with_floor) > 40
    for row in with_floor:
        assert row["floor"] > 0
        assert row["ratio"] == pytest.approx(row["value"] / row["floor"])
    for row in rows(lines):
        if "goal" in row and not row["at_least"]:
            judged = row.get("ratio", row["value"])
            assert row["ok"] == (judged <= row["goal"])


def test_names_are_unique(lines):
    names = [row["name"] for row in rows(lines)]
    assert len(names) == len(set(names))


def test_denoising_says_branches_guidance_and_updates(lines):
    for row in rows(lines):
        if row["name"].startswith(("denoise", "whole request")):
            assert "branch" in row["conditions"]
            assert "guidance" in row["conditions"]
            assert "update" in row["name"] + row["conditions"]
            assert "layers" in row["conditions"]


def test_rates_of_an_earlier_run_are_not_measured_again(tmp_path):
    path = tmp_path / "rows.jsonl"
    result = run("--device=cpu", "--shape=nano", "--only=decode",
                 f"--json={path}", "--copy_rate=1e9", "--product_rate=1e9")
    assert result.returncode == 0, result.stderr
    assert "rates" not in path.read_text()


def test_layers_shorten_the_model(tmp_path):
    path = tmp_path / "rows.jsonl"
    result = run("--device=cpu", "--shape=nano", "--layers=1", "--only=decode",
                 f"--json={path}")
    assert result.returncode == 0, result.stderr
    assert "; 1 layers" in path.read_text()


def test_an_unknown_part_is_named():
    result = run("--only=nothing")
    assert result.returncode == 2
    assert "nothing" in result.stderr


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="a GPU is here")
def test_without_a_gpu_it_says_so_in_one_line():
    result = run()
    assert result.returncode == 77
    assert result.stderr.count("\n") == 1
