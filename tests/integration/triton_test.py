"""An unmodified Triton client against a running server.

Runs in .venv-triton (scripts/setup), since the client wants an older protobuf
than the other tests' tools.
"""

import json
import queue
import struct
import time
import zlib

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.utils import InferenceServerException

from harness import (ROOT, SCENE, Server, depth, inference_files, pb, png_of,
                     question, read, serving)

IMAGE = SCENE.read_bytes()
# Long enough to be cancelled in its middle.
ENDLESS = {"num_timesteps": 1000}


@pytest.fixture(scope="module", name="server")
def fixture_server():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def fixture_identity(server):
    yield
    server.scrape_at_rest()


@pytest.fixture(name="client")
def fixture_client(server):
    with triton.InferenceServerClient(server.address) as client:
        yield client


def tensor(name, *elements):
    """A BYTES input of shape [elements]."""
    made = triton.InferInput(name, [len(elements)], "BYTES")
    made.set_data_from_numpy(np.array(elements, dtype=np.object_))
    return made


def outputs(*names):
    return [triton.InferRequestedOutput(name) for name in names]


class Stream:
    """A stream whose answers are read one by one."""

    def __init__(self, client):
        self.client = client
        self.answers = queue.Queue()

    def __enter__(self):
        self.client.start_stream(
            lambda result, error: self.answers.put((result, error)))
        return self

    def __exit__(self, *_):
        self.client.stop_stream()

    def ask(self, model, *inputs, **options):
        self.client.async_stream_infer(model, list(inputs), **options)

    def next(self):
        return self.answers.get(timeout=60)

    def results(self):
        """Of one request, up to its final response."""
        while True:
            result, error = self.next()
            assert error is None, error
            yield result
            if is_final(result):
                return


def is_final(result):
    return (result.get_response().parameters["triton_final_response"]
            .bool_param)


def text_of(result, name):
    value = result.as_numpy(name)
    return None if value is None else value[0].decode()


def fields(message):
    return {field.name: field for field in message.fields}


def same_shape(ours, theirs):
    """Every field of ours is theirs too, as it is on the wire."""
    assert ours.full_name == theirs.full_name
    for name, field in fields(ours).items():
        assert name in fields(theirs), (ours.full_name, name)
        other = fields(theirs)[name]
        for key in ("number", "type", "is_repeated"):
            assert getattr(field, key) == getattr(other, key), field.full_name
        for key in ("message_type", "enum_type", "containing_oneof"):
            mine, its = getattr(field, key), getattr(other, key)
            assert (mine and mine.full_name) == (its and its.full_name)
    for name, nested in ours.nested_types_by_name.items():
        same_shape(nested, theirs.nested_types_by_name[name])


def test_our_definition_of_the_protocol_is_the_clients():
    our_files = inference_files()
    for ours, theirs in zip(our_files, (service_pb2.DESCRIPTOR,
                                        model_config_pb2.DESCRIPTOR)):
        assert ours.package == theirs.package
        assert ours.message_types_by_name
        for name, message in ours.message_types_by_name.items():
            same_shape(message, theirs.message_types_by_name[name])
        for name, enum in ours.enum_types_by_name.items():
            assert ({v.name: v.number for v in enum.values} ==
                    {v.name: v.number
                     for v in theirs.enum_types_by_name[name].values})
    our_methods = our_files[0].services_by_name[
        "GRPCInferenceService"].methods_by_name
    their_methods = service_pb2.DESCRIPTOR.services_by_name[
        "GRPCInferenceService"].methods_by_name
    for name, method in our_methods.items():
        other = their_methods[name]
        for key in ("input_type", "output_type"):
            assert (getattr(method, key).full_name ==
                    getattr(other, key).full_name)
        assert method.client_streaming == other.client_streaming
        assert method.server_streaming == other.server_streaming


