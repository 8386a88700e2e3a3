"""What callers of a running server see; one server for all of this file."""

import concurrent.futures
import io
import random
import re
import threading
import time
import zlib

import grpc
import numpy
import pytest
from PIL import Image
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from harness import (SMALL_WINDOW, SCENE, await_event, depth, details,
                     health_on, long_text, pb, pb_grpc, png, png_of, question,
                     read, serving)

CODE = grpc.StatusCode


@pytest.fixture(scope="module", name="server")
def fixture_server():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def fixture_identity(server):
    """Every scenario ends with the accounting identity and a server that
    still answers."""
    yield
    server.scrape_at_rest()
    assert server.health("readiness") == "SERVING"


def moved(before, after, name, **labels):
    """By how much a counter grew."""
    return after.sum(name, **labels) - before.sum(name, **labels)


def test_a_question_is_answered_in_order(server):
    request = question(request_id="mine", seed=3,
                       flow=pb.FlowOptions(num_timesteps=4))
    with server.stub() as stub:
        events, code = read(stub.Reason(request))
    assert code == CODE.OK
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[0] == "started" and kinds[-1] == "finished"
    assert kinds.count("started") == kinds.count("finished") == 1
    assert events[0].started.request_id == "mine"
    assert events[0].started.model == server.model
    finished = events[-1].finished
    written = [event.text_delta for event in events
               if event.HasField("text_delta")]
    assert written
    assert finished.usage.output_tokens > 0
    last_turn = "".join(delta.text for delta in written
                        if delta.turn == written[-1].turn)
    # The tags themselves are not sent.
    for word in last_turn.split():
        assert word in finished.answer
    # Nor do they stand in the answer's own text.
    assert finished.answer_text in finished.answer
    assert not re.search("</?(think|answer|depth-estimation|segmentation)>",
                         finished.answer_text)
    answered = "".join(delta.text for delta in written
                       if delta.turn == written[-1].turn and
                       delta.channel == pb.TEXT_CHANNEL_ANSWER)
    assert not answered or answered.strip() == finished.answer_text


def test_the_same_seed_gives_the_same_maps(server):
    with server.stub() as stub:
        maps = []
        for _ in range(2):
            events, code = read(stub.EstimateDepth(depth(4, seed=11)))
            assert code == CODE.OK
            maps.append([event.map.data for event in events
                         if event.HasField("map")])
    assert maps[0] == maps[1]
    assert len(maps[0]) == 2


def files_of_the_same_pixels():
    """One image, as the files that tools make of it: few colours, so that a
    palette holds them; a JPEG and its decoded pixels beside it."""
    plain = Image.open(SCENE).convert("RGB").quantize(64).convert("RGB")

    def save(image, kind, **options):
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    turned = Image.Exif()
    turned[0x0112] = 6
    on_its_side = plain.transpose(Image.Transpose.ROTATE_90)
    wide = (numpy.asarray(plain).astype(numpy.uint32) * 257).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    yield "lossless", [
        save(plain, "PNG"), save(plain, "PNG", compress_level=0),
        save(plain, "WEBP", lossless=True, exact=True),
        save(plain.quantize(64), "PNG"), save(plain.convert("RGBA"), "PNG"),
        save(on_its_side, "PNG", exif=turned),
        save(on_its_side, "WEBP", lossless=True, exif=turned),
        png_of(*plain.size, zlib.compress(rows), depth=16)]
    jpeg = save(plain, "JPEG", quality=90, subsampling=0)
    yield "jpeg", [jpeg, save(Image.open(io.BytesIO(jpeg)), "PNG")]


def test_equal_pixels_give_equal_maps_in_any_file(server):
    with server.stub() as stub:
        for name, files in files_of_the_same_pixels():
            results = []
            for i, image in enumerate(files):
                request = depth(4, seed=11)
                request.image = image
                events, code = read(stub.EstimateDepth(request))
                assert code == CODE.OK
                results.append([event.map.data for event in events
                                if event.HasField("map")])
                assert results[-1] == results[0], (name, i)
                usage = events[-1].finished.usage
                assert i == 0 or usage.cached_tokens > 0, (name, i)


