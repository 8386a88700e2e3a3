"""The clients against a real server with the scripted model."""

import asyncio
import concurrent.futures
import json
import time

import numpy as np
import PIL.Image
import pytest

import cooper_client
from cooper_client import FinishReason, MapRole, TextChannel, spectral
from conftest import ROOT
from harness import serving

SCENE = ROOT / "tests/data/scenes/000.png"
QUESTION = "Which one is nearer?"


def test_depth(client):
    seen = []
    depth = client.depth(SCENE, num_timesteps=4, seed=3, on_event=seen.append,
                         preview_every=1, request_id="mine")
    array = np.asarray(depth)
    assert array.shape == (96, 96) and array.dtype == np.float32
    assert 0 <= array.min() < array.max() <= 1
    assert (depth.seed, depth.request_id) == (3, "mine")
    assert depth.usage.denoise_steps == 3
    progress = [e for e in seen if isinstance(e, cooper_client.MapProgress)]
    assert [p.step for p in progress] == [1, 2, 3]
    assert progress[0].preview.startswith(b"\x89PNG")
    again = client.depth(SCENE, num_timesteps=4, seed=3,
                         depth_encoding="png_grey16", roles="values")
    assert np.asarray(again).dtype == np.uint16
    assert abs(again.relative - array).max() <= 1 / 65535
    # Coloured here as by the server.
    assert abs(again.display.astype(int) - depth.display).max() <= 2
    assert (spectral.colour(array).shape) == (96, 96, 3)


@pytest.mark.parametrize("form", ["bytes", "pil", "rgb", "bgr", "torch"])
def test_the_form_of_an_image_changes_nothing(client, form):
    rgb = np.asarray(PIL.Image.open(SCENE).convert("RGB"))
    if form == "torch":
        torch = pytest.importorskip("torch", exc_type=ImportError)
        image = torch.from_numpy(rgb.copy()).permute(2, 0, 1)
    else:
        image = {"bytes": SCENE.read_bytes(), "pil": PIL.Image.open(SCENE),
                 "rgb": rgb, "bgr": rgb[:, :, ::-1]}[form]
    options = {"num_timesteps": 2, "seed": 1}
    expected = np.asarray(client.depth(SCENE, **options))
    found = client.depth(image, bgr=form == "bgr", **options)
    assert (np.asarray(found) == expected).all()


def test_a_map_of_several_messages(tmp_path):
    """float32 at 1024 x 1024 is 4 MiB, more than one message holds."""
    script = json.loads((ROOT / "tests/data/fake/integration.json").read_text())
    script["vae_rule"]["max_size"] = 1024
    (tmp_path / "script.json").write_text(json.dumps(script))
    image = np.zeros((1024, 1024, 3), np.uint8)
    with serving(f"--script={tmp_path}/script.json") as server:
        with cooper_client.Client(server.address) as client:
            events = []
            depth = client.depth(image, num_timesteps=2, seed=1,
                                 on_event=events.append)
            grey = client.depth(image, num_timesteps=2, seed=1,
                                depth_encoding="png_grey16")
    assert depth.shape == (1024, 1024)
    assert abs(depth.relative - grey.relative).max() <= 1 / 65535
    sizes = [len(e.data) for e in events
             if isinstance(e, cooper_client.MapResult) and e.role == "values"]
    assert sizes == [4 << 20]


def test_threads_share_a_client(client):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        maps = list(pool.map(lambda seed: client.depth(
            SCENE, num_timesteps=3, seed=seed), range(8)))
    assert [m.seed for m in maps] == list(range(8))


def test_segment(client):
    labels = client.segment(SCENE, num_timesteps=3)
    array = np.asarray(labels)
    assert array.shape == (96, 96) and array.dtype == np.uint16
    assert labels.regions and labels.regions[0].label == 1
    for region in labels.regions:
        left, top, right, bottom = region.box
        assert labels.mask(region)[top:bottom, left:right].sum() == pytest.approx(
            region.area, rel=0.2)


def test_generate(client):
    image = client.generate("a red sphere", width=128, height=96,
                            num_timesteps=3)
    assert np.asarray(image).shape == (96, 128, 3)
    assert image.kind == "image"
    edited = client.generate("make it blue", SCENE, num_timesteps=3)
    assert np.asarray(edited).shape == (96, 96, 3)


def test_reason(client):
    stream = client.reason(SCENE, QUESTION, num_timesteps=3, seed=1)
    events = list(stream)
    assert isinstance(events[0], cooper_client.Started)
    assert isinstance(events[-1], cooper_client.Finished)
    result = stream.result()
    assert result.answer == r"The left one. \boxed{left}"
    assert result.boxed == "left" and result.reason == FinishReason.ANSWERED
    assert [m.kind for m in result.maps] == ["depth"]
    assert result.depth.results.keys() == {MapRole.VALUES, MapRole.DISPLAY}
    assert result.depth.usage == result.usage
    assert result.segmentation is None
    assert "distances" in result.thoughts and "nearer" in result.thoughts
    channels = [t.channel for t in result.texts]
    assert TextChannel.PERCEPTION_REQUEST in channels
    page = result._repr_html_()
    assert page.count("data:image/png;base64,") == 1
    assert "The left one." in page and "look at the distances" in page