def test_server_and_models_tell_of_themselves(server, client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.get_server_metadata().name == "cooper_server"
    assert client.get_server_metadata().version
    for suffix, inputs, first, decoupled in (
            ("", ["IMAGE", "QUESTION"], "TEXT", True),
            ("_depth", ["IMAGE"], "DEPTH", False),
            ("_segmentation", ["IMAGE"], "SEGMENTATION", False)):
        name = server.model + suffix
        assert client.is_model_ready(name)
        assert client.is_model_ready(name, "1")
        metadata = client.get_model_metadata(name)
        assert [t.name for t in metadata.inputs] == inputs
        assert metadata.outputs[0].name == first
        assert list(metadata.versions) == ["1"]
        config = client.get_model_config(name).config
        assert [t.name for t in config.input] == inputs
        assert config.max_batch_size == 0
        assert config.model_transaction_policy.decoupled is decoupled
    config = client.get_model_config(server.model + "_depth").config
    assert config.output[0].data_type == model_config_pb2.TYPE_FP32
    assert list(config.output[0].dims) == [-1, -1]


def own_map(server, role, call):
    """The bytes and size of a map as cooper.v1 sends it."""
    with server.stub() as stub:
        events, _ = read(call(stub))
    parts = [event.map for event in events
             if event.HasField("map") and event.map.role == role]
    return b"".join(part.data for part in parts), parts[0]


def test_depth_is_the_same_tensor_that_our_own_protocol_sends(server, client):
    raw, sent = own_map(
        server, pb.MAP_ROLE_VALUES,
        lambda stub: stub.EstimateDepth(depth(4, seed=5, output={
            "depth_encoding": pb.MAP_ENCODING_RAW_FLOAT32})))
    result = client.infer(server.model + "_depth", [tensor("IMAGE", IMAGE)],
                          request_id="mine",
                          parameters={"seed": 5, "num_timesteps": 5})
    values = result.as_numpy("DEPTH")
    assert values.dtype == np.float32
    assert values.shape == (sent.height, sent.width)
    expected = np.frombuffer(raw, "<f4").reshape(values.shape)
    np.testing.assert_array_equal(values, expected)
    assert values.min() >= 0 and values.max() <= 1
    assert result.as_numpy("DISPLAY") is None
    response = result.get_response()
    assert (response.id, response.model_version) == ("mine", "1")
    assert response.parameters["seed"].uint64_param == 5


def test_requested_outputs_come_and_no_others(server, client):
    raw, _ = own_map(server, pb.MAP_ROLE_DISPLAY,
                     lambda stub: stub.EstimateDepth(depth(4, seed=5)))
    result = client.infer(server.model + "_depth", [tensor("IMAGE", IMAGE)],
                          outputs=outputs("DISPLAY"),
                          parameters={"seed": 5, "num_timesteps": 5})
    assert result.as_numpy("DISPLAY")[0] == raw
    assert result.as_numpy("DEPTH") is None


def test_segmentation_is_pixels_and_regions(server, client):
    request = pb.SegmentRequest(image=IMAGE, seed=5,
                                flow={"num_timesteps": 5})
    _, sent = own_map(server, pb.MAP_ROLE_VALUES,
                      lambda stub: stub.Segment(request))
    result = client.infer(
        server.model + "_segmentation", [tensor("IMAGE", IMAGE)],
        outputs=outputs("SEGMENTATION", "REGIONS", "DISPLAY"),
        parameters={"seed": 5, "num_timesteps": 5})
    pixels = result.as_numpy("SEGMENTATION")
    assert pixels.dtype == np.uint8
    assert pixels.shape == (sent.height, sent.width, 3)
    regions = json.loads(result.as_numpy("REGIONS")[0])
    assert [(r["colour"], r["area"], r["left"], r["bottom"])
            for r in regions] == [(r.colour, r.area, r.left, r.bottom)
                                  for r in sent.regions]
    png = result.as_numpy("DISPLAY")[0]
    assert struct.unpack(">II", png[16:24]) == pixels.shape[1::-1]


def test_an_answer_is_collected(server, client):
    asked = question(mode=pb.MODE_TEXT_ONLY, seed=3)
    with server.stub() as stub:
        events, _ = read(stub.Reason(asked))
    finished = events[-1].finished
    result = client.infer(
        server.model,
        [tensor("IMAGE", IMAGE), tensor("QUESTION", asked.inputs[1].text)],
        parameters={"mode": "TEXT_ONLY", "seed": 3})
    assert text_of(result, "ANSWER") == finished.answer
    assert text_of(result, "ANSWER_TEXT") == finished.answer_text
    assert text_of(result, "BOXED") == finished.boxed
    assert ("FINISH_REASON_" + text_of(result, "FINISH_REASON") ==
            pb.FinishReason.Name(finished.reason))
    written = b"".join(result.as_numpy("TEXT")).decode()
    assert written == "".join(e.text_delta.text for e in events)
    assert len(result.as_numpy("TEXT")) == len(result.as_numpy("CHANNEL"))
    assert len(result.as_numpy("MAP")) == len(result.as_numpy("MAP_KIND")) == 0


def test_a_streamed_answer_comes_in_pieces_and_a_final_response(server, client):
    with Stream(client) as stream:
        stream.ask(server.model, tensor("IMAGE", IMAGE),
                   tensor("QUESTION", "Show both maps."), request_id="s",
                   parameters={"seed": 3, "mode": "PERCEIVE_THEN_ANSWER",
                               "num_timesteps": 4})
        results = list(stream.results())
    assert [is_final(r) for r in results] == [False] * (len(results) - 1) + [True]
    assert all(r.get_response().id == "s" for r in results)
    maps = [text_of(r, "MAP_KIND") for r in results
            if r.as_numpy("MAP") is not None]
    assert maps == ["DEPTH", "SEGMENTATION"]
    pieces = [r for r in results if r.as_numpy("TEXT") is not None]
    assert pieces
    written = "".join(text_of(r, "TEXT") for r in pieces)
    answer = text_of(results[-1], "ANSWER")
    assert answer and all(word in answer for word in written.split())
    assert text_of(results[-1], "FINISH_REASON")
    assert all(r.as_numpy("ANSWER") is None for r in results[:-1])


@pytest.mark.parametrize("wanted", [False, True])
def test_an_empty_final_response_comes_only_if_it_is_wanted(server, client,
                                                            wanted):
    text_only = {"seed": 3, "mode": "TEXT_ONLY"}
    with Stream(client) as stream:
        stream.ask(server.model, tensor("QUESTION", "How far?"),
                   outputs=outputs("TEXT"), request_id="a",
                   parameters=text_only, enable_empty_final_response=wanted)
    seen = []
    while not stream.answers.empty():
        seen.append(stream.next()[0])
    assert seen and seen[0].as_numpy("TEXT") is not None
    assert is_final(seen[-1]) is wanted
    assert (seen[-1].as_numpy("TEXT") is None) is wanted


def test_requests_of_one_stream_run_together(server, client):
    with Stream(client) as stream:
        for number in range(20):
            stream.ask(server.model + "_depth", tensor("IMAGE", IMAGE),
                       request_id=str(number),
                       parameters={"num_timesteps": 3})
        results = [stream.next() for _ in range(20)]
    assert all(error is None for _, error in results)
    assert ({r.get_response().id for r, _ in results} ==
            {str(number) for number in range(20)})
    assert all(is_final(r) and r.as_numpy("DEPTH").ndim == 2
               for r, _ in results)


def test_a_bad_request_does_not_end_its_stream(server, client):
    before = server.scrape()
    with Stream(client) as stream:
        stream.ask(server.model + "_depth", tensor("IMAGE", b"no image"))
        _, error = stream.next()
        assert "INVALID_ARGUMENT" in error.message()
        assert "inputs[IMAGE]" in error.message()
        stream.ask(server.model + "_depth", tensor("IMAGE", IMAGE),
                   parameters={"num_timesteps": 3})
        (result,) = stream.results()
        assert result.as_numpy("DEPTH") is not None
    after = server.scrape_at_rest()
    labels = {"method": "ModelStreamInfer"}
    for name, code in (("OK", 1), ("INVALID_ARGUMENT", 1)):
        assert (after.sum("cooper_requests_total", code=name, **labels) -
                before.sum("cooper_requests_total", code=name, **labels)
                == code)


@pytest.mark.parametrize("inputs, options, words", [
    ([], {}, "inputs[IMAGE]: required"),
    ([tensor("IMAGE", b"x"), tensor("FOO", b"x")], {}, "inputs[FOO]"),
    ([tensor("IMAGE", b"a", b"b")], {}, "inputs[IMAGE]: shape must be [1]"),
    ([tensor("IMAGE", b"file:///etc/passwd")], {}, "inputs[IMAGE][0]"),
    ([tensor("IMAGE", IMAGE[:-200])], {}, "inputs[IMAGE][0]"),
    ([tensor("IMAGE", IMAGE)], {"outputs": outputs("FOO")}, "outputs[FOO]"),
    ([tensor("IMAGE", IMAGE)], {"parameters": {"foo": 1}}, "parameters[foo]"),
    ([tensor("IMAGE", IMAGE)], {"parameters": {"num_timesteps": 1}},
     "parameters[num_timesteps]"),
    ([tensor("IMAGE", IMAGE)], {"request_id": "a\nb"}, "id: "),
])
def test_errors_name_the_tensor(server, client, inputs, options, words):
    with pytest.raises(InferenceServerException) as error:
        client.infer(server.model + "_depth", inputs, **options)
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert words in error.value.message()


def test_a_wrong_datatype_is_refused(server, client):
    image = triton.InferInput("IMAGE", [1], "FP32")
    image.set_data_from_numpy(np.zeros(1, np.float32))
    with pytest.raises(InferenceServerException) as error:
        client.infer(server.model + "_depth", [image])
    assert "inputs[IMAGE]: datatype must be BYTES" in error.value.message()


def pixels(array):
    """A UINT8 input of the array's shape."""
    made = triton.InferInput("IMAGE", array.shape, "UINT8")
    made.set_data_from_numpy(array)
    return made


def test_pixels_give_what_their_file_gives(server, client):
    width, height = 40, 24
    raster = np.random.default_rng(1).integers(
        0, 256, (height, width, 3), np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in raster)
    file = png_of(width, height, zlib.compress(rows), depth=8)
    options = {"parameters": {"seed": 5, "num_timesteps": 4}}
    expected = client.infer(server.model + "_depth", [tensor("IMAGE", file)],
                            **options).as_numpy("DEPTH")
    for array in (raster, raster[np.newaxis]):
        result = client.infer(server.model + "_depth", [pixels(array)],
                              **options)
        np.testing.assert_array_equal(result.as_numpy("DEPTH"), expected)


@pytest.mark.parametrize("shape", [
    (24, 40), (24, 40, 1), (24, 40, 4), (2, 24, 40, 3), (1, 300, 3)])
def test_pixels_of_another_shape_are_refused(server, client, shape):
    with pytest.raises(InferenceServerException) as error:
        client.infer(server.model + "_depth",
                     [pixels(np.zeros(shape, np.uint8))])
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert error.value.message().startswith("inputs[IMAGE]")


def test_thirty_frames_are_one_question(tmp_path):
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 256, (30, 32, 32, 3), np.uint8)
    ask = [pixels(frames), tensor("QUESTION", "Which way does it move?")]
    text_only = {"mode": "TEXT_ONLY", "seed": 3, "max_think_tokens": 16}
    with serving("--max_images=30") as server, \
            triton.InferenceServerClient(server.address) as client:
        result = client.infer(server.model, ask, parameters=text_only)
        assert text_of(result, "FINISH_REASON")
        with server.stub() as stub:
            assert stub.GetModel(pb.GetModelRequest()).limits.max_images == 30
    with serving("--max_images=30", "--max_image_pixels=30000") as server, \
            triton.InferenceServerClient(server.address) as client:
        with pytest.raises(InferenceServerException) as error:
            client.infer(server.model, ask, parameters=text_only)
        assert "inputs[IMAGE][29]" in error.value.message()
        assert "30720 pixels together" in error.value.message()
        with server.stub() as stub:
            limits = stub.GetModel(pb.GetModelRequest()).limits
        assert limits.max_image_pixels == 30000