def test_the_model_says_what_it_was_trained_for(server):
    with server.stub() as stub:
        model = stub.GetModel(pb.GetModelRequest())
    assert model.HasField("can_converse")
    assert model.HasField("can_generate_images")
    assert (pb.MAP_KIND_IMAGE in model.map_kinds) == model.can_generate_images
    # The demo checkpoint knows its scenes, single questions and maps.
    trained = model.name != "cooper-demo"
    assert model.can_converse == model.can_generate_images == trained


def test_inputs_beyond_the_models_positions_are_invalid(server):
    with server.stub() as stub:
        limits = stub.GetModel(pb.GetModelRequest()).limits
        assert 0 < limits.max_positions < limits.max_text_bytes / 3
        # Letters apart are at least a token each, whatever the tokenizer.
        letters = " ".join("qz"[i % 2] for i in range(limits.max_positions))
        call = stub.Reason(question(letters))
        events, code = read(call)
    assert code == CODE.INVALID_ARGUMENT
    assert not any(event.HasField("text_delta") for event in events)
    told = details(call)
    assert told.reason == "CONTEXT_TOO_LARGE"
    assert told.fields == ["inputs"]


def test_eight_mixed_calls_at_once_end_well(server):
    flow = pb.FlowOptions(num_timesteps=5)
    image = SCENE.read_bytes()

    def ask(stub, i):
        if i % 4 == 0:
            return stub.Reason(question("Show both maps.", flow=flow))
        if i % 4 == 1:
            return stub.EstimateDepth(depth(8))
        if i % 4 == 2:
            return stub.Segment(pb.SegmentRequest(image=image, flow=flow))
        return stub.GenerateImage(pb.GenerateImageRequest(
            inputs=[pb.Input(image=image), pb.Input(text="Make it night.")],
            flow=flow))

    before = server.scrape()
    with server.stub() as stub, \
            concurrent.futures.ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda i: read(ask(stub, i)), range(8)))
    for events, code in ends:
        assert code == CODE.OK
        assert events[-1].HasField("finished")
    after = server.scrape_at_rest()
    assert moved(before, after, "cooper_requests_total", code="OK") == 8


def test_cancel_in_the_middle_of_a_map(server):
    before = server.scrape()
    with server.stub() as stub:
        call = stub.EstimateDepth(depth(999))
        await_event(call, "map_progress")
        call.cancel()
        assert call.code() == CODE.CANCELLED
        after = server.scrape_at_rest()
    assert moved(before, after, "cooper_cancellations_total", cause="client",
                 method="EstimateDepth", phase="denoise") == 1
    assert moved(before, after, "cooper_denoise_steps_total") < 999


def test_deadline_in_the_middle_of_a_text(server):
    with server.stub() as stub:
        # How long it takes by itself, so that a quarter of it is in the middle.
        began = time.monotonic()
        assert read(stub.Reason(long_text()))[1] == CODE.OK
        took = time.monotonic() - began
        before = server.scrape()
        call = stub.Reason(long_text(), timeout=took / 4)
        events, code = read(call)
    assert code == CODE.DEADLINE_EXCEEDED
    assert any(event.HasField("text_delta") for event in events)
    assert not any(event.HasField("finished") for event in events)
    after = server.scrape_at_rest()
    assert moved(before, after, "cooper_cancellations_total",
                 cause="deadline", phase="decode") == 1
    assert moved(before, after, "cooper_requests_total",
                 code="DEADLINE_EXCEEDED") == 1


