"""Wrong arguments: a clear message that begins with the argument's name; and the
options are those of the protocol."""

import dataclasses
import re
import typing
import warnings

import pytest

import cooper_client
from cooper_client import enums, options, requests
from cooper_client._proto import spatial_reasoning_pb2 as pb
from conftest import ROOT

SCENE = str(ROOT / "tests/data/scenes/000.png")


@pytest.fixture(scope="module")
def unconnected():
    with cooper_client.Client("127.0.0.1:1") as client:
        yield client


@pytest.mark.parametrize("kind, message", [
    (options.MapOptions, pb.EstimateDepthRequest()),
    (options.MapOptions, pb.SegmentRequest()),
    (options.ReasonOptions, pb.ReasonRequest()),
    (options.GenerateOptions, pb.GenerateImageRequest())])
def test_options_are_the_fields_of_the_protocol(kind, message):
    assert set(typing.get_type_hints(kind)) == set(requests.options_of(message))


def test_enumerations_are_those_of_the_protocol():
    for name, descriptor in pb.DESCRIPTOR.enum_types_by_name.items():
        members = {m.value for m in getattr(enums, name)} - {"unspecified"}
        assert members == set(enums.short_names(descriptor)), name


def test_every_field_of_an_event_is_in_the_typed_one():
    events = {"started": cooper_client.Started, "session": cooper_client.Session,
              "text_delta": cooper_client.TextDelta,
              "map_started": cooper_client.MapStarted,
              "map_progress": cooper_client.MapProgress,
              "turn_cancelled": cooper_client.TurnCancelled}
    for field in pb.Event.DESCRIPTOR.fields:
        if field.name in events:
            assert [f.name for f in dataclasses.fields(events[field.name])] == [
                f.name for f in field.message_type.fields]
    for kind, name in ((cooper_client.Usage, "Usage"),
                       (cooper_client.Limits, "Limits"),
                       (cooper_client.WeightFile, "WeightFile"),
                       (cooper_client.Model, "GetModelResponse")):
        descriptor = pb.DESCRIPTOR.message_types_by_name[name]
        assert {f.name for f in dataclasses.fields(kind)} == {
            f.name for f in descriptor.fields}


@pytest.mark.parametrize("options, kind, words", [
    ({"steps": 5}, TypeError, r"depth\(\) has no option 'steps'"),
    ({"num_timestep": 5}, TypeError, "did you mean 'num_timesteps'"),
    ({"num_timesteps": 5.0}, TypeError, "num_timesteps: must be an integer"),
    ({"num_timesteps": True}, TypeError, "num_timesteps: must be an integer"),
    ({"num_timesteps": 2**40}, ValueError, "num_timesteps: must be in -"),
    ({"seed": -1}, ValueError, r"seed: must be in 0\.\."),
    ({"cfg_text_scale": "4"}, TypeError, "cfg_text_scale: must be a number"),
    ({"cfg_text_scale": float("nan")}, ValueError, "cfg_text_scale: .*finite"),
    ({"priority": "high"}, ValueError, "priority: must be one of normal, low"),
    ({"priority": 1}, TypeError, "priority: must be one of normal, low"),
    ({"roles": ["values", "colour"]}, ValueError, "roles: must be one of"),
    ({"roles": 3}, TypeError, "roles: must be a sequence"),
    ({"depth_encoding": "float"}, ValueError, "depth_encoding: must be one of"),
    ({"request_id": 5}, TypeError, "request_id: must be a string"),
    ({"timeout": 0}, ValueError, "timeout: must be positive"),
    ({"timeout": "1"}, TypeError, "timeout: must be a number of seconds"),
])
def test_wrong_options(unconnected, options, kind, words):
    with pytest.raises(kind, match=words):
        unconnected.depth(SCENE, **options)


