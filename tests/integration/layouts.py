"""Checkpoints of the nano shape, laid out as tools lay them out."""

import hashlib
import json
import os
import pathlib
import shutil
import struct

from harness import ROOT

NANO = ROOT / "tests/data/goldens/nano"
DEMO = ROOT / "model/demo/checkpoint"


def read_tensors(path):
    """Name -> (dtype, shape, bytes), in the file's order."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    return {name: (entry["dtype"], entry["shape"],
                   data[8 + length + entry["data_offsets"][0]:
                        8 + length + entry["data_offsets"][1]])
            for name, entry in header.items() if name != "__metadata__"}


def write_tensors(path, tensors):
    """A safetensors file."""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            out.write(data)


def copy_nano(folder, without=()):
    """The nano checkpoint's files, but those named."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in NANO.iterdir():
        if file.name not in without:
            shutil.copy(file, folder)
    return folder


def write_shards(folder, stem, tensors, count):
    """`count` shards and their index."""
    names = sorted(tensors)
    weight_map = {}
    for i in range(count):
        shard = f"{stem}-{i + 1:05}-of-{count:05}.safetensors"
        own = names[i::count]
        write_tensors(folder / shard, {name: tensors[name] for name in own})
        weight_map.update(dict.fromkeys(own, shard))
    (folder / f"{stem}.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map}))


def to_hub_cache(folder, cache):
    """Moves a folder's files into a hub cache; its snapshot of links."""
    blobs = cache / "blobs"
    snapshot = cache / "snapshots" / "0123abcd"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in folder.iterdir():
        blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(
            pathlib.Path("..", "..", "blobs", blob.name))
    return snapshot


def to_volume(folder, volume):
    """A folder's files as Kubernetes projects them."""
    data = volume / "..2026_11_27"
    shutil.copytree(folder, data)
    (volume / "..data").symlink_to(data.name)
    for file in data.iterdir():
        (volume / file.name).symlink_to(pathlib.Path("..data", file.name))
    return volume


def write_sums(folder):
    """SHA256SUMS of a folder's files."""
    names = sorted(name for name in os.listdir(folder) if name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names))
