"""Load on a server, by processes of `cooper bench`."""

import collections
import json
import pathlib
import subprocess
import tempfile
import time

SCENES = pathlib.Path(__file__).resolve().parents[2] / "tests/data/scenes"
# A day in short, with a rush: (begin, end, requests a second), the first two as
# parts of the run. Rates of parts that overlap add up.
DAY = [(0, 1, 2), (0.2, 0.9, 3), (0.35, 0.75, 5), (0.45, 0.6, 50)]
ORDINARY = ["--mix=ask=5,depth=1,segment=1"]
# Requests that end otherwise, each kind once a second all the time; besides
# them, maps of an image that is cut off.
CANCELLED = ["--mix=ask", "--cancel_share=1", "--cancel_within=100ms"]
LATE = ["--mix=depth", "--deadline=20ms"]


def start(cooper, address, *flags):
    """A process of `cooper bench` about the scenes in tests/data."""
    images = sorted(map(str, SCENES.glob("[0-9][0-9][0-9].png")))
    questions = [json.loads(line)["question"]
                 for line in (SCENES / "questions.jsonl").open()]
    return subprocess.Popen(
        [cooper, "bench", f"--server={address}", "--image=" + ",".join(images),
         "--question=" + "|".join(questions[:8]), *flags, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process):
    """What a process of `start` measured, once it has ended: its JSON."""
    out, errors = process.communicate()
    if not out:
        raise RuntimeError(f"cooper bench: {process.returncode}\n{errors}")
    return json.loads(out)


def run(cooper, address, seconds, day=None, flags=()):
    """Puts load on a server for some seconds, at the rates of `day` (DAY), with
    more flags for `cooper bench`. Returns how many requests ended with each
    code."""
    parts = [(begin, end, [f"--rate={rate}", *ORDINARY])
             for begin, end, rate in day or DAY]
    with tempfile.TemporaryDirectory() as folder:
        broken = pathlib.Path(folder, "broken.png")
        scene = (SCENES / "003.png").read_bytes()
        broken.write_bytes(scene[:len(scene) // 2])
        parts += [(0, 1, ["--rate=1", *kind]) for kind in (
            CANCELLED, LATE, ["--mix=depth", f"--image={broken}"])]
        begun, running = time.monotonic(), []
        ends = collections.Counter()
        try:
            for begin, end, kind in sorted(parts):
                time.sleep(max(0, begun + begin * seconds - time.monotonic()))
                running.append(start(cooper, address, *kind, *flags,
                                     f"--seed={len(running)}",
                                     f"--duration={(end - begin) * seconds}s"))
            for process in running:
                counts = result(process)["all"]
                ends.update(OK=counts["ok"], CANCELLED=counts["cancelled"])
                for error in counts["errors"]:
                    ends[error["code"]] += error["count"]
        finally:
            for process in running:
                process.kill()
    return +ends
