"""Includes go one way: each folder may include only the folders named here.

CMake cannot say this, since all headers share one include directory.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

ENGINE_CORE = {"server/engine/core", "model", "model/image", "base"}
ENGINE = ENGINE_CORE | {
    "server/engine", "server/engine/program", "server/engine/memory",
    "server/engine/schedule", "server/engine/execution"}
SERVICES = ENGINE | {"server/metrics", "server/tracing", "server/security",
                     "proto"}

# Folder -> the other folders that it may include. A folder without an entry of
# its own belongs to the nearest folder above it that has one.
ALLOWED = {
    "base": set(),
    "model": {"model/image", "base"},
    "model/image": {"model", "base"},
    "model/tokenizer": {"model/checkpoint", "model", "base"},
    "model/checkpoint": {"model", "model/image", "base"},
    "model/fake": {"model", "model/image", "base"},
    "model/cuda": {"base"},
    "model/torch/cpu": {"model/torch", "model", "base"},
    "model/torch/vision": {"model/torch", "model/checkpoint", "model/image",
                           "model", "base"},
    "model/torch": {"model/torch/cpu", "model/torch/vision", "model/cuda",
                    "model/checkpoint", "model/tokenizer", "model/image",
                    "model", "base"},
    "server/engine/core": ENGINE_CORE,
    "server/engine/program": ENGINE_CORE,
    "server/engine/memory": ENGINE_CORE,
    "server/engine/schedule": ENGINE_CORE | {"server/engine/memory"},
    "server/engine/execution":
        ENGINE - {"server/engine"} | {"server/metrics", "server/tracing"},
    "server/engine": ENGINE | {"server/metrics", "server/tracing"},
    "server/metrics": {"server/engine/core", "base"},
    "server/tracing": {"server/engine/core", "base"},
    "server/security": {"base"},
    "server/rpc": SERVICES,
    # The protocols share the machinery of a call: deadline, trace, accounting.
    "server/kserve": SERVICES | {"server/rpc"},
    "server": SERVICES | {"server/rpc", "server/kserve", "model/torch"},
    "client": {"proto", "base"},
    "client/report": {"client", "proto", "base"},
    "client/bench": {"client", "proto", "base"},
    "client/cli": {"client", "client/bench", "client/report", "proto", "base"},
}

# Headers of a library -> the folders that may see them.
LIBRARIES = {
    r"(ATen|c10|torch)/": {"model/torch", "model/torch/cpu",
                           "model/torch/vision"},
    r"opencv2/": {"model/image"},
    r"grpc(pp)?/": {"server/rpc", "server/kserve", "server/security", "server",
                    "client", "client/bench", "client/cli"},
    r"prometheus/": {"server/metrics", "server"},
}

INCLUDE = re.compile(r'^#include ([<"])([^>"]+)[>"]', re.MULTILINE)
GENERATED = re.compile(r"\.pb\.h$")
# How the public headers of client/ (client/include) are included.
PUBLIC_CLIENT = "cooper/client/"


def folder_of(path):
    """The folder of ALLOWED that a file or header belongs to, or None."""
    for folder in path.parents:
        if str(folder) in ALLOWED:
            return str(folder)
    return None


def breaches(path, text):
    """What breaks the rules in the file `path` (relative) with this text."""
    folder = folder_of(path)
    found = []
    for quote, header in INCLUDE.findall(text):
        for pattern, users in LIBRARIES.items():
            if re.match(pattern, header) and not GENERATED.search(header) \
                    and folder not in users:
                found.append(f"{path}: {folder} must not include <{header}>")
        if quote == "<":
            continue
        if GENERATED.search(header):
            target = "proto"
        elif header.startswith(PUBLIC_CLIENT):
            target = "client"
        else:
            target = folder_of(pathlib.PurePosixPath(header))
        if target not in (None, folder) and target not in ALLOWED[folder]:
            found.append(f'{path}: {folder} must not include "{header}"')
    return found


def sources():
    for top in ("base", "model", "server", "client"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".h", ".cc", ".cu", ".cuh"):
                yield path


def test_every_include_follows_the_arrows():
    found = []
    for path in sources():
        found += breaches(path.relative_to(ROOT), path.read_text())
    assert found == []


def test_only_named_pairs_of_folders_include_each_other():
    both = {frozenset((folder, other)) for folder, others in ALLOWED.items()
            for other in others if folder != other and
            folder in ALLOWED.get(other, ())}
    # The interface speaks of images, and their resizing follows its options;
    # the network and its layers are apart for their size alone.
    assert both == {frozenset(("model", "model/image")),
                    frozenset(("model/torch", "model/torch/cpu")),
                    frozenset(("model/torch", "model/torch/vision"))}


@pytest.mark.parametrize("path, line", [
    ("base/clock.cc", '#include "model/options.h"'),
    ("model/noise.cc", '#include "server/engine/core/request.h"'),
    ("server/engine/core/error.h", '#include "server/metrics/series.h"'),
    ("server/engine/program/tags.cc",
     '#include "server/engine/schedule/scheduler.h"'),
    ("server/engine/memory/kv_ledger.h",
     '#include "server/engine/execution/execution.h"'),
    ("server/engine/schedule/scheduler.h",
     '#include "server/engine/engine_loop.h"'),
    ("server/metrics/series.cc", '#include "server/engine/engine.h"'),
    ("server/engine/engine.cc", '#include "server/rpc/status.h"'),
    ("server/engine/engine.cc", "#include <grpcpp/grpcpp.h>"),
    ("server/engine/engine.cc",
     '#include "cooper/v1/spatial_reasoning.pb.h"'),
    ("server/rpc/status.h", '#include "server/kserve/inference_call.h"'),
    ("client/client.cc", '#include "server/engine/core/request.h"'),
    ("client/include/cooper/client/event.h",
     '#include "server/engine/core/request.h"'),
    ("server/rpc/status.cc", '#include "cooper/client/error.h"'),
    ("model/fake/fake_model.cc", "#include <ATen/core/Tensor.h>"),
    ("server/rpc/service.cc", "#include <opencv2/core.hpp>"),
])
def test_a_breach_is_found(path, line):
    assert len(breaches(pathlib.PurePosixPath(path), line + "\n")) == 1


def test_what_is_allowed_is_no_breach():
    text = ('#include "server/engine/core/error.h"\n'
            '#include "base/clock.h"\n#include <vector>\n')
    assert breaches(pathlib.PurePosixPath("server/rpc/status.cc"), text) == []
