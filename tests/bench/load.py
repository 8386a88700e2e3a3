"""Puts load on a server with the demo checkpoint and keeps what it shows.

    load.py --bin DIR --out FILE

Closed loop with 1 to 16 callers, then open loop up to the rate that the closed
one reached. Half of the requests are questions, half depth maps.
"""

import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENES = ROOT / "tests/data/scenes"
CALLERS = (1, 2, 4, 8, 16)
RATES = (0.25, 0.5, 0.75, 0.95)  # of the highest throughput
READY = re.compile(r"cooper_server ready grpc=(\S+) metrics=(\S+) ")
SUM = re.compile(
    r'^cooper_phase_duration_seconds_sum\{phase="(\w+)"[^}]*\} (\S+)', re.M)
ENDED = re.compile(r"^cooper_requests_total\{[^}]*\} (\S+)", re.M)


class Server:
    """A cooper_server process that is ready."""

    def __init__(self, binary):
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [binary, "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=self._log, text=True)
        for line in self._process.stdout:
            ready = READY.match(line)
            if ready:
                self.address, self._metrics = ready.groups()
                return
        self._log.seek(0)
        sys.exit(f"the server did not start:\n{self._log.read().decode()}")

    def work(self):
        """Requests ended so far, and seconds of work by phase."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics") as page:
            text = page.read().decode()
        return (sum(map(float, ENDED.findall(text))),
                {phase: float(value) for phase, value in SUM.findall(text)})

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def run_load(binary, address, seconds, *flags):
    """What `cooper bench` measured."""
    images = sorted(SCENES.glob("[0-9][0-9][0-9].png"))
    questions = [json.loads(line)["question"]
                 for line in (SCENES / "questions.jsonl").open()]
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        ran = subprocess.run(
            [binary, "bench", f"--server={address}", "--mix=ask=1,depth=1",
             "--image=" + ",".join(map(str, images)),
             "--question=" + "|".join(questions[:8]), "--warmup=1s",
             f"--duration={seconds}s", *flags, "--json", result.name],
            check=False, capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit(f"cooper bench: exit code {ran.returncode}\n{ran.stderr}")
        return json.load(result)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    options = parser.parse_args(arguments)
    server = Server(options.bin / "cooper_server")
    tool = options.bin / "cooper"
    closed, opened = [], []
    try:
        run_load(tool, server.address, 1, "--concurrency=4")
        for callers in CALLERS:
            ended_before, before = server.work()
            result = run_load(tool, server.address, options.seconds,
                              f"--concurrency={callers}")
            ended, after = server.work()
            result["ended"] = ended - ended_before
            result["phases"] = {phase: after[phase] - before.get(phase, 0.0)
                                for phase in after}
            closed.append(result)
        highest = max(result["throughput"]["requests_per_second"]
                      for result in closed)
        for share in RATES:
            opened.append(run_load(tool, server.address, options.seconds,
                                   f"--rate={highest * share:.2f}"))
    finally:
        server.stop()
    options.out.write_text(json.dumps({"closed": closed, "open": opened}))


if __name__ == "__main__":
    main(sys.argv[1:])
