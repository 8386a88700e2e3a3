"""The demo checkpoint's greedy answers to questions about the demo scenes.

    demo_answers.py --bin DIR --scenes DIR --out FILE

Starts the server, asks the first question about each scene as a client does,
and writes the texts. gpu-check compares them with those of the CPU.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time


class Failed(Exception):
    """One line for the reader."""


def questions(scenes):
    first = {}
    for line in (scenes / "questions.jsonl").read_text().splitlines():
        row = json.loads(line)
        first.setdefault(row["image"], row["question"])
    return list(first.items())


def start_server(binaries, flags, environment, log):
    """The process and its address, once it is ready."""
    with open(log, "wb") as output:
        server = subprocess.Popen(
            [binaries / "cooper_server", "--listen=127.0.0.1:0",
             "--metrics_listen=127.0.0.1:0", *flags],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=environment)
    while server.poll() is None:
        ready = re.search(r"^cooper_server ready grpc=(\S+)",
                          log.read_text(errors="replace"), re.MULTILINE)
        if ready:
            return server, ready.group(1)
        time.sleep(0.05)
    lines = log.read_text(errors="replace").strip().splitlines() or ["no line"]
    raise Failed(f"cooper_server ended with {server.returncode}: {lines[-1]}")


def texts_of(events):
    """What the model wrote, turn by turn, and its boxed answer."""
    texts, boxed = {}, None
    for line in events.splitlines():
        event = json.loads(line)
        if "text_delta" in event:
            delta = event["text_delta"]
            turn = delta.get("turn", 0)
            texts[turn] = texts.get(turn, "") + delta["text"]
        boxed = event.get("finished", {}).get("boxed", boxed)
    return [texts[turn] for turn in sorted(texts)], boxed


def ask_all(binaries, scenes, flags, environment, log):
    """[{"image", "question", "texts", "boxed"}]; raises Failed."""
    server, address = start_server(binaries, flags, environment, log)
    answers = []
    try:
        for image, question in questions(scenes):
            asked = subprocess.run(
                [binaries / "cooper", "ask", scenes / image, question,
                 "--json", "--seed=1", f"--server={address}"],
                env=environment, capture_output=True, text=True, check=False)
            if asked.returncode != 0:
                raise Failed(f"cooper ask {image}: {asked.stderr.strip()}")
            texts, boxed = texts_of(asked.stdout)
            answers.append({"image": image, "question": question,
                            "texts": texts, "boxed": boxed})
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--scenes", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--libraries", help="LD_LIBRARY_PATH of the programs")
    options = parser.parse_args()
    environment = dict(os.environ)
    if options.libraries:
        environment["LD_LIBRARY_PATH"] = options.libraries
    try:
        answers = ask_all(options.bin, options.scenes,
                          [f"--device={options.device}", "--dtype=float32"],
                          environment, options.out.with_suffix(".log"))
    except Failed as error:
        sys.exit(f"demo_answers: {error}")
    options.out.write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
