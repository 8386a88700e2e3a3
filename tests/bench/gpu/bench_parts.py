"""Runs gpu_bench part by part.

One process runs all parts, since loading the model costs seconds. A part that
fails ends the process; one that takes too long is ended. Then another process
goes on with the parts behind it.
"""

import json
import os
import signal
import subprocess
import time

# Seconds of each part at most, in the order of their worth.
LIMITS = {"rates": 40, "decode": 120, "vae": 60, "flow": 100, "prefill": 45,
          "memory": 90, "deterministic": 60, "products": 40, "attention": 60,
          "server": 90, "oom": 60, "load": 150}


def last_line(log):
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def read_lines(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


class Process:
    """A gpu_bench that runs `names`, and what it has said so far."""

    def __init__(self, run, names, number):
        self.run = run
        self.lines = run.out / f"bench-{number}.jsonl"
        self.lines.unlink(missing_ok=True)  # of an earlier run
        self.log = run.out / f"bench-{number}.log"
        self.read = 0  # characters of `lines`
        self.current, self.since = None, time.monotonic()
        self.done = []
        command = [run.bin / "gpu_bench", f"--device={run.options.device}",
                   f"--shape={run.options.shape}",
                   f"--layers={run.options.layers}", f"--scratch={run.scratch}",
                   f"--only={','.join(names)}", f"--json={self.lines}"]
        for flag, rate in run.rates.items():
            command.append(f"--{flag}={rate}")
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, env=run.environment,
                start_new_session=True)

    def take_lines(self):
        """Takes whole lines that are new; a part's end ends it."""
        if not self.lines.exists():
            return
        text = self.lines.read_text()
        end = text.rfind("\n") + 1
        for line in map(json.loads, text[self.read:end].splitlines()):
            self.run.results.add_line(line)
            if "rate" in line:
                self.run.rates[line["rate"]] = line["value"]
            elif line.get("state") == "begin":
                self.current, self.since = line["part"], time.monotonic()
            elif line.get("state") == "end":
                self.done.append(line["part"])
                self.run.results.end_part(line["part"], True, line["seconds"])
                print(f"   {line['part']}: passed ({line['seconds']:.0f} s)",
                      flush=True)
                self.current, self.since = None, time.monotonic()
        if end > self.read:
            self.run.results.write()
        self.read = end

    def wait(self):
        """Returns why it ended early, or an empty text."""
        while True:
            code = self.process.poll()
            self.take_lines()
            if code == 0:
                return ""
            if code is not None:
                return last_line(self.log) or f"exit code {code}"
            limit = LIMITS.get(self.current, 60)
            if self.run.left() < 2:
                reason = "the budget is spent"
            elif time.monotonic() - self.since > limit:
                reason = f"took more than {limit} s"
            else:
                time.sleep(0.1)
                continue
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.take_lines()
            return reason


def run(run):
    """All parts that run.options.only names, or all."""
    only = run.options.only
    names = [name for name in LIMITS if not only or name in only]
    if names and "rates" not in names:
        names.insert(0, "rates")
    run.rates = {}
    number = 0
    while names and run.left() > 5:
        number += 1
        print(f"== gpu_bench: {', '.join(names)}", flush=True)
        process = Process(run, names, number)
        reason = process.wait()
        failed = process.current or next(
            (name for name in names if name not in process.done), None)
        names = [name for name in names if name not in process.done]
        if not reason:
            break
        if failed is None:  # all parts were done, and yet it ended badly
            run.results.end_part("gpu_bench's end", False, 0, reason)
            break
        names.remove(failed)
        run.results.end_part(failed, False, time.monotonic() - process.since,
                             reason)
        print(f"   {failed}: {reason}", flush=True)
        if failed == "rates":  # nothing to hold the others against
            break
    for name in names:
        run.results.end_part(name, None, 0, "not begun")
