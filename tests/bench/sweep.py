"""Puts load on a server with the demo checkpoint and keeps what it shows.

    sweep.py --bin DIR --out FILE

Closed loop with 1 to 16 callers, then open loop up to the rate that the closed
one reached. Half of the requests are questions, half depth maps.
"""

import argparse
import json
import pathlib
import re
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]
                       / "deploy/observe"))
# pylint: disable=wrong-import-position
import load  # noqa: E402
import servers  # noqa: E402

CALLERS = (1, 2, 4, 8, 16)
RATES = (0.25, 0.5, 0.75, 0.95)  # of the highest throughput
SUM = re.compile(
    r'^cooper_phase_duration_seconds_sum\{phase="(\w+)"[^}]*\} (\S+)', re.M)
ENDED = re.compile(r"^cooper_requests_total\{[^}]*\} (\S+)", re.M)


def work(server):
    """Requests ended so far, and seconds of work by phase."""
    with urllib.request.urlopen(
            f"http://{server.metrics_address}/metrics") as page:
        text = page.read().decode()
    return (sum(map(float, ENDED.findall(text))),
            {phase: float(value) for phase, value in SUM.findall(text)})


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    options = parser.parse_args(arguments)
    server = servers.CooperServer(options.bin / "cooper_server")

    def measure(seconds, flag):
        return load.result(load.start(
            options.bin / "cooper", server.address, "--mix=ask=1,depth=1",
            "--warmup=1s", f"--duration={seconds}s", flag))

    closed, opened = [], []
    try:
        measure(1, "--concurrency=4")
        for callers in CALLERS:
            ended_before, before = work(server)
            result = measure(options.seconds, f"--concurrency={callers}")
            ended, after = work(server)
            result["ended"] = ended - ended_before
            result["phases"] = {phase: after[phase] - before.get(phase, 0.0)
                                for phase in after}
            closed.append(result)
        highest = max(result["throughput"]["requests_per_second"]
                      for result in closed)
        for share in RATES:
            opened.append(measure(options.seconds,
                                  f"--rate={highest * share:.2f}"))
    finally:
        server.stop()
    options.out.write_text(json.dumps({"closed": closed, "open": opened}))


if __name__ == "__main__":
    main(sys.argv[1:])
