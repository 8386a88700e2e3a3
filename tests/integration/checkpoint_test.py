"""Checkpoints as tools lay them out, in a real server on the CPU."""

import json
import os
import resource
import shutil
import subprocess

import pytest

import layouts
from harness import BIN, depth, pb, read, serving

LFS_POINTER = ("version https://git-lfs.github.com/spec/v1\n"
               "oid sha256:" + 64 * "0" + "\nsize 29200000000\n")


def depth_of(server):
    """The bytes of a depth map: they tell the weights."""
    with server.stub() as stub:
        events, _ = read(stub.EstimateDepth(depth(2, seed=3)))
    return b"".join(event.map.data for event in events
                    if event.HasField("map"))


def model_of(server):
    with server.stub() as stub:
        return stub.GetModel(pb.GetModelRequest())


def files_of(server):
    """Path -> tensors, as GetModel has them and the log."""
    files = {file.path: file.tensors for file in model_of(server).files}
    (ready,) = [line for line in map(json.loads, server.errors().splitlines())
                if line["msg"] == "ready"]
    assert {file["path"]: file["tensors"] for file in ready["files"]} == files
    return files


def serving_of(*folders, flags=()):
    return serving("--checkpoint=" + ",".join(map(str, folders)),
                   "--log_format=json", *flags)


def refusal(*folders, flags=(), environment=None):
    """What the server says that cannot start with these: one line."""
    done = subprocess.run(
        [BIN / "cooper_server", "--device=cpu", "--listen=127.0.0.1:0",
         "--metrics_listen=127.0.0.1:0",
         "--checkpoint=" + ",".join(map(str, folders)), *flags],
        text=True, capture_output=True, timeout=60, check=False,
        env={**os.environ, **(environment or {})})
    said = [line for line in done.stderr.splitlines()
            if " listening " not in line]
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert len(said) == 1, done.stderr
    assert said[0].startswith("cooper_server: ")
    return said[0]


@pytest.fixture(scope="module", name="nano")
def fixture_nano():
    """A depth map of the nano checkpoint."""
    with serving_of(layouts.NANO) as server:
        assert files_of(server) == {
            str(layouts.NANO / "ema.safetensors"): 167,
            str(layouts.NANO / "ae.safetensors"): 176}
        return depth_of(server)


@pytest.fixture(scope="module", name="tensors")
def fixture_tensors():
    return layouts.read_tensors(layouts.NANO / "ema.safetensors")


def tuned(tensors):
    """Other weights of the same shapes: the language model's, halved."""
    return {name: (dtype, shape, bytes(len(data)))
            if name.startswith("llm2vae.weight") else (dtype, shape, data)
            for name, (dtype, shape, data) in tensors.items()}


def test_the_cache_of_the_hub(tmp_path, nano, tensors):
    folder = layouts.copy_nano(tmp_path / "x", without=["ema.safetensors"])
    layouts.write_shards(folder, "ema", tensors, 3)
    snapshot = layouts.to_hub_cache(folder, tmp_path / "models--a--b")
    with serving_of(snapshot, flags=["--check_weights"]) as server:
        assert sum(files_of(server).values()) == 167 + 176
        assert len(files_of(server)) == 4
        assert depth_of(server) == nano
    said = refusal(tmp_path / "models--a--b")
    assert str(snapshot) in said


def test_the_layout_of_the_public_bagel(tmp_path, nano):
    folder = layouts.bagel_of_the_hub(tmp_path / "BAGEL-7B-MoT")
    layouts.note_download(folder)
    with serving_of(folder, flags=["--check_weights"]) as server:
        assert files_of(server) == {str(folder / "ema.safetensors"): 167,
                                    str(folder / "ae.safetensors"): 176}
        assert "is taken" not in server.errors()
        assert depth_of(server) == nano


