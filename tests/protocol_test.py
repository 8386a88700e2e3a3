"""The protocol stays compatible with the released one (proto/released.binpb)."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATH = os.pathsep.join([str(ROOT / ".tools/node_modules/.bin"),
                        os.environ.get("PATH", "")])
BUF = shutil.which("buf", path=PATH)

pytestmark = pytest.mark.skipif(BUF is None, reason="buf is not installed")


def breaking(folder):
    """What `buf breaking` says of the protocol in a folder; empty: nothing."""
    done = subprocess.run(
        [BUF, "breaking", ".", "--path", "cooper", "--against",
         "released.binpb"], cwd=folder, text=True, capture_output=True,
        env={**os.environ, "PATH": PATH}, check=False)
    assert done.returncode in (0, 100), done.stderr
    return done.stdout


def test_the_protocol_breaks_no_client():
    assert breaking(ROOT / "proto") == ""


@pytest.mark.parametrize("before, after", [
    ("double total_ms = 10;", "double total_ms = 14;"),
    ("Finished finished = 6;", "Finished done = 6;"),
    ("  MODE_TEXT_ONLY = 2;\n", ""),
    ("returns (stream Event);\n  // Generates the depth",
     "returns (Event);\n  // Generates the depth"),
])
def test_a_breaking_change_is_found(tmp_path, before, after):
    folder = tmp_path / "proto"
    shutil.copytree(ROOT / "proto", folder)
    file = folder / "cooper/v1/spatial_reasoning.proto"
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))
    assert breaking(folder) != ""


def test_a_new_field_breaks_nothing(tmp_path):
    folder = tmp_path / "proto"
    shutil.copytree(ROOT / "proto", folder)
    file = folder / "cooper/v1/spatial_reasoning.proto"
    text = file.read_text()
    file.write_text(text.replace("  double image_ms = 13;\n",
                                 "  double image_ms = 13;\n"
                                 "  double new_ms = 14;\n"))
    assert breaking(folder) == ""
