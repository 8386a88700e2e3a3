"""Asks a server the demo's first question; exit status 0 if a map was drawn and
an answer boxed.

    ask.py HOST:PORT
"""

import json
import pathlib
import sys

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
# pylint: disable=wrong-import-position
from harness import pb, pb_grpc  # noqa: E402

SCENES = ROOT / "tests/data/scenes"


def main(address):
    first = json.loads(
        (SCENES / "questions.jsonl").read_text().splitlines()[0])
    request = pb.ReasonRequest(seed=1, inputs=[
        pb.Input(image=(SCENES / first["image"]).read_bytes()),
        pb.Input(text=first["question"])])
    maps, boxed = 0, ""
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        for event in stub.Reason(request, timeout=120):
            maps += event.HasField("map_started")
            if event.HasField("finished"):
                boxed = event.finished.boxed
    print(f"{first['question']} -> {maps} maps, {boxed or 'no answer'}")
    return 0 if maps and boxed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
