"""A soak: servers under seeded chaos for a given time, and whether all that must
hold still holds. scripts/soak runs it; docs/reliability.md has results.

    soak.py --bin DIR [--minutes N] [--seed S] [--model script|demo]
            [--plant leak|lost_event|stall] [--out DIR]

Chaos comes in rounds with a rest after each, in which the accounting identity,
memory, threads and descriptors are looked at; the first round is the warm-up
that the others are compared with. Exit code 1: a check failed.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse(arguments):
    parser = argparse.ArgumentParser("soak")
    parser.add_argument("--bin", default=str(ROOT / "build/release/bin"))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", choices=["script", "demo"], default="script")
    parser.add_argument("--plant", choices=["leak", "lost_event", "stall"],
                        help="a fault that the soak must find, and fails of")
    parser.add_argument("--out", type=pathlib.Path,
                        help="folder of the report and the servers' logs")
    parser.add_argument("--round", type=float, default=120,
                        help="seconds of chaos before each rest")
    parser.add_argument("--settle", type=float, default=8,
                        help="seconds of a rest before memory is read")
    parser.add_argument("--stall_bound", type=float, default=20,
                        help="seconds without an event that are a stall")
    parser.add_argument("--callers", type=int, default=5)
    parser.add_argument("--catalogue", type=int, default=24,
                        help="different requests")
    parser.add_argument("--without", default="", help="actors to leave out, "
                        "comma-separated")
    parser.add_argument("--calm", type=float, default=1,
                        help="factor of all pauses between two acts")
    options = parser.parse_args(arguments)
    if options.model == "demo" and options.plant in ("leak", "stall"):
        parser.error(f"--plant={options.plant}: only the scripted model has it")
    return options


def write_scripts(options, folder):
    """The scripted model's file, script.json, and planted.json: that of the
    first server, with what is planted."""
    made = json.loads((ROOT / "tests/data/fake/integration.json").read_text())
    made["kv_capacity_tokens"] = 200_000
    made["vae_rule"]["max_size"] = 256
    made["delays_us"] |= {"append": 2000, "decode": 1500, "flow_layer": 800}
    (folder / "script.json").write_text(json.dumps(made))
    if options.plant == "leak":
        # The shorter, the more.
        leak = int(max(16, min(2048, 256 / options.minutes)))
        made["faults"] = [{"call": "append", "effect": "leak",
                           "leak_kib": leak}]
    elif options.plant == "stall":
        made["faults"] = [{"call": "decode", "effect": "stall", "nth": 300,
                           "stall_us": int(1.6e6 * options.stall_bound)}]
    (folder / "planted.json").write_text(json.dumps(made))


def main():
    options = parse(sys.argv[1:])
    folder = options.out or pathlib.Path(tempfile.mkdtemp(prefix="cooper-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "files").mkdir(exist_ok=True)
    write_scripts(options, folder)
    os.environ["COOPER_BIN"] = options.bin
    os.environ["COOPER_SERVER_ARGS"] = (
        f"--script={folder}/script.json" if options.model == "script"
        else "--device=cpu --dtype=float32 --threads=1")
    sys.path[:0] = [str(ROOT / "tests/integration")]
    # The harness reads the variables above as it is loaded.
    from rounds import Soak  # pylint: disable=import-outside-toplevel

    interrupted = threading.Event()

    def interrupt(*_):
        if interrupted.is_set():
            raise KeyboardInterrupt
        print("interrupted: the rest of the checks follow", flush=True)
        interrupted.set()

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers end too
    soak = Soak(options, folder, interrupted)
    began = time.monotonic()
    try:
        soak.run()
    finally:
        soak.kill()
    report = soak.report(time.monotonic() - began)
    print(report)
    (folder / "report.md").write_text(report + "\n")
    return 1 if soak.ledger.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
