"""Overload on a server with the demo checkpoint, as a table in Markdown.

    overload.py --bin DIR [--seconds N] [--rounds N] [--loads 2,5]
                [--deadlines 0,3,5,10]

Half of the requests are questions, half depth maps. Goodput is what ended well
and in time, a second. Exit code 1: it fell under 90 % of the peak, which is
what 16 callers of a closed loop get. The two are measured in turns, so that
they see the same machine, and the median of the rounds counts.
"""

import argparse
import collections
import json
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]
                       / "deploy/observe"))
# pylint: disable=wrong-import-position
import load  # noqa: E402
import servers  # noqa: E402

LEAST = 0.9
WARMUP = 3  # s; the queue fills meanwhile
HEAD = ["load", "deadline", "peak", "goodput", "of the peak",
        "refused: no time, queue full", "late", "p50, p99 of what was done"]


def numbers(text):
    return [float(number) for number in text.split(",")]


def measure(options, address, seconds, *flags):
    """What `cooper bench` measured: goodput, its JSON, the samples."""
    with tempfile.NamedTemporaryFile("r") as samples:
        result = load.result(load.start(
            options.bin / "cooper", address, "--mix=ask=1,depth=1",
            f"--warmup={WARMUP}s", f"--duration={seconds}s",
            f"--samples={samples.name}", *flags))
        lines = [json.loads(line) for line in samples]
    ends = [line["end_seconds"] for line in lines if line["outcome"] == "ok"]
    inside = sum(WARMUP <= end < WARMUP + seconds for end in ends)
    return inside / seconds, result


def row(times, deadline, peak, goodput, results):
    """A line of the table. Percentiles are the last round's."""
    reasons, requests = collections.Counter(), 0
    for result in results:
        requests += result["all"]["requests"]
        for error in result["all"]["errors"]:
            # Without a reason it is the caller's own deadline.
            reasons[error["reason"] or "DEADLINE"] += error["count"]
    request = results[-1]["all"]["measures"]["request_seconds"]
    cells = [f"{times:g}x", f"{deadline:g} s" if deadline else "none",
             f"{peak:.1f}/s", f"{goodput:.1f}/s", f"{goodput / peak:.0%}",
             f"{reasons['DEADLINE_TOO_SHORT']}, {reasons['QUEUE_FULL']}",
             f"{reasons['DEADLINE']} of {requests}",
             f"{request['p50']:.1f}, {request['p99']:.1f} s"]
    return "| " + " | ".join(cells) + " |"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=6, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loads", type=numbers, default=[2, 5])
    parser.add_argument("--deadlines", type=numbers, default=[0, 3, 5, 10],
                        help="s; 0: none")
    options = parser.parse_args(arguments)
    server = servers.CooperServer(options.bin / "cooper_server")

    def peak():
        return measure(options, server.address, options.seconds,
                       "--concurrency=16")[0]

    least = float("inf")
    try:
        peak()  # for warmth
        print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
        for times in options.loads:
            for deadline in options.deadlines:
                peaks, goodputs, results = [], [], []
                for _ in range(options.rounds):
                    peaks.append(peak())
                    flags = [f"--rate={times * peaks[-1]:.2f}",
                             "--max_outstanding=1024"]
                    if deadline:
                        flags.append(f"--deadline={deadline}s")
                    goodput, result = measure(options, server.address,
                                              options.seconds, *flags)
                    goodputs.append(goodput)
                    results.append(result)
                peaks.append(peak())
                middle = statistics.median(peaks)
                goodput = statistics.median(goodputs)
                print(row(times, deadline, middle, goodput, results),
                      flush=True)
                least = min(least, goodput / middle)
    finally:
        server.stop()
    return 0 if least >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
