"""The API page has every public name and its programs run; so do those of the
READMEs."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import cooper_client
from conftest import ROOT

PAGE = ROOT / "docs/python.md"
SCENE = ROOT / "tests/data/scenes/000.png"


def test_every_public_name_is_on_the_page():
    text = PAGE.read_text()
    missing = [name for name in cooper_client.__all__
               if not re.search(rf"\b{name}\b", text)]
    assert missing == []
    for kind in (cooper_client.Client, cooper_client.Conversation,
                 cooper_client.Result, cooper_client.DepthMap,
                 cooper_client.LabelMap, cooper_client.Frame,
                 cooper_client.CooperError, cooper_client.RetryPolicy):
        names = [name for name in
                 {*vars(kind), *getattr(kind, "__annotations__", ())}
                 if not name.startswith("_")
                 and name not in ("read_for", "only_map")]
        missing = [f"{kind.__name__}.{name}" for name in names
                   if not re.search(rf"\b{name}\b", text)]
        assert missing == []


def test_every_public_name_has_a_docstring():
    for name in cooper_client.__all__:
        if name != "Event":
            assert getattr(cooper_client, name).__doc__, name
    for kind in (cooper_client.Client, cooper_client.aio.Client):
        for name, member in vars(kind).items():
            assert name.startswith("_") or member.__doc__, name


def programs(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(),
                      re.MULTILINE | re.DOTALL)


PAGES = {"docs/python.md": 5, "client/python/README.md": 1, "README.md": 1}


@pytest.mark.parametrize("page", PAGES)
def test_the_programs_of_a_page_run(page, server, tmp_path, monkeypatch):
    found = [p for p in programs(ROOT / page) if "cooper_client" in p]
    assert len(found) == PAGES[page]
    monkeypatch.chdir(tmp_path)
    shutil.copy(SCENE, "photo.jpg")
    for program in found:
        text = re.sub(r'"(localhost|127\.0\.0\.1):8001"', repr(server.address),
                      program)
        assert server.address in text
        text = text.replace('"tests/data/', f'"{ROOT}/tests/data/')
        exec(compile(text, page, "exec"), {"__name__": "__main__"})


def test_modules_are_short():
    for path in (ROOT / "client/python").rglob("*.py"):
        if not path.name.endswith("_pb2.py"):
            assert len(path.read_text().splitlines()) <= 250, path


def test_torch_and_opencv_are_never_imported():
    code = ("import sys, cooper_client; "
            "print({'torch', 'cv2'} & set(sys.modules))")
    said = subprocess.run([sys.executable, "-c", code], text=True, check=True,
                          capture_output=True,
                          env={"PYTHONPATH": str(pathlib.Path(
                              cooper_client.__file__).parents[1])}).stdout
    assert said.strip() == "set()"
