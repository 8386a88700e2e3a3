"""The examples, as a user runs them."""

import ast
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import cooper_client
from conftest import ROOT

EXAMPLES = ROOT / "examples/python"
SCENES = ROOT / "tests/data/scenes"


@pytest.fixture
def environment(server):
    return {**os.environ, "PYTHONPATH": str(ROOT / "client/python/src"),
            "COOPER_SERVER": server.address}


def run(environment, *arguments, code=0):
    done = subprocess.run([sys.executable, *map(str, arguments)], text=True,
                          env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_folder_of_frames(environment, server, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for name in ("000", "003"):
        shutil.copy(SCENES / f"{name}.png", frames)
    said = run(environment, EXAMPLES / "folder_of_frames.py", frames,
               tmp_path / "out", "--server", server.address,
               "--num_timesteps=3", "--fov=60")
    assert "000.png: 96x96" in said
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{name}{rest}" for name in ("000", "003")
        for rest in ("-depth.npy", "-depth.png", "-labels.npy", "-labels.png",
                     ".ply")]
    assert np.load(tmp_path / "out/000-depth.npy").shape == (96, 96)
    said = run(environment, EXAMPLES / "folder_of_frames.py", frames,
               tmp_path / "out", "--server", "127.0.0.1:1", code=1)
    assert said.startswith("error: UNAVAILABLE") and "Traceback" not in said


# Stands in for the parts of OpenCV that the example uses.
CV2 = '''
import numpy
CAP_PROP_FPS = 5
class VideoCapture:
    def __init__(self, source):
        self.source, self.left = source, 6
    def isOpened(self):
        return self.source != "missing.mp4"
    def get(self, _):
        return 60.0
    def read(self):
        self.left -= 1
        return self.left >= 0, numpy.zeros((48, 64, 3), numpy.uint8)
    def release(self):
        pass
'''


def test_webcam(environment, server, tmp_path):
    (tmp_path / "cv2.py").write_text(CV2)
    environment["PYTHONPATH"] += f":{tmp_path}"
    said = run(environment, EXAMPLES / "webcam.py", "--source=video.mp4", "--out",
               tmp_path / "out", "--server", server.address,
               "--num_timesteps=3")
    assert "frame 0," in said and "frame 5," in said
    assert (tmp_path / "out/000005.png").exists()
    said = run(environment, EXAMPLES / "webcam.py", "--source=missing.mp4", "--out",
               tmp_path / "out", "--server", server.address, code=1)
    assert said == "error: cannot open the video source missing.mp4\n"


def test_notebook(server, tmp_path, monkeypatch):
    monkeypatch.setenv("COOPER_SERVER", server.address)
    monkeypatch.setenv("COOPER_IMAGE", str(SCENES / "003.png"))
    monkeypatch.setenv("COOPER_PLY", str(tmp_path / "scene.ply"))
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text())
    names = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [] and cell["execution_count"] is None
        tree = ast.parse("".join(cell["source"]))
        last = tree.body[-1]
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"),
                              names))
    assert (tmp_path / "scene.ply").read_bytes().startswith(b"ply\n")
    kinds = {type(value) for value in shown}
    assert {cooper_client.Model, cooper_client.Result, cooper_client.DepthMap,
            cooper_client.LabelMap} <= kinds
