"""What a short question waits beside long requests, as a table in Markdown.

    neighbours.py --bin DIR [--requests N]

The server has the demo checkpoint with 65,536 positions in place of 4,096, so
that it takes the longest prompt. One caller asks short questions one after the
other: alone, and beside another client's prompts of 64 KB, beside another
client's maps, and beside requests with eight images of its own. Exit code 1:
the median or the 90th percentile of the time to the first text is more than a
second above that of the same caller alone, measured before and after.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy/observe"))
# pylint: disable=wrong-import-position
import load  # noqa: E402
import servers  # noqa: E402

MOST = 1.0  # s more than alone
SETTLE = 3  # s, in which the neighbours' requests begin
POSITIONS = 65536
PROMPT_BYTES = 65000
HEAD = ["beside", "p50", "p90", "longest", "p50 more than alone",
        "p90 more than alone", "neighbours' requests, p50"]
SHORT = ["--mix=text_only", "--max_think_tokens=4", "--concurrency=1"]


def checkpoint(folder):
    """The demo checkpoint with room for long prompts."""
    shutil.copytree(ROOT / "model/demo/checkpoint", folder,
                    ignore=shutil.ignore_patterns("SHA256SUMS"))
    path = folder / "llm_config.json"
    config = json.loads(path.read_text())
    config["max_position_embeddings"] = POSITIONS
    path.write_text(json.dumps(config))
    return folder


def workload(path, number, **request):
    """A file of so many requests, no two of which begin alike."""
    with path.open("w") as file:
        for i in range(number):
            question = f"{i} {request['question']}"
            file.write(json.dumps({**request, "question": question}) + "\n")
    return f"--workload={path}"


class Callers:
    """Callers of one server, as the clients of two tokens."""

    def __init__(self, cooper, address, folder):
        self.cooper, self.address, self.folder = cooper, address, folder

    def start(self, client, *flags):
        return load.start(self.cooper, self.address,
                          f"--auth_token_file={self.folder / client}", *flags)

    def short(self, requests):
        """Seconds to the first text of short questions of client "a"."""
        result = load.result(self.start("a", f"--requests={requests}", *SHORT))
        assert not result["all"]["errors"], result["all"]["errors"]
        return result["all"]["measures"]["first_text_seconds"]

    def beside(self, requests, client, *flags):
        """The same beside a neighbour, and the neighbour's measures."""
        neighbour = self.start(client, "--duration=1h", *flags)
        try:
            time.sleep(SETTLE)
            short = self.short(requests)
        finally:
            neighbour.send_signal(2)
            other = load.result(neighbour)
        return short, other["all"]["measures"]["request_seconds"]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--requests", type=int, default=60)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for client in "ab":
            (folder / client).write_text(f"token-of-{client}\n")
        tokens = folder / "tokens"
        tokens.write_text("token-of-a\ntoken-of-b\n")
        server = servers.CooperServer(
            options.bin / "cooper_server",
            f"--checkpoint={checkpoint(folder / 'checkpoint')}",
            f"--auth_token_file={tokens}", "--max_running=64", "--prefix_cache_mib=0")
        try:
            callers = Callers(options.bin / "cooper", server.address, folder)
            return measure(callers, options.requests, folder)
        finally:
            server.stop()


def measure(callers, requests, folder):
    scenes = 8 * sorted(map(str, load.SCENES.glob("[0-9][0-9][0-9].png")))
    neighbours = {
        "prompts of 64 KB of another client": ("b", workload(
            folder / "prompts", 1000, method="text_only", image=[],
            question="where is the red box " * (PROMPT_BYTES // 21),
            options={"max_think_tokens": 4}), "--concurrency=2"),
        "16 maps of another client": ("b", "--mix=depth", "--concurrency=16"),
        "8 requests with 8 images each of the same client": ("a", workload(
            folder / "images", 1000, method="ask", image=scenes[:8],
            question="where is the red box", options={}), "--concurrency=8"),
    }
    callers.short(requests)  # for warmth
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    passed = True
    for name, neighbour in neighbours.items():
        before = callers.short(requests)
        short, other = callers.beside(requests, *neighbour)
        after = callers.short(requests)
        more = [short[p] - max(before[p], after[p]) for p in ("p50", "p90")]
        passed &= max(more) <= MOST
        cells = [name, *(f"{short[p]:.2f} s" for p in ("p50", "p90", "max")),
                 *(f"{seconds:.2f} s" for seconds in more),
                 f"{other['count']}, {other.get('p50', 0):.1f} s"]
        print("| " + " | ".join(cells) + " |", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