# The fine-tune as supervised training saves it and as reinforcement learning
# does, in one file and in shards; training leaves out what it has frozen.
@pytest.mark.parametrize("name", ["ema", "model"])
@pytest.mark.parametrize("shards", [0, 3])
@pytest.mark.parametrize("with_index_of_bagel", [False, True])
def test_the_layout_of_the_public_fine_tune(
        tmp_path, nano, tensors, name, shards, with_index_of_bagel):
    base = layouts.bagel_of_the_hub(tmp_path / "BAGEL-7B-MoT")
    tune = tmp_path / "COOPER"
    tune.mkdir()
    if with_index_of_bagel:
        shutil.copy(base / "model.safetensors.index.json", tune)
    own = {key: tensor for key, tensor in tuned(tensors).items()
           if not key.startswith("vit_model.")}
    if shards:
        layouts.write_shards(tune, name, own, shards)
    else:
        layouts.write_tensors(tune / f"{name}.safetensors", own)
    for file in ("README.md", ".gitattributes", "config.json"):
        shutil.copy(base / file, tune)
    (tune / "training_args.bin").write_bytes(b"PK\x03\x04")
    layouts.note_download(base)
    layouts.note_download(tune)
    with serving_of(base, tune, flags=["--check_weights"]) as server:
        files = files_of(server)
        assert sum(count for path, count in files.items()
                   if path.startswith(str(tune))) == len(own)
        assert files[str(base / "ema.safetensors")] == 167 - len(own)
        assert files[str(base / "ae.safetensors")] == 176
        assert depth_of(server) != nano


def test_a_base_without_its_weights_serves_a_complete_fine_tune(
        tmp_path, nano, tensors):
    base = layouts.bagel_of_the_hub(tmp_path / "BAGEL-7B-MoT")
    (base / "ema.safetensors").unlink()  # hf download --exclude
    tune = tmp_path / "COOPER"
    tune.mkdir()
    layouts.write_tensors(tune / "ema.safetensors", tensors)
    with serving_of(base, tune) as server:
        assert files_of(server) == {str(tune / "ema.safetensors"): 167,
                                    str(base / "ae.safetensors"): 176}
        assert depth_of(server) == nano
    layouts.write_tensors(
        tune / "ema.safetensors",
        {key: tensor for key, tensor in tensors.items()
         if not key.startswith("vit_model.")})
    assert "vit_model.vision_model." in refusal(base, tune)


def test_what_a_newcomer_gets_wrong_is_one_line(tmp_path, tensors):
    base = layouts.bagel_of_the_hub(tmp_path / "models" / "BAGEL-7B-MoT")
    tune = tmp_path / "models" / "COOPER"
    tune.mkdir()
    layouts.write_tensors(tune / "ema.safetensors", tensors)
    assert f", but in {base}" in refusal(tmp_path / "models")
    assert f"--checkpoint=BASE,{tune}" in refusal(tune)
    assert "separated by a comma" in refusal(f"{base}:{tune}")
    assert "Git LFS" not in refusal(base / "ema.safetensors")
    with serving("--log_format=json",
                 f"--checkpoint={base}, {tune}") as server:
        assert str(tune / "ema.safetensors") in files_of(server)
    with serving_of(tune, base) as server:
        assert "though" in server.errors()
        assert str(tune / "ema.safetensors") in files_of(server)
    (base / "ema.safetensors").unlink()
    assert 'shard "ema.safetensors"' in refusal(base)
    (base / "ema.safetensors").write_bytes(bytes(1 << 16))
    assert "its download is not complete" in refusal(base)


def test_a_download_that_is_not_complete_is_named(tmp_path, tensors):
    folder = layouts.copy_nano(tmp_path / "x", without=["ema.safetensors"])
    notes = folder / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    (notes / "0a.0b.incomplete").write_bytes(b"x")
    said = refusal(folder)
    assert f"a download is not complete: {notes}/0a.0b.incomplete" in said
    layouts.write_shards(folder, "model", tensors, 4)
    for i in (2, 3):
        (folder / f"model-{i:05}-of-00004.safetensors").unlink()
    said = refusal(folder)
    assert "model-00002-of-00004.safetensors\" and 1 more of 4" in said
    assert "0a.0b.incomplete" in said


def test_a_volume_of_kubernetes(tmp_path, nano):
    folder = layouts.copy_nano(tmp_path / "x")
    layouts.write_sums(folder)
    (tmp_path / "volume").mkdir()
    volume = layouts.to_volume(folder, tmp_path / "volume")
    with serving_of(volume, flags=["--check_weights"]) as server:
        assert depth_of(server) == nano
    (volume / "..data").unlink()
    assert "which does not exist" in refusal(volume)


