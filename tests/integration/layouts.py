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


# What the hub's BAGEL-7B-MoT holds and the server has no use for.
UNUSED_OF_BAGEL = {
    ".gitattributes": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
    "README.md": "---\nlicense: apache-2.0\n---\n",
    "config.json": json.dumps({"model_type": "bagel"}),
    "generation_config.json": json.dumps({"do_sample": True}),
    "preprocessor_config.json": json.dumps({"image_mean": [0.5, 0.5, 0.5]}),
}
BAGEL = {*UNUSED_OF_BAGEL, "ae.safetensors", "ema.safetensors",
         "llm_config.json", "merges.txt", "model.safetensors.index.json",
         "tokenizer.json", "tokenizer_config.json", "vit_config.json",
         "vocab.json"}


def write_fast_tokenizer(folder):
    """tokenizer.json of what vocab.json, merges.txt and so on say."""
    added = json.loads((folder / "tokenizer_config.json").read_text())[
        "added_tokens_decoder"]
    merges = (folder / "merges.txt").read_text().splitlines()
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0",
        "added_tokens": [{"id": int(token_id), **token}
                         for token_id, token in added.items()],
        "normalizer": {"type": "NFC"},
        "model": {"type": "BPE",
                  "vocab": json.loads((folder / "vocab.json").read_text()),
                  "merges": [line for line in merges
                             if line and not line.startswith("#")]}}))


def bagel_of_the_hub(folder):
    """The nano checkpoint with the file names of ByteDance-Seed/BAGEL-7B-MoT,
    its index of every file included. Only the values that the 7B model has by
    default, cooper_config.json, are not the hub's."""
    copy_nano(folder)
    for name, text in UNUSED_OF_BAGEL.items():
        (folder / name).write_text(text)
    write_fast_tokenizer(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({
        "metadata": {}, "weight_map": {
            tensor: file for file in ("ema.safetensors", "ae.safetensors")
            for tensor in read_tensors(folder / file)}}))
    assert {file.name for file in folder.iterdir()} == BAGEL | {
        "cooper_config.json"}
    return folder


def note_download(folder):
    """What `hf download --local-dir` notes of a folder's files."""
    notes = folder / ".cache/huggingface/download"
    files = [file for file in folder.iterdir() if file.is_file()]
    notes.mkdir(parents=True)
    for file in files:
        large = file.suffix == ".safetensors"
        digest = (hashlib.sha256 if large else hashlib.sha1)(file.read_bytes())
        (notes / f"{file.name}.metadata").write_text(
            f"{40 * 'c'}\n{digest.hexdigest()}\n1764273600.0\n")
    return folder