def test_priority_and_sequences_are_taken(server, client):
    for options in ({"priority": 1}, {"priority": 2}, {"priority": 2**32},
                    {"sequence_id": 7, "sequence_start": True,
                     "sequence_end": True},
                    {"sequence_id": "a", "sequence_start": True},
                    {"outputs": [triton.InferRequestedOutput(
                        "DEPTH", class_count=3)]}):
        result = client.infer(server.model + "_depth",
                              [tensor("IMAGE", IMAGE)],
                              parameters={"num_timesteps": 3}, **options)
        assert result.as_numpy("DEPTH").ndim == 2


def test_a_timeout_is_the_requests_deadline_on_a_stream_too(server, client):
    model = server.model + "_depth"
    result = client.infer(model, [tensor("IMAGE", IMAGE)], timeout=60_000_000,
                          parameters={"num_timesteps": 3})
    assert result.as_numpy("DEPTH") is not None
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, [tensor("IMAGE", IMAGE)], timeout=200_000,
                     parameters=ENDLESS)
    assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    with Stream(client) as stream:
        stream.ask(model, tensor("IMAGE", IMAGE), timeout=200_000,
                   parameters=ENDLESS)
        _, error = stream.next()
        assert error.message().startswith("DEADLINE_EXCEEDED")
        stream.ask(model, tensor("IMAGE", IMAGE),
                   parameters={"num_timesteps": 3})
        (result,) = stream.results()
        assert result.as_numpy("DEPTH") is not None


