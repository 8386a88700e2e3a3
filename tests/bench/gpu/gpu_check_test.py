"""gpu-check's runner over programs that are made up."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE))
import bench_parts  # noqa: E402
import gpu_table  # noqa: E402

ROW = {"part": "decode", "name": "a step", "conditions": "28 layers",
       "value": 4.2, "unit": "ms", "floor": 3.5, "ratio": 1.2, "goal": 1.25,
       "at_least": False, "ok": True}


def script(path, body):
    path.write_text(f"#!{sys.executable}\nimport json, sys, time\n"
                    + textwrap.dedent(body))
    path.chmod(0o755)


# Says of itself what the real one does; parts in HANG and CRASH go wrong.
BENCH = """
flags = dict(a.lstrip('-').split('=', 1) for a in sys.argv[1:])
HANG, CRASH = {hang!r}, {crash!r}
out = open(flags['json'], 'a', buffering=1)
say = lambda **line: out.write(json.dumps(line) + '\\n')
say(fact='gpu', value='Imaginary 1')
names = flags['only'].split(',')
for name in names:
    if name == 'facts': continue
    say(part=name, state='begin')
    if name == HANG: time.sleep(600)
    if name == CRASH: print('it broke', file=sys.stderr); sys.exit(1)
    if name == 'rates':
        say(rate='copy_rate', value=1e12); say(rate='product_rate', value=1e14)
    elif flags.get('copy_rate') and 'rates' in names:
        sys.exit('rates were measured twice')
    say(part=name, name=name + ' row', conditions='', value=1.5, unit='ms',
        floor=1.0, ratio=1.5, goal=1.25, at_least=False, ok=False)
    say(part=name, state='end', seconds=0.1)
