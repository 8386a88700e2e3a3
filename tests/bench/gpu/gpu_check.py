"""Runs the archive of `gpu-check bundle` on a GPU (see scripts/gpu-check).

Needs Python's standard library only, and the folder of an installed torch,
whose libraries the programs load.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import bench_parts
import demo_answers
import gpu_table
from gpu_host import NO_GPU, check_version, find_torch, stop, unpack, why_no_gpu


class Run:
    """One run: the archive, the device, the time that is left."""

    def __init__(self, options, archive, torch, scratch):
        self.options = options
        self.scratch = scratch
        self.bin = archive / "bin"
        self.share = archive / "share"
        self.out = options.out
        self.deadline = options.start + options.budget
        self.results = gpu_table.Results(options.out)
        # For the programs alone: the archive's libraries would reach python
        # and others too, and the host's own CUDA would shadow the wheel's.
        # The host's folders come last: some hosts name the driver's there.
        folders = [archive / "lib", torch / "lib",
                   *sorted(torch.parent.glob("nvidia/*/lib")),
                   *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        self.environment = {
            **os.environ, "KINETO_LOG_LEVEL": "5",
            "LD_LIBRARY_PATH": ":".join(str(folder) for folder in folders)}

    def left(self):
        return self.deadline - time.monotonic()

    def part(self, name, limit, work):
        """Runs `work(seconds, log)`, which returns None or what failed."""
        seconds = min(limit, self.left() - 2)
        if seconds < 5:
            self.results.end_part(name, None, 0, "the budget is spent")
            return
        print(f"== {name}", flush=True)
        start = time.monotonic()
        log = self.out / f"{name.replace(' ', '-')}.log"
        try:
            reason = work(seconds, log)
        except subprocess.TimeoutExpired:
            reason = f"took more than {seconds:.0f} s"
        except (OSError, ValueError, demo_answers.Failed) as error:
            reason = str(error)
        took = time.monotonic() - start
        self.results.end_part(name, not reason, took, reason or "")
        print(f"   {name}: {reason or 'passed'} ({took:.0f} s)", flush=True)

    def call(self, command, seconds, log, environment=None):
        """Exit code of a program whose output goes to `log`."""
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
                env=environment or self.environment, start_new_session=True)
            try:
                return process.wait(seconds)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def goldens(self, dtype):
        def work(seconds, log):
            code = self.call(
                [self.bin / "golden_check", f"--device={self.options.device}",
                 f"--dtype={dtype}",
                 f"--checkpoint={self.share / 'goldens/nano'}",
                 f"--goldens={self.share / 'goldens/cases'}"], seconds, log)
            text = log.read_text(errors="replace")
            counts = re.search(r"golden_check: (\d+) passed, (\d+) failed",
                               text)
            if not counts:
                return bench_parts.last_line(log) or f"exit code {code}"
            passed, failed = int(counts.group(1)), int(counts.group(2))
            name = f"goldens in {dtype}"
            self.results.add_row(name, f"{name}: passed", passed,
                                 f"of {passed + failed}",
                                 goal=passed + failed, at_least=True)
            errors = [(float(error) / float(allowed), case)
                      for case, error, allowed in re.findall(
                          r"^\w+ +(\S+) .*largest error (\S+) of (\S+) allowed",
                          text, re.MULTILINE)]
            if errors:
                worst, case = max(errors)
                self.results.add_row(name, f"{name}: largest error, of allowed",
                                     worst, "ratio", conditions=case, goal=1.0)
            return None if code == 0 else f"{failed} cases failed, see {log}"
        self.part(f"goldens in {dtype}", 60, work)

    def demo(self):
        def work(seconds, log):
            # Server and clients end with it where this takes too long.
            code = self.call(
                [sys.executable, demo_answers.__file__, f"--bin={self.bin}",
                 f"--scenes={self.share / 'scenes'}",
                 f"--device={self.options.device}",
                 f"--libraries={self.environment['LD_LIBRARY_PATH']}",
                 f"--out={self.out / 'demo-answers.json'}"], seconds, log,
                os.environ)
            if code != 0:
                return bench_parts.last_line(log) or f"exit code {code}"
            return self.compare_demo()
        self.part("demo", 90, work)

    def compare_demo(self):
        here, there = (json.loads(path.read_text()) for path in (
            self.out / "demo-answers.json", self.share / "answers.json"))
        for what in ("texts", "boxed"):
            same = sum(a[what] == b[what] for a, b in zip(here, there))
            self.results.add_row(
                "demo", f"demo answers equal to the CPU's: {what}", same,
                f"of {len(there)}", conditions="float32, greedy",
                goal=len(there), at_least=True)
        if here == there:
            return None
        return "an answer differs from the CPU's, see demo-answers.json"

    def everything(self):
        if not self.options.only or "goldens" in self.options.only:
            self.goldens("float32")
            self.goldens("bfloat16")
        if not self.options.only or "demo" in self.options.only:
            self.demo()
        bench_parts.run(self)


def facts(run):
    """What gpu_bench says of the device; ends the program without one."""
    log = run.out / "facts.log"
    lines = run.out / "facts.jsonl"
    lines.unlink(missing_ok=True)
    seconds = 120  # the first to read torch's libraries from the disk
    try:
        code = run.call([run.bin / "gpu_bench",
                         f"--device={run.options.device}",
                         f"--shape={run.options.shape}", "--only=facts",
                         f"--json={lines}"], seconds, log)
    except subprocess.TimeoutExpired:
        stop(2, f"gpu_bench did not start within {seconds} s")
    if code != 0:  # also a GPU that the driver has and CUDA cannot use
        stop(2, bench_parts.last_line(log) or f"gpu_bench: exit code {code}")
    for line in bench_parts.read_lines(lines):
        run.results.add_line(line)
    if shutil.which("nvidia-smi"):  # clocks, driver, other processes
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.call(["nvidia-smi", "-q"], 20, run.out / "nvidia-smi.log",
                     os.environ)


def arguments():
    parser = argparse.ArgumentParser(
        prog="gpu-check run", description="Checks and measures on a GPU.")
    parser.add_argument("--out", type=pathlib.Path, required=True,
                        help="folder for logs, results.json, table.txt")
    parser.add_argument("--archive", type=pathlib.Path,
                        help="what gpu-check bundle made; default: the folder "
                        "of this script, else build/gpu-check.tar.xz")
    parser.add_argument("--torch", type=pathlib.Path,
                        help="folder of the torch package (python3's)")
    parser.add_argument("--budget", type=float, default=540,
                        help="seconds of all together (540)")
    parser.add_argument("--layers", type=int, default=0,
                        help="layers of the 7B shape (28)")
    parser.add_argument("--device", default="cuda:0", help="cuda:N, or cpu to "
                        "try this program")
    parser.add_argument("--shape", default="7b", help="7b, small or nano")
    parser.add_argument("--only", type=lambda text: text.split(","),
                        default=[], help="goldens, demo, " +
                        ", ".join(bench_parts.LIMITS))
    return parser.parse_args()


def main(here):
    options = arguments()
    options.start = time.monotonic()
    if options.device != "cpu" and (reason := why_no_gpu()):
        stop(NO_GPU, reason)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as temporary:
        temporary = pathlib.Path(temporary)
        archive = here
        if options.archive or not (here / "VERSION").exists():
            packed = (options.archive or
                      here.parents[1] / "build/gpu-check.tar.xz")
            if not packed.exists():
                stop(2, f"there is no {packed}; gpu-check bundle makes it")
            archive = (packed if packed.is_dir() else
                       unpack(packed, temporary / "archive"))
        torch = find_torch(options.torch).resolve()
        version = check_version(archive, torch)
        options.out = options.out.resolve()
        options.out.mkdir(parents=True, exist_ok=True)
        run = Run(options, archive.resolve(), torch, temporary)
        run.results.facts["torch"] = version
        facts(run)
        run.everything()
        print(run.results.text(), flush=True)
        return 0 if run.results.passed() else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(__file__).resolve().parent.parent))