def test_statistics_count_requests(server, client):
    name = server.model + "_segmentation"

    def counts():
        (found,) = client.get_inference_statistics(name).model_stats
        assert (found.name, found.version) == (name, "1")
        return found

    before = counts()
    for _ in range(3):
        client.infer(name, [tensor("IMAGE", IMAGE)],
                     parameters={"num_timesteps": 3})
    after = counts()
    assert after.inference_count - before.inference_count == 3
    assert after.execution_count - before.execution_count == 3
    assert abs(after.last_inference - time.time() * 1000) < 60_000
    for part in ("success", "queue", "compute_input", "compute_infer",
                 "compute_output"):
        old = getattr(before.inference_stats, part)
        new = getattr(after.inference_stats, part)
        assert new.count - old.count == 3, part
    spent = after.inference_stats.success.ns - before.inference_stats.success.ns
    inside = (after.inference_stats.compute_infer.ns -
              before.inference_stats.compute_infer.ns)
    assert 0 < inside <= spent
    everything = client.get_inference_statistics().model_stats
    assert [found.name for found in everything] == [
        server.model, server.model + "_depth", name]
    assert client.get_inference_statistics(as_json=True)["model_stats"]


def test_the_repository_holds_the_served_models(server, client):
    index = client.get_model_repository_index()
    assert [(m.name, m.version, m.state) for m in index.models] == [
        (server.model + suffix, "1", "READY")
        for suffix in ("", "_depth", "_segmentation")]