def test_the_second_directory_wins(tmp_path, nano, tensors):
    tune = layouts.copy_nano(tmp_path / "tune", without=["ema.safetensors"])
    layouts.write_tensors(tune / "model.safetensors", tuned(tensors))
    with serving_of(layouts.NANO, tune) as server:
        assert files_of(server) == {str(tune / "model.safetensors"): 167,
                                    str(tune / "ae.safetensors"): 176}
        other = depth_of(server)
    assert other != nano
    with serving_of(tune, layouts.NANO) as server:
        assert depth_of(server) == nano


def test_the_base_gives_what_the_fine_tune_lacks(tmp_path, nano, tensors):
    base = layouts.copy_nano(tmp_path / "base", without=["ema.safetensors"])
    layouts.write_shards(base, "model", tensors, 2)
    tune = tmp_path / "tune"
    tune.mkdir()
    own = {name: tensor for name, tensor in tuned(tensors).items()
           if not name.startswith("vit_model.")}
    layouts.write_tensors(tune / "ema.safetensors", own)
    with serving_of(base, tune) as server:
        files = files_of(server)
        assert files[str(tune / "ema.safetensors")] == len(own)
        assert sum(files.values()) == 167 + 176
        assert depth_of(server) != nano


def test_model_before_ema_is_said(tmp_path, nano, tensors):
    folder = layouts.copy_nano(tmp_path / "x")
    layouts.write_tensors(folder / "model.safetensors", tuned(tensors))
    (folder / "added.safetensors").write_bytes(b"of no use")
    with serving_of(folder) as server:
        assert depth_of(server) != nano
        assert "model.safetensors is taken, not ema" in server.errors()


def test_an_index_without_shards_and_tables_that_are_absent(
        tmp_path, nano, tensors):
    folder = layouts.copy_nano(tmp_path / "x", without=["ema.safetensors"])
    layouts.write_shards(folder, "model", tensors, 2)
    for shard in folder.glob("model-*.safetensors"):
        shard.unlink()
    layouts.write_tensors(
        folder / "ema.safetensors",
        {name: tensor for name, tensor in tensors.items()
         if not name.endswith("pos_embed")})
    with serving_of(folder) as server:
        assert files_of(server)[str(folder / "ema.safetensors")] == 165
        assert depth_of(server) == nano
        assert "is computed" in server.errors()
    (folder / "ema.safetensors").unlink()
    assert "shard" in refusal(folder)


def test_tensors_left_over_are_listed(tmp_path, nano, tensors):
    folder = layouts.copy_nano(tmp_path / "x")
    last = "vit_model.vision_model.encoder.layers.2.layer_norm1.bias"
    layouts.write_tensors(folder / "ema.safetensors",
                          tensors | {last: ("BF16", [48], bytes(96))})
    with serving_of(folder) as server:
        assert depth_of(server) == nano
        assert f"1 tensors are not used: {last}" in server.errors()
    layouts.write_tensors(folder / "ema.safetensors",
                          tensors | {"head.bias": ("F32", [1], bytes(4))})
    assert "head.bias" in refusal(folder)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.",
                                    "language_model."])
def test_prefixed_names_are_one_line(tmp_path, tensors, prefix):
    folder = layouts.copy_nano(tmp_path / "x")
    layouts.write_tensors(
        folder / "ema.safetensors",
        {prefix + name: tensor for name, tensor in tensors.items()})
    said = refusal(folder)
    assert str(folder / "ema.safetensors") in said
    assert f'begin with "{prefix}"' in said


@pytest.mark.parametrize("name", ["ema.safetensors", "ae.safetensors",
                                  "llm_config.json", "vocab.json",
                                  "merges.txt"])
def test_a_git_lfs_pointer_is_named(tmp_path, name):
    folder = layouts.copy_nano(tmp_path / "x")
    (folder / name).write_text(LFS_POINTER)
    said = refusal(folder)
    assert str(folder / name) in said
    assert "a Git LFS pointer" in said and "29200000000 bytes" in said