@pytest.mark.parametrize("call, kind, words", [
    (lambda c: c.depth("missing.png"), FileNotFoundError, "image: cannot read"),
    (lambda c: c.segment(None), TypeError, "image: must be"),
    (lambda c: c.reason([SCENE, 1], "?"), TypeError, r"images\[1\]: must be"),
    (lambda c: c.reason(SCENE, ""), ValueError, "question: is empty"),
    (lambda c: c.reason(SCENE, None), TypeError, "question: must be a string"),
    (lambda c: c.reason(SCENE, "\ud800"), ValueError, "question: .*Unicode"),
    (lambda c: c.reason(SCENE, "?", mode="fast"), ValueError, "mode: must be"),
    (lambda c: c.reason(SCENE, "?", do_sample=1), TypeError, "do_sample: must"),
    (lambda c: c.generate(" "), ValueError, "prompt: is empty"),
    (lambda c: c.generate("a", width="9"), TypeError, "width: must be an int"),
    (lambda c: c.converse(3), TypeError, "images: must be"),
    (lambda c: c.converse(session_id=3), TypeError, "session_id: must be"),
    (lambda c: c.converse(turns=3), TypeError, r"converse\(\) has no option"),
    (lambda c: c.converse().ask(""), ValueError, "question: is empty"),
    (lambda c: c.converse().cancel(), ValueError, "ask a question first"),
    (lambda c: c.latest_frame([], "colour"), ValueError, "task: must be one of"),
    (lambda c: c.latest_frame(3), TypeError, "frames: must be an iterable"),
    (lambda c: c.latest_frame([], "reason"), ValueError, "question: is empty"),
    (lambda c: c.latest_frame([], stale_after=-1), ValueError, "stale_after: "),
    (lambda c: list(c.latest_frame([(1, 2, 3)])), ValueError, "frames: must give"),
])
def test_wrong_arguments(unconnected, call, kind, words):
    with pytest.raises(kind, match=words):
        call(unconnected)


@pytest.mark.parametrize("arguments, kind, words", [
    ({"target": 8001}, TypeError, "target: must be a string"),
    ({"target": ""}, ValueError, "target: must be 'host:port'"),
    ({"target": "localhost"}, ValueError, "target: must be 'host:port'"),
    ({"target": "localhost:99999"}, ValueError, "target: there is no port"),
    ({"target": "http://localhost:1"}, ValueError, "target: .* not a URL"),
    ({"tls_ca": "missing.pem"}, FileNotFoundError, "tls_ca: cannot read"),
    ({"tls_ca": b"x"}, ValueError, "tls_ca: holds no PEM block"),
    ({"tls_cert": b"x"}, ValueError, "tls_cert: .* come together"),
    ({"tls_server_name": "x"}, ValueError, "tls_server_name: needs tls"),
    ({"token": "a b"}, ValueError, "token: must be one token"),
    ({"token": 1}, TypeError, "token: must be a string"),
    ({"token": "a", "auth_token_file": "b"}, ValueError, "token: give either"),
    ({"auth_token_file": "missing"}, FileNotFoundError,
     "auth_token_file: cannot read"),
    ({"timeout": -1}, ValueError, "timeout: must be positive"),
    ({"retry": 3}, TypeError, "retry: must be a RetryPolicy"),
])
@pytest.mark.parametrize("client", [cooper_client.Client,
                                    cooper_client.aio.Client])
def test_wrong_connections(client, arguments, kind, words):
    with pytest.raises(kind, match=words):
        client(**{"target": "127.0.0.1:1", **arguments})


@pytest.mark.parametrize("arguments", [
    {"attempts": 0}, {"attempts": 1.5}, {"max_wait": -1}, {"first_wait": "x"}])
def test_wrong_policies(arguments):
    (name,) = arguments
    with pytest.raises((TypeError, ValueError), match=f"{name}: "):
        cooper_client.RetryPolicy(**arguments)


def test_the_version_is_the_projects():
    text = (ROOT / "CMakeLists.txt").read_text()
    version = re.search(r"project\(cooper VERSION (\S+)", text).group(1)
    assert cooper_client.__version__ == version


@pytest.mark.parametrize("target, arguments, warned", [
    ("robot.example:1", {}, True), ("localhost:1", {}, False),
    ("127.0.0.1:1", {}, False), ("[::1]:1", {}, False), ("unix:/x", {}, False),
    ("robot.example:1", {"tls": True}, False)])
def test_a_token_without_tls(target, arguments, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cooper_client.Client(target, token="secret", **arguments).close()
    words = [str(w.message) for w in caught]
    assert any("unencrypted" in w for w in words) == warned