def test_both_maps_and_modes(client):
    result = client.reason([SCENE, SCENE], "both maps", num_timesteps=3).result()
    assert [m.kind for m in result.maps] == ["depth", "segmentation"]
    assert result.segmentation is result.maps[1]
    text = client.reason(SCENE, QUESTION, mode=cooper_client.Mode.TEXT_ONLY)
    assert text.result().maps == ()
    text = client.reason(None, QUESTION, mode="text_only", max_think_tokens=4)
    assert text.result().reason == FinishReason.MAX_TOKENS


def test_html_is_escaped(client):
    del client
    text = cooper_client.Text(0, TextChannel.ANSWER, "<script>alert(1)</script>")
    result = cooper_client.Result("", None, (), cooper_client.Usage(),
                                  FinishReason.ANSWERED, "r", "<m>", 1, (text,))
    assert "<script>" not in result._repr_html_()
    assert "<m>" not in result._repr_html_()


def test_model(client):
    model = client.model()
    assert model.name == "fake" and model.limits.map_stride == 16
    assert model.defaults["num_timesteps"] == 50
    assert "cfg_renorm_type" not in model.defaults or isinstance(
        model.defaults["cfg_renorm_type"], str)
    assert cooper_client.Mode.TEXT_ONLY in model.modes


def test_the_servers_refusal_names_the_field(client):
    with pytest.raises(cooper_client.InvalidArgument) as caught:
        client.depth(SCENE, num_timesteps=1)
    assert caught.value.violations[0].field == "flow.num_timesteps"
    with pytest.raises(cooper_client.NotFound) as caught:
        client.depth(SCENE, model="another")
    assert caught.value.reason == "MODEL_NOT_FOUND"


def test_overload_passes_by_retries():
    """Two at a time, two wait, eight come: all are answered."""
    async def run(address):
        policy = cooper_client.RetryPolicy(attempts=20)
        async with cooper_client.aio.Client(address, retry=policy) as client:
            maps = await asyncio.gather(*(
                client.depth(SCENE, num_timesteps=10, seed=i) for i in range(8)))
            assert len({m.seed for m in maps}) == 8
    with serving("--max_running=2", "--max_queue=2") as server:
        asyncio.run(run(server.address))


def test_sixteen_calls_at_once(server):
    async def run():
        async with cooper_client.aio.Client(server.address) as client:
            begin = time.monotonic()
            results = await asyncio.gather(*(
                client.reason(SCENE, QUESTION, num_timesteps=3, seed=1).result()
                for _ in range(16)))
            assert len({r.answer for r in results}) == 1
            first = np.asarray(results[0].depth)
            for result in results:
                assert abs(np.asarray(result.depth) - first).max() < 1e-5
            return time.monotonic() - begin
    assert asyncio.run(run()) < 60


def test_the_twins_give_the_same(client, server):
    async def run():
        async with cooper_client.aio.Client(server.address) as twin:
            stream = twin.reason(SCENE, QUESTION, num_timesteps=3, seed=1)
            texts = "".join([e.text async for e in stream
                             if isinstance(e, cooper_client.TextDelta)])
            result = await stream.result()
            assert "".join(t.text for t in result.texts) == texts
            labels = await twin.segment(SCENE, num_timesteps=3, seed=1)
            image = await twin.generate("a", num_timesteps=2, seed=1, width=64,
                                        height=64)
            model = await twin.model()
            return result, labels, image, model
    result, labels, image, model = asyncio.run(run())
    expected = client.reason(SCENE, QUESTION, num_timesteps=3, seed=1).result()
    assert result.answer == expected.answer
    assert (np.asarray(result.depth) == np.asarray(expected.depth)).all()
    assert (np.asarray(labels) == np.asarray(
        client.segment(SCENE, num_timesteps=3, seed=1))).all()
    assert np.asarray(image).shape == (64, 64, 3)
    assert model == client.model()


def test_the_twins_have_the_same_methods():
    import inspect
    for name, kind in (("Client", cooper_client.Client),
                       ("Conversation", cooper_client.Conversation)):
        twin = getattr(cooper_client.aio, name)
        for method, function in vars(kind).items():
            if method.startswith("_") or not inspect.isfunction(function):
                continue
            theirs = inspect.signature(getattr(twin, method)).parameters
            assert list(theirs) == list(inspect.signature(function).parameters)