def test_special_tokens_of_added_tokens_json(tmp_path, nano):
    folder = layouts.copy_nano(tmp_path / "x")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    added = {token["content"]: int(token_id) for token_id, token
             in config.pop("added_tokens_decoder").items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    said = refusal(folder)
    assert 'special token "<|im_start|>"' in said
    (folder / "added_tokens.json").write_text(json.dumps(added))
    with serving_of(folder) as server:
        assert depth_of(server) == nano
    (folder / "added_tokens.json").write_text(
        json.dumps(added | {"<|im_end|>": 2076}))
    assert "id must be an integer in [0, 2075]" in refusal(folder)


def test_special_tokens_of_the_configuration(tmp_path, nano):
    folder = layouts.copy_nano(tmp_path / "x")
    path = folder / "cooper_config.json"
    config = json.loads(path.read_text())
    special = {"bos": 2001, "eos": 2002, "soi": 2009, "eoi": 2010}
    path.write_text(json.dumps(config | {"special_tokens": special}))
    with serving_of(folder) as server:
        assert depth_of(server) == nano
    path.write_text(json.dumps(
        config | {"special_tokens": special | {"soi": 2010, "eoi": 2009}}))
    with serving_of(folder) as server:
        assert depth_of(server) != nano
    path.write_text(json.dumps(
        config | {"special_tokens": special | {"eos": 5}}))
    assert "5 is not an added token" in refusal(folder)
    path.write_text(json.dumps(config | {"text_vocab_size": 2002}))
    assert "no text would ever end" in refusal(folder)
    path.write_text(json.dumps(config | {"vit_drop_layers": 1}))
    assert "vit_drop_layers: unknown key" in refusal(folder)


def test_paths_that_are_no_checkpoint_are_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    assert "no such directory" in refusal(tmp_path / "none")
    assert "a file" in refusal(tmp_path / "file")
    assert "hf download Starrrrrry/COOPER" in refusal("Starrrrrry/COOPER")
    assert "$HOME" in refusal("~/models")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no file of a checkpoint" in refusal(layouts.NANO, empty)
    (empty / "adapter_model.safetensors").write_text("")
    assert "holds an adapter" in refusal(layouts.NANO, empty)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied_is_named(tmp_path):
    folder = layouts.copy_nano(tmp_path / "x")
    (folder / "ema.safetensors").chmod(0)
    assert "Permission denied" in refusal(folder)


def test_layers_and_merges_that_disagree(tmp_path):
    folder = layouts.copy_nano(tmp_path / "x")
    path = folder / "llm_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"num_hidden_layers": 3}))
    assert "holds 4 layers" in refusal(folder)
    path.write_text(json.dumps(config | {"vocab_size": 16000000}))
    assert "should be [16000000,96]" in refusal(folder)
    path.write_text(json.dumps(config))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    assert "merges.txt: merges: there are none" in refusal(folder)


def test_sizes_of_a_configuration_are_checked_before_they_are_allocated(tmp_path):
    folder = layouts.copy_nano(tmp_path / "x")
    path = folder / "llm_config.json"
    config = json.loads(path.read_text())
    for key, value, words in [
            ("hidden_size", 1 << 20, "should be [1048576]"),
            ("num_hidden_layers", 1024, "num_hidden_layers of llm_config.json is"
             " 1024")]:
        path.write_text(json.dumps(config | {key: value}))
        assert words in refusal(folder)
    # KiB of the largest child so far.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 << 20


@pytest.mark.skipif("COOPER_PROCESS_FAULTS" not in os.environ,
                    reason="no library that makes reads fail")
@pytest.mark.parametrize("name", ["ema.safetensors", "ae.safetensors"])
def test_a_read_error_names_the_file(tmp_path, name):
    folder = layouts.copy_nano(tmp_path / "x")
    said = refusal(folder, environment={
        "LD_PRELOAD": os.environ["COOPER_PROCESS_FAULTS"],
        "COOPER_READ_ERROR": str(folder / name)})
    assert str(folder / name) in said
    assert "Input/output error" in said


def test_check_weights_names_the_file_that_differs(tmp_path):
    folder = layouts.copy_nano(tmp_path / "x")
    check = ["--check_weights"]
    assert "no checksum" in refusal(folder, flags=check)
    layouts.write_sums(folder)
    with serving_of(folder, flags=check) as server:
        assert model_of(server).files
    path = folder / "ae.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    said = refusal(folder, flags=check)
    assert f"{path}: its SHA-256 is" in said and "SHA256SUMS" in said
    with serving_of(folder) as server:
        assert model_of(server).files
    sums = (folder / "SHA256SUMS").read_text()
    (folder / "SHA256SUMS").write_text("".join(
        line for line in sums.splitlines(True) if "ae.safe" not in line))
    assert "SHA256SUMS does not list it" in refusal(folder, flags=check)


def test_the_demo_has_its_checksums():
    with serving_of(layouts.DEMO, flags=["--check_weights"]) as server:
        assert len(files_of(server)) == 2