@pytest.mark.parametrize("image, words, reason", [
    pytest.param(b"", "", "format", id="no_bytes"),
    pytest.param(b"\0", "", "format", id="one_byte"),
    pytest.param(b"<html><body>hello</body></html>", "HTML", "format",
                 id="html"),
    pytest.param(SCENE.read_bytes()[:20], "truncated", "corrupt",
                 id="truncated_header"),
    pytest.param(SCENE.read_bytes()[:-200], "", "corrupt", id="truncated"),
    pytest.param(png(1, 100000), "", None, id="strip_1x100000"),
    pytest.param(png_of(40000, 40000, b""), "40000", None,
                 id="header_40000x40000"),
    pytest.param(b"file:///etc/passwd", "inline bytes", "format", id="path"),
])
def test_bad_images_are_refused_by_field_and_reason(server, image, words,
                                                    reason):
    before = server.scrape()
    with server.stub() as stub:
        call = stub.Reason(question(image=image))
        events, code = read(call)
    assert code == CODE.INVALID_ARGUMENT
    assert not any(event.HasField("finished") for event in events)
    told = details(call)
    assert told.reason == "INVALID_IMAGE"
    assert told.fields == ["inputs[0].image"]
    assert told.retry is None and told.pushback is None
    assert words in call.details()
    after = server.scrape_at_rest()
    labels = {"reason": reason} if reason else {}
    assert moved(before, after, "cooper_image_rejections_total", **labels) == 1
    assert moved(before, after, "cooper_rejections_total",
                 reason="invalid_argument") == 1


def test_bad_fields_are_named_and_bounded(server):
    with server.stub() as stub:
        for fields, path in [
                ({"max_turns": 0}, "max_turns"),
                ({"max_think_tokens": 1}, "max_think_tokens"),
                ({"mode": 99}, "mode"),
                ({"flow": {"num_timesteps": 1}}, "flow.num_timesteps"),
                ({"sampling": {"temperature": float("nan")}},
                 "sampling.temperature"),
                ({"request_id": "a\nb"}, "request_id")]:
            call = stub.Reason(question(**fields))
            assert read(call)[1] == CODE.INVALID_ARGUMENT
            assert details(call).fields == [path]
        call = stub.Reason(pb.ReasonRequest())
        assert read(call)[1] == CODE.INVALID_ARGUMENT
        assert "required" in call.details()


def test_another_models_name_is_not_found(server):
    with server.stub() as stub:
        call = stub.Reason(question(model="other"))
        assert read(call)[1] == CODE.NOT_FOUND
        assert details(call).reason == "MODEL_NOT_FOUND"
        assert server.model in call.details()


def test_an_oversized_message_is_refused_by_reason(server):
    before = server.scrape()
    with server.stub() as stub:
        call = stub.Reason(question(image=bytes(33 << 20)))
        assert read(call)[1] == CODE.RESOURCE_EXHAUSTED
        assert details(call).reason == "MESSAGE_TOO_LARGE"
    after = server.scrape_at_rest()
    assert moved(before, after, "cooper_rejections_total",
                 reason="message_too_large") == 1


def test_compressed_messages_are_not_taken(server):
    with server.stub() as stub:
        call = stub.Reason(question(), compression=grpc.Compression.Gzip)
        assert read(call)[1] == CODE.UNIMPLEMENTED


@pytest.mark.parametrize("message, field", [
    pytest.param(b"\xff\xff\xff", "request", id="garbage"),
    pytest.param(b"\x12\x05\x12\x03a\xffb", "inputs[0].text",
                 id="invalid_utf8"),
    pytest.param(b"\x12\x00" * 10001, "inputs[10000]", id="elements"),
])
def test_bytes_that_are_no_request_are_refused_by_field(server, message, field):
    before = server.scrape()
    with server.channel() as channel:
        call = channel.unary_stream(
            "/cooper.v1.SpatialReasoningService/Reason",
            request_serializer=None, response_deserializer=None)(message)
        assert read(call)[1] == CODE.INVALID_ARGUMENT
        assert details(call).reason == "INVALID_ARGUMENT"
        assert field in call.details()
    after = server.scrape_at_rest()
    assert moved(before, after, "cooper_rejections_total",
                 reason="invalid_argument") == 1


