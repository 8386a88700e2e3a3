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

import figure
import load
import picture
import servers

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
WARM_SECONDS = 8  # Rates need a few scrapes.


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


def draw(watch, out, start, seconds):
    board = json.loads((DEPLOY / "grafana/cooper.json").read_text())
    end = start + seconds
    drawn = picture.Picture(board, watch, start, end).draw(
        f"{seconds} s of load, {picture.taken_at(end)}")
    path = out / "dashboard.svg"
    figure.save(drawn, path)
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
    try:
        watch = servers.Prometheus(
            out / "prometheus", DEPLOY / "prometheus/rules/cooper.rules.yml",
            {"cooper": [(server.metrics_address, {"instance": "this one"})]})
        print(f"server      {server.address}\n"
              f"metrics     http://{server.metrics_address}/metrics\n"
              f"prometheus  {watch.url}\n"
              f"load        {WARM_SECONDS + options.seconds} s", flush=True)
        start = time.time() + WARM_SECONDS
        ends = load.run(options.bin / "cooper", server.address,
                        WARM_SECONDS + options.seconds)
        path = draw(watch, out, start, options.seconds)
        said = ", ".join(f"{count} {code}" for code, count in ends.most_common())
        print(f"calls       {said}\npicture     {path}", flush=True)
        if options.keep:
            input("both run until you press Enter ")
    finally:
        if watch is not None:
            watch.stop()
        status = server.stop()
    return status


if __name__ == "__main__":
    sys.exit(main())