def test_no_memory_is_shared(client):
    assert not client.get_system_shared_memory_status().regions
    assert not client.get_cuda_shared_memory_status().regions


@pytest.mark.parametrize("ask", [
    lambda client: client.load_model("fake"),
    lambda client: client.unload_model("fake"),
    lambda client: client.register_system_shared_memory("a", "/a", 8),
    lambda client: client.unregister_system_shared_memory(),
    lambda client: client.register_cuda_shared_memory("a", b"", 0, 8),
    lambda client: client.unregister_cuda_shared_memory(),
    lambda client: client.get_trace_settings(),
    lambda client: client.update_trace_settings(settings={"trace_rate": "1"}),
    lambda client: client.get_log_settings(),
    lambda client: client.update_log_settings({"log_verbose_level": 1}),
])
def test_what_the_server_has_no_use_for_is_refused_in_words(client, ask):
    with pytest.raises(InferenceServerException) as error:
        ask(client)
    assert error.value.status() == "StatusCode.UNIMPLEMENTED"
    assert error.value.message()


@pytest.mark.parametrize("ask", [
    lambda client, name, version: client.get_model_metadata(name, version),
    lambda client, name, version: client.get_model_config(name, version),
    lambda client, name, version: client.is_model_ready(name, version),
    lambda client, name, version: client.infer(
        name, [tensor("IMAGE", IMAGE)], model_version=version),
])
def test_unknown_models_and_versions_are_not_found(server, client, ask):
    for name, version, field in (("other", "", "model_name"),
                                 (server.model + "_depth", "2",
                                  "model_version")):
        with pytest.raises(InferenceServerException) as error:
            ask(client, name, version)
        assert error.value.status() == "StatusCode.NOT_FOUND"
        assert field in error.value.message()