@pytest.mark.parametrize("method", [
    "/cooper.v1.SpatialReasoningService/Nothing",
    "/cooper.v2.SpatialReasoningService/Reason",
    "/grpc.channelz.v1.Channelz/GetServers",
])
def test_unknown_methods_are_unimplemented(server, method):
    before = server.scrape()
    with server.channel() as channel:
        call = channel.unary_stream(method)(b"")
        assert read(call)[1] == CODE.UNIMPLEMENTED
    after = server.scrape_at_rest()
    assert moved(before, after, "cooper_rejections_total", method="other",
                 reason="unimplemented") == 1
    names = {pairs["method"]
             for pairs, _ in after.samples["cooper_requests_total"]}
    assert not any("/" in name or "Nothing" in name for name in names)


def test_reflection_is_off(server):
    with server.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter(
            [reflection_pb2.ServerReflectionRequest(list_services="")]))
        assert read(call)[1] == CODE.UNIMPLEMENTED


def test_health_names(server):
    with server.channel() as channel:
        for name in ("", "cooper.v1.SpatialReasoningService", "liveness",
                     "readiness"):
            assert health_on(channel, name) == "SERVING"
        assert health_on(channel, "nobody") == "NOT_FOUND"


def test_a_trace_id_is_logged_and_a_prompt_is_not(server):
    trace = "0af7651916cd43dd8448eb211c80319c"
    with server.stub() as stub:
        call = stub.Reason(
            question("my secret words", max_turns=1),
            metadata=[("traceparent", f"00-{trace}-b7ad6b7169203331-01")])
        assert read(call)[1] == CODE.OK
    server.scrape_at_rest()
    assert trace in server.errors()
    assert "secret" not in server.errors()


def test_random_cancels_are_all_accounted_for(server):
    total = 1000 if server.model == "fake" else 200
    before = server.scrape()

    def ask_and_leave(seed):
        rng = random.Random(seed)
        with server.stub() as stub:
            for _ in range(total // 8):
                request = (depth(30) if rng.random() < 0.5 else
                           question(flow=pb.FlowOptions(num_timesteps=10)))
                method = (stub.Reason if isinstance(request, pb.ReasonRequest)
                          else stub.EstimateDepth)
                call = method(request)
                timer = threading.Timer(rng.random() * 0.04, call.cancel)
                timer.start()
                read(call)
                timer.join()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(ask_and_leave, range(8)))
    after = server.scrape_at_rest()
    started = moved(before, after, "cooper_rpc_started_total")
    # A call that is cancelled before it was sent never reaches the server.
    assert 0.5 * total < started <= total
    assert moved(before, after, "cooper_cancellations_total") > total / 10


def test_a_reader_that_stalls_is_ended_and_a_neighbour_is_not():
    with serving("--stall_timeout=300ms") as server:
        request = depth(3, output=pb.OutputOptions(
            roles=[pb.MAP_ROLE_VALUES, pb.MAP_ROLE_DISPLAY,
                   pb.MAP_ROLE_AS_SEEN_BY_MODEL],
            depth_encoding=pb.MAP_ENCODING_RAW_FLOAT32))
        request.image = png(1024, 1024)
        with server.channel(SMALL_WINDOW) as channel, server.stub() as other:
            stub = pb_grpc.SpatialReasoningServiceStub(channel)
            idle = stub.EstimateDepth(request)
            assert read(other.EstimateDepth(request))[1] == CODE.OK
            give_up = time.monotonic() + 30
            while server.scrape().sum("cooper_stream_stalls_total") == 0:
                assert time.monotonic() < give_up
            events, code = read(idle)
            assert code == CODE.CANCELLED
            assert not any(event.HasField("finished") for event in events)
        after = server.scrape_at_rest()
        assert after.sum("cooper_stream_stalls_total") == 1
        assert after.sum("cooper_cancellations_total", cause="stall") == 1
