#!/usr/bin/env python3
"""Starts a server and a Prometheus, runs a load, and draws the dashboard.

Called by scripts/observe, which explains the arguments.
"""

import argparse
import json
import pathlib
import shutil
import sys
import time

import load
import picture
import servers

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
WARM_SECONDS = 8  # Rates need a few scrapes.
# Callers at each tenth of the run: a day in short, with a rush.
DAY = [2, 4, 6, 10, 24, 36, 24, 10, 6, 3]


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--program", default="cooper_server",
                        help="server in --bin")
    parser.add_argument("--keep", action="store_true",
                        help="leave both running until Enter is pressed")
    return parser.parse_known_args()


def day(calls, seconds):
    """Callers come and go."""
    for number, callers in enumerate(DAY):
        calls.set_callers(callers)
        print(f"\r  {number * 10:3d} %  {callers:2d} callers ", end="",
              file=sys.stderr, flush=True)
        time.sleep(seconds / len(DAY))
    print("\r  100 %              ", file=sys.stderr)


def draw(watch, out, start, subtitle):
    board = json.loads((DEPLOY / "grafana/cooper.json").read_text())
    end = time.time() - 1
    svg = picture.Picture(board, watch, start, end).svg(
        f"{subtitle}, {picture.taken_at(end)}")
    path = out / "dashboard.svg"
    path.write_text(svg)
    return path


def main():
    options, server_flags = arguments()
    out = options.out.resolve()
    # What an earlier run has seen would be drawn too.
    shutil.rmtree(out / "prometheus", ignore_errors=True)
    (out / "prometheus").mkdir(parents=True)
    server = servers.CooperServer(
        options.bin / options.program, "--max_running=8", "--max_queue=16",
        *server_flags)
    watch = None
    calls = load.Load(server.address)
    try:
        watch = servers.Prometheus(
            out / "prometheus", DEPLOY / "prometheus/rules/cooper.rules.yml",
            {"cooper": [(server.metrics_address, {"instance": "this one"})]})
        print(f"server      {server.address}\n"
              f"metrics     http://{server.metrics_address}/metrics\n"
              f"prometheus  {watch.url}", flush=True)
        calls.set_callers(DAY[0])
        time.sleep(WARM_SECONDS)
        start = time.time()
        day(calls, options.seconds)
        path = draw(watch, out, start, f"{options.seconds} s of load")
        calls.stop()
        ends = ", ".join(f"{count} {code}"
                         for code, count in calls.ends.most_common())
        print(f"calls       {ends}\npicture     {path}", flush=True)
        if options.keep:
            input("both run until you press Enter ")
    finally:
        calls.stop()
        if watch is not None:
            watch.stop()
        status = server.stop()
    return status


if __name__ == "__main__":
    sys.exit(main())