def test_a_cancelled_stream_frees_its_requests(server, client):
    before = server.scrape()
    stream = Stream(client)
    with stream:
        for _ in range(3):
            stream.ask(server.model + "_depth", tensor("IMAGE", IMAGE),
                       parameters=ENDLESS)
        give_up = time.monotonic() + 30
        while server.scrape().sum("cooper_requests_in_flight",
                                  method="ModelStreamInfer") < 3:
            assert time.monotonic() < give_up
        client.stop_stream(cancel_requests=True)
    _, error = stream.next()
    assert error.status() == "StatusCode.CANCELLED"
    after = server.scrape_at_rest()
    labels = {"method": "ModelStreamInfer", "cause": "client"}
    assert (after.sum("cooper_cancellations_total", **labels) -
            before.sum("cooper_cancellations_total", **labels)) == 3


def test_a_client_timeout_is_the_requests_deadline(server, client):
    labels = {"method": "ModelInfer", "cause": "deadline"}
    before = server.scrape()
    with pytest.raises(InferenceServerException) as error:
        client.infer(server.model + "_depth", [tensor("IMAGE", IMAGE)],
                     parameters=ENDLESS, client_timeout=0.2)
    assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    after = server.scrape_at_rest()
    assert (after.sum("cooper_cancellations_total", **labels) -
            before.sum("cooper_cancellations_total", **labels)) == 1


def test_a_token_is_asked_for_here_too(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n")
    with serving(f"--auth_token_file={tokens}") as server, \
            triton.InferenceServerClient(server.address) as client:
        headers = {"authorization": "Bearer secret"}
        assert client.is_server_ready(headers=headers)
        for ask in (client.is_server_live, client.get_server_metadata,
                    lambda: client.infer("fake", [])):
            with pytest.raises(InferenceServerException) as error:
                ask()
            assert error.value.status() == "StatusCode.UNAUTHENTICATED"
        stream = Stream(client)
        with stream:
            _, error = stream.next()
        assert error.status() == "StatusCode.UNAUTHENTICATED"


def test_an_engine_that_hangs_ends_inference_here_too(tmp_path):
    path = tmp_path / "script.json"
    path.write_text(json.dumps({
        **json.loads((ROOT / "tests/data/fake/integration.json").read_text()),
        "delays_us": {"decode": 1_000_000_000}}))
    server = Server(f"--script={path}", "--stuck_after=2s")
    with triton.InferenceServerClient(server.address) as client, \
            Stream(client) as stream:
        for _ in range(3):
            stream.ask(server.model, tensor("QUESTION", "How far?"),
                       tensor("IMAGE", IMAGE))
        for _ in range(3):
            result, error = stream.next()
            assert result is None
            assert "UNAVAILABLE" in str(error)
        with pytest.raises(InferenceServerException) as error:
            client.infer(server.model + "_depth", [tensor("IMAGE", IMAGE)])
        assert error.value.status() == "StatusCode.UNAVAILABLE"
        scrape = server.scrape()
        assert scrape.breaches() == []
        assert scrape.sum("cooper_requests_in_flight") == 0
        assert server.wait(10) == 3