if CRASH == 'the end' and names != ['facts']: sys.exit(3)
"""
GOLDEN = """
print('ok   vit/base   3 comparisons  largest error 2.00e-06 of 5.0e-05 allowed (x)')
print('golden_check: {passed} passed, {failed} failed in 1.0 s (cuda:0, float32)')
sys.exit({failed} > 0)
"""
SERVER = """
import signal
print('2026 info ready grpc="127.0.0.1:3" model="demo"', flush=True)
print('cooper_server ready grpc=127.0.0.1:1 metrics=127.0.0.1:2', flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True: time.sleep(1)
"""
COOPER = """
if '--server=127.0.0.1:1' not in sys.argv: sys.exit('no such server')
print(json.dumps({{'text_delta': {{'text': {said!r}}}}}))
print(json.dumps({{'finished': {{'boxed': 'left'}}}}))
"""


class Archive:
    """An unpacked archive of made-up programs beside a made-up torch."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("bin", "lib", "share/scenes", "torch/lib"):
            (folder / name).mkdir(parents=True)
        (folder / "VERSION").write_text("Torch 2.11.0+cu130\nCUDA 13.0\n")
        (folder / "torch/version.py").write_text(
            "__version__ = '2.11.1+cu130'\ncuda = '13.0'\n")
        (folder / "share/scenes/questions.jsonl").write_text(json.dumps(
            {"image": "a.png", "question": "Left?"}) + "\n")
        (folder / "share/answers.json").write_text(json.dumps(
            [{"image": "a.png", "question": "Left?", "texts": ["Yes."],
              "boxed": "left"}]))
        self.bench()
        self.programs()

    def bench(self, hang=None, crash=None):
        script(self.folder / "bin/gpu_bench",
               BENCH.format(hang=hang, crash=crash))

    def programs(self, failed=0, said="Yes."):
        script(self.folder / "bin/golden_check",
               GOLDEN.format(passed=76 - failed, failed=failed))
        script(self.folder / "bin/cooper_server", SERVER)
        script(self.folder / "bin/cooper", COOPER.format(said=said))

    def run(self, out, *flags, **environment):
        return subprocess.run(
            [ROOT / "scripts/gpu-check", "run", "--out", out, "--device=cpu",
             "--archive", self.folder, "--torch", self.folder / "torch",
             *flags], capture_output=True, text=True, check=False, timeout=100,
            env={**os.environ, **environment})


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


def document(out):
    return json.loads((out / "results.json").read_text())


def states(out):
    return {part["name"]: part["state"] for part in document(out)["parts"]}


def test_all_parts_pass(archive, tmp_path):
    out = tmp_path / "out"
    result = archive.run(out)
    assert result.returncode == 0, result.stdout + result.stderr
    results = document(out)
    assert results["gpu"] == "Imaginary 1"
    assert results["torch"] == "2.11.1+cu130"
    assert set(states(out).values()) == {"passed"}
    parts = 3 + len(bench_parts.LIMITS)
    assert len(results["parts"]) == parts
    names = [row["name"] for row in results["rows"]]
    assert len(names) == len(set(names))
    table = (out / "table.txt").read_text()
    assert "decode row" in table and "MISSED" in table
    assert f"{parts} parts passed, 0 failed, 0 left out" in table
    assert "| decode row |" in (out / "table.md").read_text()


def test_a_part_that_fails_does_not_stop_the_next(archive, tmp_path):
    archive.bench(crash="vae")
    archive.programs(failed=2, said="No.")
    out = tmp_path / "out"
    assert archive.run(out).returncode == 1
    found = states(out)
    assert {name for name, state in found.items() if state == "failed"} == {
        "goldens in float32", "goldens in bfloat16", "demo", "vae"}
    assert found["flow"] == found["load"] == "passed"
    reasons = {part["name"]: part["reason"]
               for part in document(out)["parts"]}
    assert reasons["vae"] == "it broke"
    assert "differs" in reasons["demo"]


def test_a_part_that_hangs_is_ended_and_the_budget_is_kept(archive, tmp_path):
    archive.bench(hang="flow")
    out = tmp_path / "out"
    result = archive.run(out, "--budget=15", "--only=decode,flow,load")
    assert result.returncode == 1
    assert states(out) == {"rates": "passed", "decode": "passed",
                           "flow": "failed", "load": "left out"}
    assert "the budget is spent" in result.stdout


def test_without_rates_nothing_is_measured(archive, tmp_path):
    archive.bench(crash="rates")
    out = tmp_path / "out"
    assert archive.run(out, "--only=decode").returncode == 1
    assert states(out) == {"rates": "failed", "decode": "left out"}


def test_a_bad_end_behind_the_last_part_is_a_failure(archive, tmp_path):
    archive.bench(crash="the end")
    out = tmp_path / "out"
    assert archive.run(out, "--only=decode").returncode == 1
    assert states(out)["gpu_bench's end"] == "failed"


def test_another_torch_is_one_line(archive, tmp_path):
    (archive.folder / "torch/version.py").write_text(
        "__version__ = '2.13.0+cu130'\n")
    result = archive.run(tmp_path / "out")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "2.11.0+cu130" in result.stderr and "2.13.0+cu130" in result.stderr


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="a GPU is here")
def test_without_a_gpu_it_is_code_77_and_one_line(tmp_path):
    result = subprocess.run(
        [ROOT / "scripts/gpu-check", "run", "--out", tmp_path / "out"],
        capture_output=True, text=True, check=False)
    assert result.returncode == 77
    assert result.stderr.count("\n") == 1 and not result.stdout
    assert not (tmp_path / "out").exists()


def test_the_table_groups_rows_and_judges_goals(tmp_path):
    results = gpu_table.Results(tmp_path)
    results.add_line({"fact": "gpu", "value": "Imaginary 1"})
    results.add_line(ROW)
    results.add_line({**ROW, "name": "another", "ok": False, "ratio": 1.5})
    results.add_line({"part": "decode", "name": "idle", "skipped": "no CUPTI"})
    results.add_row("goldens", "goldens: passed", 75, "of 76", goal=76,
                    at_least=True)
    results.end_part("decode", True, 1.0)
    text = (tmp_path / "table.txt").read_text()
    assert text.count("-- decode: 28 layers") == 1
    assert "skipped: no CUPTI" in text
    assert "1 goals met, 2 missed" in text
    assert not results.rows[-1]["ok"]
    assert json.loads((tmp_path / "results.json").read_text())["rows"][0] == ROW


@pytest.mark.parametrize("value, text", [
    (0, "0"), (3.14159, "3.142"), (0.00012345, "0.000123"), (1234.5, "1234"),
    (123456.7, "123457"), (4.3e12, "4.3e+12")])
def test_numbers_are_readable(value, text):
    assert gpu_table.number(value) == text
